"""What the API starts and ends: a backup from the call to its pin, retention, and who waits for it."""

import json
import os
import re
import subprocess
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from pgbackstop_catalog.model import utc_now
from pgbackstop_catalog.records.attempt import Reason, Status
from pgbackstop_runner import workspace
from pgbackstop_runner.backup import reconcile
from pgbackstop_runner.console.api.endpoint import BASE
from tests.integration.console.conftest import DEADLINE, Site, deeds, serving
from tests.integration.console.program import over, token
from tests.integration.daemon.conftest import until
from tests.support import factories
from tests.support.databases import Database

HOW_TO = Path(__file__).parents[3] / "docs" / "how-to" / "back-up-before-a-migration.md"


@pytest.mark.integration
def test_a_backup_from_the_call_to_its_pin_and_its_proofs(site: Site) -> None:
    operator, viewer = token(site, "deploy", "operator"), token(site, "watch", "viewer")
    assert not viewer.get("/status")["safe"]
    begun = operator.ask("POST", "/backups", {"plan": "shop"})
    assert begun.status == 202
    place = begun.headers["Location"].removeprefix(BASE)
    done = until(lambda: over(viewer, place), "the backup ends")
    assert (done["state"], done["exit_code"], done["started_by"]) == ("succeeded", 0, "token deploy")
    [made] = done["backups"]
    assert (made["status"], made["pinned"], bool(made["verified_at"])) == ("succeeded", False, True)
    assert viewer.get(f"/backups/{made['id']}")["backup"]["operation"] == done["id"]
    assert viewer.get("/servers")["servers"][0]["status"]["databases_of"]

    for proof in ("verify", "drill"):
        proven = operator.ask("POST", f"/backups/{made['id']}/{proof}", {"wait": True})
        assert proven.status == 200, proven
        assert proof in [each.proof for each in site.catalog.proofs("shop")]
    pinned = operator.ask("POST", f"/backups/{made['id']}/pin", {"note": "--all"})
    assert json.loads(pinned.text)["backup"]["pinned"]["operator"] == "token deploy"
    assert "pinned by token deploy: --all" in site.visit("vera").get(f"/backups/{made['id']}").text
    assert operator.ask("DELETE", f"/backups/{made['id']}/pin").status == 200
    assert operator.ask("DELETE", f"/backups/{made['id']}/pin").status == 409
    lines = (site.folder / "store/catalog/state/console-audit.jsonl").read_text().splitlines()
    acts = [each["action"] for each in map(json.loads, lines) if each["user"] == "token deploy"]
    assert acts == ["backup", "verify", "drill", "pin", "unpin", "unpin"]
    told = token(site, "all", "admin").get("/audit")["deeds"]
    assert [each["action"] for each in reversed(told) if each["user"] == "token deploy"] == acts


@pytest.mark.integration
def test_the_documented_call_before_a_migration_is_answered_when_it_is_safe(site: Site) -> None:
    """As it stands in the docs, by curl: exit code 0 is a pinned backup, and 22 with a reason is none."""
    call = re.findall(r"^```sh\n(.*?)^```", HOW_TO.read_text(), re.DOTALL | re.MULTILINE)[0]
    operator = token(site, "deploy", "operator")
    environment = {**os.environ, "TOKEN": operator.secret, "PGBACKSTOP": site.address}

    def called() -> tuple[int, Any]:
        done = subprocess.run(
            ["bash", "-c", call], env=environment, capture_output=True, check=False, timeout=280
        )
        return done.returncode, json.loads(done.stdout)

    code, done = called()
    assert (code, done["state"]) == (0, "succeeded"), done
    [made] = done["backups"]
    record = site.catalog.backup(made["id"])
    assert record.is_available
    assert record.verified_at is not None
    assert record.pinned is not None
    assert (record.pinned.note, record.pinned.operator) == ("before release 4.2", "token deploy")

    storage = site.folder / "store" / "backups"
    storage.rename(storage.with_name("away"))
    storage.write_text("no folder")
    code, refused = called()
    assert (code, refused["status"], refused["operation"]["state"]) == (22, 424, "failed"), refused


