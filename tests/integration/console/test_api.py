"""The API over HTTP: who may ask what, what is refused and how, and a backup from the call to its pin."""

import json
import os
import re
import subprocess
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pgbackstop_catalog.config.oidc import Role
from pgbackstop_catalog.model import utc_now
from pgbackstop_catalog.records.attempt import Reason, Status
from pgbackstop_runner import workspace
from pgbackstop_runner.backup import reconcile
from pgbackstop_runner.console import tokens
from pgbackstop_runner.console.api import document
from pgbackstop_runner.console.api.endpoint import BASE, Endpoint
from pgbackstop_runner.console.api.table import ENDPOINTS
from pgbackstop_runner.console.guard import RANKS
from tests.fuzz import examples
from tests.integration.console.conftest import DEADLINE, Answer, Site, Visit, deeds, serving, until
from tests.integration.console.test_console import HOSTILE, failed
from tests.support.databases import Database
from tests.unit.catalog import builders

WHOLE: dict[str, Any] = json.loads(document.text())
HOW_TO = Path(__file__).parents[3] / "docs" / "how-to" / "back-up-before-a-migration.md"
HOUR = 3600.0


@dataclass(kw_only=True)
class Program:
    """Somebody with a token, or with none. What is answered must be as the document says."""

    visit: Visit
    secret: str = ""

    def ask(self, method: str, path: str, body: object = None, **headers: str) -> Answer:
        content = None if body is None else json.dumps(body)
        kind = {} if content is None else {"Content-Type": "application/json"}
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.send(method, path, content, {**kind, **sent})

    def send(self, method: str, path: str, body: str | bytes | None, sent: dict[str, str]) -> Answer:
        token = {"Authorization": f"Bearer {self.secret}"} if self.secret else {}
        cookie = {"Cookie": self.visit.cookie} if self.visit.cookie else {}
        answer = self.visit.send(method, BASE + path, body, {**token, **cookie, **sent})
        check(method, BASE + path.partition("?")[0], answer)
        return answer

    def get(self, path: str) -> Any:
        answer = self.ask("GET", path)
        assert answer.status == 200, answer
        return json.loads(answer.text)


