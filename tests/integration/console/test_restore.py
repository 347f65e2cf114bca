"""The guided restore over HTTP: its plan, beside the live database, in its place, and what is refused."""

import contextlib
import itertools
import re
import shutil
from collections.abc import Iterator
from html import unescape

import psutil
import pytest

from pgbackstop_catalog.model import utc_now
from pgbackstop_catalog.records.attempt import Status
from pgbackstop_catalog.records.backup import Backup
from pgbackstop_catalog.records.proof import MissingEntry, Proof
from pgbackstop_catalog.records.restore import Restore
from tests.integration.console.conftest import DEADLINE, Site, deeds, ended, planned
from tests.integration.daemon.conftest import until
from tests.integration.restore.test_missing_entries import VIOLATED
from tests.support import backups
from tests.support.databases import Database

COPY = "Магазин<копия>متجر"
pytestmark = pytest.mark.integration


@pytest.fixture
def backup(site: Site) -> Backup:
    otto = site.visit("otto")
    ended(otto, otto.post("/plans/shop/backup"))
    made = next(site.catalog.backups("shop"))
    assert made.is_available, made.message
    return made


@pytest.fixture
def copy(database: Database) -> Iterator[Database]:
    """A name for a database that the test restores."""
    made = Database(server=database.server, name=f"{COPY}{database.name}")
    yield made
    made.drop()


def swapped(site: Site, backup: Backup, database: Database) -> Restore:
    """What an admin restores in the place of the live database."""
    ada = site.visit("ada")
    planned(ada, f"/backups/{backup.id}/replace")
    page = ended(ada, ada.post(f"/backups/{backup.id}/replace", {"typed": database.name}))
    assert "exit code 0" in page, page
    return next(site.catalog.restores())


def test_an_operator_restores_beside_and_everybody_sees_how_it_went(
    site: Site, backup: Backup, database: Database, copy: Database
) -> None:
    otto, vera = site.visit("otto"), site.visit("vera")
    assert f"/backups/{backup.id}/restore" in vera.get(f"/backups/{backup.id}").text
    proposed = f"{database.name}__at_{backup.started_at:%Y%m%d_%H%M}"
    plan = planned(vera, f"/backups/{backup.id}/restore")
    assert f'value="{proposed}"' in plan
    for word in ("ago", "are needed", "guessed from its size", f"the new database {proposed}"):
        assert word in plan, word
    assert "To start it needs the role operator; yours is viewer." in plan
    before = database.rows()
    database.execute("DELETE FROM orders")
    form = {"into": copy.name}
    assert "nothing was started" in otto.post(f"/backups/{backup.id}/restore", form).text, "no plan was seen"
    planned(otto, f"/backups/{backup.id}/restore?into={_quoted(copy.name)}")
    page = ended(otto, otto.post(f"/backups/{backup.id}/restore", form))
    assert "exit code 0" in page
    assert copy.rows() == before
    assert database.row_counts()["orders"] == 0, "the live one is as it was"
    done = next(site.catalog.restores())
    assert (done.status, done.method, done.target) == (Status.SUCCEEDED, "into", copy.name)
    assert done.operator == "otto in the console"
    assert f'href="/restores/{done.id}"' in page
    assert f'href="/restores/{done.id}"' in vera.get("/restores").text
    shown = vera.get(f"/restores/{done.id}").text
    assert copy.name in unescape(re.sub(r"</?bdi>", "", shown))
    assert "validate" in shown
    assert "Undo" not in shown, "nothing was replaced"
    assert ("otto", "restore", "asked for") in deeds(site)


