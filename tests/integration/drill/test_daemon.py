"""The daemon as a process: it makes a drill that is due, and writes heartbeats; the exporter shows both."""

import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

from pgbackstop_catalog.records.attempt import Status
from tests.integration.drill.conftest import backed_up, drills, remains
from tests.integration.drill.test_pitr import prepare
from tests.integration.exporter.running import Exporter
from tests.support import backups, places
from tests.support.backups import Site
from tests.support.databases import Database
from tests.support.fixtures import MakeServer

SELDOM = "0 2 29 2 *"


@contextmanager
def daemon(site: Site) -> Iterator[subprocess.Popen[bytes]]:
    """The real one; its log goes beside the configuration."""
    with (site.folder / "log").open("ab") as log:
        running = subprocess.Popen(site.argv("daemon"), stdout=log, stderr=log, env=backups.environment())
    try:
        yield running
        running.send_signal(signal.SIGTERM)
        assert running.wait(backups.PATIENCE) == 0, (site.folder / "log").read_text()
    finally:
        running.kill()
        running.wait()


def test_a_drill_that_is_due_is_made_and_seen(database: Database) -> None:
    folder = places.make()
    site = backed_up(database, folder / "site", schedule=SELDOM, drill={"schedule": "*/2 * * * * *"})
    (backup,) = site.backups()
    with daemon(site):
        backups.until(
            lambda: [proof for proof in drills(site) if proof.status is Status.SUCCEEDED],
            "a good drill",
            patience=2 * backups.PATIENCE,
        )
    good = [each for each in drills(site) if each.status is Status.SUCCEEDED]
    assert good, [(each.id, each.status, each.message) for each in drills(site)]
    proof = good[-1]
    assert (proof.trigger, proof.backup) == ("schedule", backup.id)
    assert proof.scheduled_for is not None
    assert proof.scheduled_for <= proof.started_at
    dues = [each.scheduled_for for each in drills(site)]
    assert len(set(dues)) == len(dues)
    assert not remains(site)
    newest = next(each for each in drills(site) if each.status is Status.SUCCEEDED)
    assert newest.finished_at is not None
    where = {"plan": "daily", "database": database.name}
    with Exporter(site.file) as exporter:
        page = exporter.until_page(lambda each: bool(each.values("backup_drill_success_timestamp_seconds")))
    assert page.value("backup_drill_success_timestamp_seconds", **where) == newest.finished_at.timestamp()
    assert page.value("backup_drill_duration_seconds", **where) == newest.duration_seconds
    places.remove(folder)


def test_heartbeats_are_written_and_a_server_that_is_down_is_told_once(make_server: MakeServer) -> None:
    server = make_server(durable=True)
    prepare(server)
    server.execute(f"alter role pgbackstop login password '{server.password}'")
    folder = places.make()
    site = Site(
        folder=folder / "site",
        server=server,
        plans={"daily": backups.plan(schedule=SELDOM, drill={"enabled": False})},
        server_settings={"user": "pgbackstop", "heartbeat": {"enabled": True, "interval": 1}},
    )
    log = site.folder / "log"

    def rows() -> list[tuple[object, ...]]:
        return server.execute("select written_at, previous from pgbackstop.heartbeat order by 1")

    with daemon(site):
        backups.until(lambda: len(rows()) > 2, "heartbeats")
        server.stop()
        backups.until(lambda: "no heartbeats are written" in log.read_text(), "the complaint")
        server.start()
        before = len(rows())
        backups.until(lambda: len(rows()) > before + 1, "heartbeats again")
    words = log.read_text()
    assert "heartbeats are written again" in words
    written = rows()
    assert [previous for _at, previous in written] == [None, *(at for at, _previous in written[:-1])]
    places.remove(folder)