def test_what_goes_is_removed_once_somebody_has_seen_it(site: Site) -> None:
    """Backups of the plan without bytes: what is removed is told by the records."""
    admin, ada = token(site, "all", "admin"), site.visit("ada")
    day = timedelta(days=1)
    for number in range(12):
        started = utc_now() - (30 - number) * day
        site.catalog.put(factories.backup(number, started, plan="shop", server="main", location=None))
    before = admin.get("/plans/shop/retention")
    assert before["goes"] == 5
    assert "nothing was removed" in ada.post("/plans/shop/expire", {"seen": "another"}).text
    site.catalog.put(factories.backup(20, utc_now() - day, plan="shop", server="main", location=None))
    stale = admin.ask("POST", "/plans/shop/expire", {"seen": before["seen"]})
    assert (stale.status, "another by now" in json.loads(stale.text)["detail"]) == (409, True)
    page = ada.get("/plans/shop/retention").text
    assert "Remove 6 backups now" in page
    assert "Remove" not in site.visit("otto").get("/plans/shop/retention").text
    seen = re.findall(r'name="seen" value="(\w+)"', page)[0]
    done = admin.ask("POST", "/plans/shop/expire", {"seen": seen, "wait": True})
    assert (done.status, json.loads(done.text)["verb"]) == (200, "expire"), done
    assert admin.get("/plans/shop/retention")["goes"] == 0
    assert sum(each.is_available for each in site.catalog.backups("shop")) == 7
    assert ("token all", "expire", "asked for") in deeds(site)


def test_one_that_the_daemon_or_a_person_makes_already_is_said(site: Site) -> None:
    operator = token(site, "deploy", "operator")
    opened = workspace.open_workspace(site.folder / "pgbackstop.yaml", lambda error: pytest.fail(str(error)))
    with opened.state.held(reconcile.lock_name("shop"), "A backup of plan shop"):
        refused = operator.ask("POST", "/backups", {"plan": "shop", "wait": True})
    assert refused.status == 409
    assert f"already running (process {os.getpid()}" in json.loads(refused.text)["detail"]


def test_one_that_is_cancelled_answers_those_who_wait(site: Site, database: Database) -> None:
    operator = token(site, "deploy", "operator")
    with database.connect() as holder, holder.transaction():
        # pg_dump waits for the lock, so the run goes on until it is cancelled.
        holder.execute("LOCK TABLE orders IN ACCESS EXCLUSIVE MODE")
        place = operator.ask("POST", "/backups", {"plan": "shop"}).headers["Location"].removeprefix(BASE)
        until(lambda: operator.get(place)["backups"], "the run is on record")
        assert operator.ask("POST", "/backups", {"plan": "shop", "wait": True}).status == 409
        assert operator.ask("POST", f"{place}/cancel").status == 202
        done = until(lambda: over(operator, place), "the backup ends")
    assert (done["state"], done["cancelled_by"]) == ("cancelled", "token deploy")
    record = next(site.catalog.backups("shop"))
    assert (record.status, record.reason) == (Status.INTERRUPTED, Reason.INTERRUPTED)
    assert operator.ask("POST", f"/backups/{record.id}/pin").status == 409
    assert operator.ask("POST", f"/backups/{record.id}/drill", {"wait": True}).status == 424


def test_a_daemon_that_stops_answers_those_who_wait(site: Site, database: Database) -> None:
    operator = token(site, "deploy", "operator")
    with ThreadPoolExecutor() as pool, database.connect() as holder, holder.transaction():
        holder.execute("LOCK TABLE orders IN ACCESS EXCLUSIVE MODE")
        waiting = pool.submit(operator.ask, "POST", "/backups", {"plan": "shop", "wait": True})
        until(lambda: list(site.catalog.backups("shop")), "the run is on record")
        site.daemon.terminate()
        answer = waiting.result(DEADLINE)
    assert (answer.status, json.loads(answer.text)["operation"]["state"]) == (424, "interrupted")
    assert site.daemon.wait(DEADLINE) == 0
    assert next(site.catalog.backups("shop")).status is Status.INTERRUPTED
    log = (site.folder / "log").read_text()
    assert log.index("event=ended") < log.index('event="daemon stopped"'), log


def test_who_waits_for_what_outlives_the_daemon_is_told_that_it_goes_on(
    tmp_path: Path, database: Database
) -> None:
    with serving(tmp_path, database, operations_outlive_daemon=True) as site:
        operator = token(site, "deploy", "operator")
        with ThreadPoolExecutor() as pool, database.connect() as holder, holder.transaction():
            holder.execute("LOCK TABLE orders IN ACCESS EXCLUSIVE MODE")
            waiting = pool.submit(operator.ask, "POST", "/backups", {"plan": "shop", "wait": True})
            until(lambda: list(site.catalog.backups("shop")), "the run is on record")
            site.daemon.terminate()
            answer = waiting.result(DEADLINE)
        assert (answer.status, "goes on" in json.loads(answer.text)["detail"]) == (503, True)
        until(
            lambda: next(site.catalog.backups("shop")).is_available, "the backup is made without the daemon"
        )
