"""What was started in the console goes on when the daemon is started anew, and is found again."""

import contextlib
import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from playwright.sync_api import Page, expect

from pgbackstop_catalog.records.attempt import Status
from pgbackstop_runner.system import processes
from tests.integration.console.conftest import DEADLINE, Site, Visit, configuration, followed, running
from tests.integration.console.test_browser import PATIENCE, enter, page
from tests.integration.daemon.conftest import until
from tests.support import ports, storages
from tests.support.databases import Database

__all__ = ["page"]
pytestmark = pytest.mark.integration


@contextlib.contextmanager
def waiting(database: Database) -> Iterator[None]:
    """pg_dump waits for a lock, so that a backup goes on until the end of this."""
    with database.connect() as holder, holder.transaction():
        holder.execute("LOCK TABLE orders IN ACCESS EXCLUSIVE MODE")
        yield


class Restarts:
    """One configuration, and daemons that come and go."""

    def __init__(self, folder: Path, database: Database, *, outlive: bool) -> None:
        self.folder, self.port, self.file = folder, ports.free(), folder / "pgbackstop.yaml"
        document = configuration(database, self.port)
        document["console"]["operations_outlive_daemon"] = outlive
        self.file.write_text(yaml.safe_dump(document))
        storages.create_for(self.file)

    def daemon(self) -> contextlib.AbstractContextManager[Site]:
        return running(self.folder, self.file, self.port)


def words(text: str) -> str:
    """What a page says, without its marks."""
    return " ".join(re.sub(r"<[^>]+>", " ", text).split())


def begun(site: Site, visit: Visit) -> tuple[str, int]:
    """A backup that is on record and waits: its page, and its process."""
    place = visit.post("/plans/shop/backup").headers["Location"]
    record = until(lambda: next(site.catalog.backups("shop"), None), "the run is on record")
    return place, record.pid


def test_a_backup_goes_on_when_the_daemon_stops_and_the_next_one_can_cancel_it(
    tmp_path: Path, database: Database
) -> None:
    restarts = Restarts(tmp_path, database, outlive=True)
    with waiting(database):
        with restarts.daemon() as site:
            place, pid = begun(site, site.visit("otto"))
        assert processes.exists(pid), "it goes on without the daemon"
        with restarts.daemon() as site:
            ada = site.visit("ada")
            text = ada.get(place).text
            assert ">running</span>" in text
            assert "<dd><bdi>otto</bdi> in the console" in text
            assert "runs already, started by otto" in ada.post("/plans/shop/backup").text
            assert ada.post(f"{place}/cancel").status == 303
            text = followed(ada, place)
            assert ">cancelled</span>" in text
            assert "Cancelled by</dt><dd><bdi>ada" in text
            assert "Ended by SIGTERM" in text
    record = next(site.catalog.backups("shop"))
    assert (record.status, processes.exists(pid)) == (Status.INTERRUPTED, False)


def test_one_that_ended_while_no_daemon_lived_says_how(tmp_path: Path, database: Database) -> None:
    restarts = Restarts(tmp_path, database, outlive=True)
    with waiting(database), restarts.daemon() as site:
        place, pid = begun(site, site.visit("otto"))
        site.daemon.kill()
        site.daemon.wait(DEADLINE)
    until(lambda: not processes.exists(pid), "the backup ends without the daemon")
    with restarts.daemon() as site:
        text = site.visit("vera").get(place).text
        assert ">succeeded</span>" in text
        assert "exit code 0" in text
        record = next(site.catalog.backups("shop"))
        assert f'href="/backups/{record.id}"' in text
        assert place in site.visit("vera").get("/activity").text


def test_one_that_was_killed_with_its_daemon_is_interrupted_and_says_what_was_left(
    tmp_path: Path, database: Database
) -> None:
    restarts = Restarts(tmp_path, database, outlive=True)
    with waiting(database), restarts.daemon() as site:
        place, pid = begun(site, site.visit("otto"))
        # As a service manager ends what is left of a group.
        os.killpg(pid, signal.SIGKILL)
        site.daemon.kill()
        site.daemon.wait(DEADLINE)
    with restarts.daemon() as site:
        text = site.visit("vera").get(place).text
        assert ">interrupted</span>" in text, words(text)
        assert "ended without a word" in text
        record = next(site.catalog.backups("shop"))
        assert (record.status, record.pid) == (Status.INTERRUPTED, pid)
        assert ">interrupted</span>" in site.visit("vera").get("/activity").text


def test_where_it_may_not_outlive_the_daemon_it_is_ended_and_remembered(
    tmp_path: Path, database: Database
) -> None:
    restarts = Restarts(tmp_path, database, outlive=False)
    with waiting(database), restarts.daemon() as site:
        place, pid = begun(site, site.visit("otto"))
        site.daemon.terminate()
        site.daemon.wait(DEADLINE)
        assert not processes.exists(pid)
    with restarts.daemon() as site:
        text = site.visit("vera").get(place).text
        assert ">interrupted</span>" in text, words(text)
        assert "Ended by SIGTERM" in text


def test_somebody_closes_the_tab_and_finds_it_again_after_a_restart(
    tmp_path: Path, database: Database, page: Page
) -> None:
    restarts = Restarts(tmp_path, database, outlive=True)
    with contextlib.ExitStack() as lock:
        lock.enter_context(waiting(database))
        with restarts.daemon() as site:
            enter(page, site, "otto")
            page.get_by_role("link", name="Plans").click()
            page.locator("#backup-shop").click()
            page.wait_for_url(re.compile(r"/activity/\w+$"))
            until(lambda: next(site.catalog.backups("shop"), None), "the run is on record")
            page.goto("about:blank")
        with restarts.daemon() as site:
            enter(page, site, "vera")
            page.get_by_role("link", name="Activity").click()
            page.get_by_role("cell").filter(has=page.locator('a[id^="operation-"]')).locator("a").click()
            expect(page.locator("h1 .badge")).to_have_text("running", timeout=PATIENCE)
            lock.close()
            expect(page.locator("h1 .badge")).to_have_text("succeeded", timeout=PATIENCE)
            expect(page.get_by_role("heading", name="What it made")).to_be_visible()