def check(method: str, path: str, answer: Answer) -> None:
    """Each answer is one that the document announces, in the shape that it gives."""
    if answer.status >= 400:
        assert answer.headers["Content-Type"].startswith("application/problem+json"), answer
        assert json.loads(answer.text)["status"] == answer.status
        validate(json.loads(answer.text), {"$ref": "#/components/schemas/Problem"})
    found = [each for each in WHOLE["paths"] if re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", each), path)]
    if not found or method.lower() not in WHOLE["paths"][found[0]]:
        assert answer.status in {404, 405}, answer
        return
    responses = WHOLE["paths"][found[0]][method.lower()]["responses"]
    assert str(answer.status) in responses, (method, path, answer)
    if answer.status < 400:
        schema = responses[str(answer.status)]["content"]["application/json"]["schema"]
        validate(json.loads(answer.text), schema)


def validate(value: object, schema: dict[str, Any]) -> None:
    jsonschema.validate(value, {**schema, "components": WHOLE["components"]})


def token(site: Site, name: str, role: Role, seconds: float = HOUR) -> Program:
    opened = workspace.open_workspace(site.folder / "pgbackstop.yaml", lambda error: pytest.fail(str(error)))
    # One that has ended was good once.
    made = utc_now() if seconds > 0 else utc_now().replace(year=2020)
    secret, _ = tokens.create(opened, name, role, seconds=abs(seconds), operator="us", now=made)
    return Program(visit=site.visit(), secret=secret)


def path_of(endpoint: Endpoint) -> str:
    """With an id that nothing has, so that what is let in ends in 404 and starts nothing."""
    return endpoint.path.replace("{id}", "nothing")


# Where an empty body says too little.
BODIES: dict[str, object] = {
    "/backups": {"plan": "nothing"},
    "/plans/{id}/expire": {"seen": ""},
    "/backups/{id}/restore": {"into": "new"},
    "/backups/{id}/tables": {"tables": ["t"], "into_schema": "new"},
    "/backups/{id}/lost": {"tables": ["t"]},
    "/servers/{id}/recover": {"into": "/new"},
}


def body_of(endpoint: Endpoint) -> object:
    return BODIES.get(endpoint.path.removesuffix("/plan"), {}) if endpoint.body else None


def test_every_endpoint_is_for_its_roles_and_for_nobody_else(site: Site) -> None:
    programs: dict[Role, Program] = {role: token(site, f"{role}s", role) for role in RANKS}
    ada = site.visit("ada")
    strangers = {
        "nobody": Program(visit=site.visit()),
        "ended": token(site, "ended", "admin", -HOUR),
        "unknown": Program(visit=site.visit(), secret="pgbackstop_unknown"),
        "cookie": Program(visit=ada),
    }
    for each in ENDPOINTS:
        method, path, body = each.method, path_of(each), body_of(each)
        for name, stranger in strangers.items():
            answer = stranger.ask(method, path, body)
            assert answer.status == 401, (each.name, name)
            assert answer.headers["WWW-Authenticate"].startswith("Bearer")
        for role, program in programs.items():
            answer = program.ask(method, path, body)
            is_let_in = RANKS[role] >= RANKS[each.role]
            assert answer.status in ({200, 404} if is_let_in else {403}), (each.name, role, answer)
            assert is_let_in or f"needs the role {each.role}" in json.loads(answer.text)["detail"]
    assert "ended at 2020" in json.loads(strangers["ended"].ask("GET", "/status").text)["detail"]
    assert not list(site.catalog.backups())
    assert "refused: role" in ada.get("/audit").text
    assert site.visit().get(document.PATH).text == document.text()


def test_a_token_is_no_login_and_a_login_is_no_token(site: Site) -> None:
    operator, otto = token(site, "deploy", "operator"), site.visit("otto")
    headers = {"Authorization": f"Bearer {operator.secret}"}
    assert operator.visit.ask("GET", "/", None, **headers).headers["Location"] == "/login"
    form = {"csrf": otto.csrf(), "plan": "shop"}
    assert otto.ask("POST", f"{BASE}/backups", form).status == 401
    assert not list(site.catalog.backups())


def test_other_hosts_and_sites_are_refused(site: Site) -> None:
    operator = token(site, "deploy", "operator")
    for headers in (
        {"Host": "evil.example"},
        {"Origin": "https://evil.example"},
        {"Sec_Fetch_Site": "cross-site"},
    ):
        assert operator.ask("POST", "/backups", {"plan": "shop"}, **headers).status == 403, headers
    assert not list(site.catalog.backups())


def test_what_is_no_request_is_explained(site: Site) -> None:
    operator = token(site, "deploy", "operator")
    json_type = {"Content-Type": "application/json"}
    refused = {
        400: [
            operator.ask("POST", "/backups", {}),
            operator.ask("POST", "/backups", {"plan": "shop", "wait": "yes"}),
            operator.ask("POST", "/backups", {"plan": "shop", "pin": {"note": "a\nb"}}),
            operator.ask("POST", "/backups", {"plan": "shop", "databases": ["a\0b"]}),
            operator.ask("POST", "/backups", {"plan": "shop", "pin": {"until": "2020-01-01T00:00:00Z"}}),
            operator.ask("POST", "/backups", {"plan": "--all"}),
            operator.send("POST", "/backups", "{", json_type),
            operator.ask("GET", "/backups?limit=0"),
            operator.ask("GET", "/backups?limit=1&limit=2"),
            operator.ask("GET", "/backups?status=good"),
            operator.ask("GET", "/backups?after=nothing"),
            operator.ask("GET", "/backups?colour=red"),
            operator.ask("GET", "/status?colour=red"),
        ],
        404: [operator.ask("GET", "/backups?plan=nothing"), operator.ask("GET", "/nothing")],
        405: [operator.ask("DELETE", "/backups")],
        413: [operator.send("POST", "/backups", "x" * 100_000, json_type)],
        415: [operator.send("POST", "/backups", "plan=shop", {"Content-Type": "text/plain"})],
    }
    for status, answers in refused.items():
        assert [each.status for each in answers] == [status] * len(answers), answers
    assert not list(site.catalog.backups())


def test_pages_of_many_backups_have_each_once(site: Site) -> None:
    made = [failed("shop", database=HOSTILE, message=HOSTILE) for _ in range(25)]
    for record in made:
        site.catalog.put(record)
    viewer, seen, after = token(site, "watch", "viewer"), list[str](), ""
    query = {"plan": "shop", "status": "failed", "limit": "10"}
    while True:
        page = viewer.get("/backups?" + urlencode({**query, **({"after": after} if after else {})}))
        assert len(page["backups"]) <= 10
        seen += [each["id"] for each in page["backups"]]
        assert all(each["message"] == HOSTILE for each in page["backups"])
        if page["after"] is None:
            break
        after = page["after"]
    assert seen == sorted((record.id for record in made), reverse=True)
    assert viewer.get("/backups?status=available")["backups"] == []
    assert viewer.get(f"/backups/{made[0].id}")["backup"]["message"] == HOSTILE
    assert viewer.ask("GET", f"/backups/{made[0].id[:12]}").status == 404, "half an id is none"


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


@pytest.mark.integration
def test_a_restore_from_its_plan_to_its_way_back(site: Site, database: Database) -> None:
    viewer, operator = token(site, "watch", "viewer"), token(site, "deploy", "operator")
    admin = token(site, "all", "admin")
    made = json.loads(operator.ask("POST", "/backups", {"plan": "shop", "wait": True}).text)
    place = f"/backups/{made['backups'][0]['id']}"

    beside = json.loads(viewer.ask("POST", f"{place}/restore/plan", {"into": f"{database.name}_x"}).text)
    assert beside["confirm"] == ""
    assert f"the new database {database.name}_x" in str(beside["lines"])
    refused = viewer.ask("POST", f"{place}/restore/plan", {"into": database.name})
    assert (refused.status, "already" in json.loads(refused.text)["detail"]) == (409, True), refused
    unseen = operator.ask("POST", f"{place}/restore", {"into": f"{database.name}_y"})
    assert (unseen.status, "seen the plan" in json.loads(unseen.text)["detail"]) == (409, True)

    before = database.rows()
    database.execute("DELETE FROM orders")
    told = json.loads(admin.ask("POST", f"{place}/replace/plan", {}).text)
    assert told["confirm"] == database.name
    assert admin.ask("POST", f"{place}/replace", {"confirm": "another"}).status == 400
    done = admin.ask("POST", f"{place}/replace", {"confirm": database.name, "wait": True})
    assert done.status == 200, done
    restore = json.loads(done.text)["restore"]
    assert (restore["status"], restore["operator"]) == ("succeeded", "token all in the console")
    assert "swap" in [each["name"] for each in restore["steps"]]
    assert database.rows() == before
    assert [each["id"] for each in viewer.get("/restores")["restores"]] == [restore["id"]]
    assert viewer.get(f"/restores/{restore['id']}")["restore"] == restore

    again = admin.ask("POST", f"{place}/replace", {"confirm": database.name})
    assert again.status == 409, "its plan was another"
    way = f"/restores/{restore['id']}"
    assert admin.ask("POST", f"{way}/undo", {"confirm": "another"}).status == 400
    assert admin.ask("POST", f"{way}/undo", {"confirm": database.name, "wait": True}).status == 200
    assert database.row_counts()["orders"] == 0, "the old one is back"
    assert admin.ask("POST", f"{way}/undo", {"confirm": database.name}).status == 409
    assert admin.ask("POST", f"{way}/drop", {"confirm": database.name}).status == 409
    Database(server=database.server, name=viewer.get(way)["restore"]["undone_database"]).drop()


def test_what_goes_is_removed_once_somebody_has_seen_it(site: Site) -> None:
    """Backups of the plan without bytes: what is removed is told by the records."""
    admin, ada = token(site, "all", "admin"), site.visit("ada")
    day = timedelta(days=1)
    for number in range(12):
        started = utc_now() - (30 - number) * day
        site.catalog.put(builders.backup(number, started, plan="shop", server="main", location=None))
    before = admin.get("/plans/shop/retention")
    assert before["goes"] == 5
    assert "nothing was removed" in ada.post("/plans/shop/expire", {"seen": "another"}).text
    site.catalog.put(builders.backup(20, utc_now() - day, plan="shop", server="main", location=None))
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


def test_a_catalog_that_cannot_be_read_is_told(site: Site) -> None:
    viewer = token(site, "watch", "viewer")
    root = site.folder / "store" / "catalog"
    away = root.rename(root.with_name("away"))
    try:
        for path in ("/status", "/backups"):
            answer = viewer.ask("GET", path)
            assert (answer.status, "The catalog is not there" in answer.text) == (503, True), path
    finally:
        away.rename(root)
    assert until(lambda: viewer.ask("GET", "/status").status == 200, "the API answers again")


ODD = st.text(st.characters(codec="utf-8"), max_size=30) | st.sampled_from(
    ["", "\0", "../..", "%", "%ff", "--all", "shop", HOSTILE, "1e999", "a" * 3000]
)
KNOWN = (
    "plan",
    "status",
    "limit",
    "after",
    "database",
    "wait",
    "pin",
    "databases",
    "into",
    "confirm",
    "tables",
)
NAMES = st.sampled_from(KNOWN) | ODD
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | ODD,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=12,
)


def test_nothing_that_is_sent_is_a_bug(site: Site) -> None:
    """Any parameters, ids and bodies get an answer of the document, and never 500."""
    admin = token(site, "any", "admin")

    @examples.fuzzed
    @given(
        endpoint=st.sampled_from(ENDPOINTS),
        name=ODD,
        query=st.dictionaries(NAMES, ODD, max_size=3),
        body=JSON | st.binary(max_size=50),
        kind=st.sampled_from(["application/json", "text/plain", ""]),
    )
    def sent(endpoint: Endpoint, name: str, query: dict[str, str], body: object, kind: str) -> None:
        path = endpoint.path.replace("{id}", quote(name, safe="") or "nothing")
        asked = "?" + urlencode(query) if query else ""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        answer = admin.send(endpoint.method, path + asked, content, {"Content-Type": kind} if kind else {})
        assert answer.status != 500, answer

    sent()
    assert "the console failed" not in (site.folder / "log").read_text()


def over(program: Program, place: str) -> Any:
    found = program.get(place)
    return found if found["state"] not in {"running", "ending"} else None