def test_an_admin_swaps_it_in_by_typing_its_name_and_goes_back(
    site: Site, backup: Backup, database: Database
) -> None:
    before = database.rows()
    database.execute("DELETE FROM orders")
    otto = site.visit("otto")
    plan = planned(otto, f"/backups/{backup.id}/replace")
    assert "kept under another name until you drop it" in plan
    assert "To start it needs the role admin; yours is operator." in plan
    assert otto.post(f"/backups/{backup.id}/replace", {"typed": database.name}).status == 403
    done = swapped(site, backup, database)
    assert database.rows() == before
    assert otto.post(f"/restores/{done.id}/undo", {"typed": database.name}).status == 403
    assert "needs the role admin" in otto.get(f"/restores/{done.id}").text
    ada = site.visit("ada")
    assert "exit code 0" in ended(ada, ada.post(f"/restores/{done.id}/undo", {"typed": database.name}))
    assert database.row_counts()["orders"] == 0
    again = ada.post(f"/restores/{done.id}/undo", {"typed": database.name})
    assert (again.status, "it was undone already" in again.text) == (409, True)
    undone = next(site.catalog.restores()).undone_database
    assert undone in ada.get(f"/restores/{done.id}").text
    database.server.execute(f'DROP DATABASE "{undone}" WITH (FORCE)')
    refused = ("otto", f"POST /backups/{backup.id}/replace", "refused: role")
    found = deeds(site)
    assert [each for each in found if each[0] == "ada"] == [
        ("ada", "restore", "asked for"),
        ("ada", "undo", "asked for"),
    ]
    assert refused in found


def test_an_admin_drops_the_old_one_by_typing_its_name(
    site: Site, backup: Backup, database: Database
) -> None:
    done = swapped(site, backup, database)
    ada = site.visit("ada")
    refused = ada.post(f"/restores/{done.id}/drop", {"typed": database.name})
    assert (refused.status, "nothing was touched" in refused.text) == (400, True)
    page = ended(ada, ada.post(f"/restores/{done.id}/drop", {"typed": done.replaced_database}))
    assert "exit code 0" in page
    known = {name for (name,) in database.server.execute("SELECT datname FROM pg_database")}
    assert database.name in known
    assert done.replaced_database not in known
    assert ("ada", f"drop main/{done.replaced_database}", "refused: typed name") in deeds(site)


@pytest.mark.parametrize("typed", ["", "shop", "NAME ", "name"])
def test_another_name_replaces_nothing(site: Site, backup: Backup, database: Database, typed: str) -> None:
    ada = site.visit("ada")
    planned(ada, f"/backups/{backup.id}/replace")
    told = typed.replace("NAME", database.name).replace("name", database.name.upper())
    refused = ada.post(f"/backups/{backup.id}/replace", {"typed": told} if typed else {})
    assert (refused.status, "nothing was touched" in refused.text) == (400, True)
    assert not list(site.catalog.restores())
    assert deeds(site)[-1] == ("ada", f"restore main/{database.name}", "refused: typed name")


def test_what_cannot_be_restored_is_refused_in_a_sentence(
    site: Site, backup: Backup, database: Database
) -> None:
    otto = site.visit("otto")
    path = f"/backups/{backup.id}/restore"
    planned(otto, path)
    for answer in (
        otto.ask("POST", path, {"into": "copy"}),
        otto.ask("POST", path, {"into": "copy", "csrf": site.visit("ada").csrf()}),
        site.visit("vera").post(path, {"into": "copy"}),
    ):
        assert answer.status == 403
    assert "no name" in otto.post(path).text
    assert otto.get(f"{path}?into=a%00b").status == 400
    assert "There is a database" in planned(otto, f"{path}?into={database.name}")
    assert "longer than the 63 bytes" in planned(otto, f"{path}?into={_quoted('ж' * 40)}")
    assert otto.post(path, {"into": database.name}).status == 409
    shutil.rmtree(site.folder / "store" / str(backup.location))
    assert "is not there" in planned(otto, f"{path}?into=copy")
    site.catalog.put(backup.evolve(expired_at=utc_now()))
    expired = otto.get(path)
    assert (expired.status, "has expired: its bytes are gone" in expired.text) == (400, True)
    assert otto.get("/backups/nothing/restore").status == 404
    assert not list(site.catalog.restores())


def test_a_restore_goes_on_when_its_session_ends_is_not_started_twice_and_leaves_nothing(
    site: Site, backup: Backup, database: Database, copy: Database
) -> None:
    otto, ada = site.visit("otto"), site.visit("ada")
    path = f"/backups/{backup.id}/restore"
    planned(otto, f"{path}?into={_quoted(copy.name)}")
    with database.server.connect("postgres") as holder, holder.transaction():
        # CREATE DATABASE waits for the lock, so the restore goes on until it is cancelled.
        holder.execute("LOCK TABLE pg_database IN SHARE MODE")
        started = otto.post(path, {"into": copy.name})
        until(lambda: list(site.catalog.restores()), "the restore is on record")
        otto.post("/logout")
        assert otto.get(started.headers["Location"]).headers["Location"] == "/login"
        otto.login("otto")
        assert f'href="{started.headers["Location"]}"' in otto.get("/activity").text
        assert ">running</span>" in otto.get(started.headers["Location"]).text
        again = ada.post(path, {"into": copy.name})
        assert (again.status, "runs already, started by otto" in again.text) == (409, True)
        running = until(
            lambda: (page := ada.get(started.headers["Location"]).text) and "The restore" in page and page,
            "its page knows the record",
        )
        assert "create" in running
        assert ada.post(f"{started.headers['Location']}/cancel").status == 303
    page = ended(otto, started)
    assert "Cancelled by</dt><dd><bdi>ada" in page
    done = next(site.catalog.restores())
    assert done.status is Status.INTERRUPTED, done.message
    known = {name for (name,) in database.server.execute("SELECT datname FROM pg_database")}
    assert not known & {copy.name, done.scratch_database}


def test_entries_that_cannot_be_restored_are_told_before_and_after(site: Site, database: Database) -> None:
    database.execute(VIOLATED)
    ada = site.visit("ada")
    ended(ada, ada.post("/plans/shop/backup"))
    backup = next(site.catalog.backups("shop"))
    entry = MissingEntry(entry="FK CONSTRAINT of <orders>", error="violated")
    proof = Proof.of(backup, "drill", started_at=utc_now())
    site.catalog.put(proof.evolve(status=Status.SUCCEEDED, finished_at=utc_now(), missing_entries=(entry,)))
    path = f"/backups/{backup.id}/replace"
    site.catalog.put(backup.evolve(schema_only_tables=("public.<log>",)))
    plan = planned(ada, path)
    assert "FK CONSTRAINT of &lt;orders&gt;" in plan
    assert "by its plan, the rows of public.&lt;log&gt;" in plan
    site.catalog.put(backup)
    before = database.execute("SELECT oid FROM pg_database WHERE datname = current_database()")
    page = ended(ada, ada.post(path, {"typed": database.name}))
    assert ">failed</span>" in page
    assert "nothing was replaced" in page
    assert database.execute("SELECT oid FROM pg_database WHERE datname = current_database()") == before
    planned(ada, f"{path}?accept_missing=yes")
    page = ended(ada, ada.post(path, {"typed": database.name, "accept_missing": "yes"}))
    assert ">incomplete</span>" in page
    assert "exit code 9" in page
    done = next(site.catalog.restores())
    shown = ada.get(f"/restores/{done.id}").text
    assert "Not restored, of the dump" in shown
    assert "violates foreign key constraint" in unescape(shown)
    assert "entries missing" in ada.get("/restores").text


def test_a_plan_that_is_being_drawn_ends_with_the_daemon(site: Site, backup: Backup) -> None:
    vera, numbers = site.visit("vera"), itertools.count()

    def stuck() -> psutil.Process | None:
        """One that waits, as for a slow disk; others may end before they are caught."""
        vera.get(f"/backups/{backup.id}/restore?into=copy{next(numbers)}")
        for each in psutil.Process(site.daemon.pid).children():
            with contextlib.suppress(psutil.NoSuchProcess):
                if "--dry-run" in each.cmdline():
                    each.suspend()
                    return each
        return None

    child = until(stuck, "a plan is being drawn")
    site.daemon.terminate()
    assert site.daemon.wait(DEADLINE) == 0
    assert backups.gone([child])


def _quoted(name: str) -> str:
    return "".join(f"%{byte:02X}" for byte in name.encode())
