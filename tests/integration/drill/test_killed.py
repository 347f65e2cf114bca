"""Drills that are killed at each step: the next start leaves no process, no folder, and a closed record."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from pgbackstop_catalog.errors import Interrupted
from pgbackstop_catalog.records.attempt import Reason, Status
from pgbackstop_catalog.records.proof import Proof
from pgbackstop_catalog.store.folder import FolderCatalog
from pgbackstop_catalog.store.protocol import AnyRecord
from pgbackstop_runner.drill import run, work_directory
from pgbackstop_runner.drill.selection import DrillRequest
from tests.integration.drill.conftest import drills, remains
from tests.support import backups
from tests.support.backups import Site

KILLER = Path(__file__).with_name("killer.py")


def killed(site: Site, step: str) -> None:
    done = subprocess.run(
        [sys.executable, str(KILLER), step, str(site.file), "drill", "daily"],
        capture_output=True,
        text=True,
        check=False,
        timeout=2 * backups.PATIENCE,
        env=backups.environment(),
    )
    assert done.returncode == -signal.SIGKILL, done.stderr


@pytest.mark.parametrize("step", ["initdb", "start", "roles", "restore", "validate"])
def test_the_next_start_clears_what_was_left(site: Site, step: str) -> None:
    killed(site, step)
    (running,) = drills(site)
    assert running.status is Status.RUNNING
    assert list((site.state.drills / "daily").iterdir())

    def is_closed() -> bool:
        # A child that was just begun holds the lock for the moment until it has heard of our end.
        run.everything(site.workspace)
        return drills(site)[0].status is not Status.RUNNING

    backups.until(is_closed, "the record to be closed")
    (closed,) = drills(site)
    assert (closed.status, closed.reason) == (Status.INTERRUPTED, Reason.INTERRUPTED)
    assert f"pid {running.pid}" in closed.message
    backups.until(lambda: not remains(site), "the end of what was left")


def test_the_next_drill_clears_it_too(site: Site) -> None:
    killed(site, "restore")
    done = site.run("drill", "daily")
    assert done.returncode == 0, done.stderr
    assert [proof.status for proof in drills(site)] == [Status.SUCCEEDED, Status.INTERRUPTED]
    assert not remains(site)


def test_a_server_that_outlives_its_drill_is_ended(site: Site) -> None:
    """As where the kernel's signal did not arrive: the process is found by where it works."""
    root = Path("/var/tmp") / f"{work_directory.PREFIX}20261122T020000Z-5f3a9c"  # noqa: S108 - made anew
    note = site.state.drills / "daily" / "20261122T020000Z-5f3a9c.json"
    (root / "data").mkdir(parents=True)
    note.parent.mkdir(parents=True)
    note.write_text(f'{{"root": "{root}", "sockets": "{root}"}}')
    with subprocess.Popen(["sleep", "600"], cwd=root / "data") as outliving:
        run.everything(site.workspace)
        assert outliving.wait(backups.PATIENCE) == -signal.SIGQUIT
    assert not root.exists()
    assert not note.exists()


def test_a_note_that_names_another_folder_removes_nothing(site: Site) -> None:
    precious = site.folder / "precious"
    precious.mkdir()
    note = site.state.drills / "daily" / "20261122T020000Z-5f3a9c.json"
    note.parent.mkdir(parents=True)
    note.write_text(f'{{"root": "{precious}", "sockets": "/"}}')
    run.everything(site.workspace)
    assert precious.exists()


def test_sigterm_cleans_up_and_is_on_record(site: Site) -> None:
    with site.start("drill", "daily") as running:
        backups.until(lambda: drills(site) or running.poll() is not None, "the record")
        backups.until(
            lambda: list((site.state.drills).glob("*/*.json")) or running.poll() is not None,
            "the note",
        )
        running.send_signal(signal.SIGTERM)
        out, err = running.communicate(timeout=backups.PATIENCE)
    assert running.returncode == 130, (out, err)
    (proof,) = drills(site)
    assert (proof.status, proof.reason) == (Status.INTERRUPTED, Reason.INTERRUPTED)
    assert not remains(site)


def test_a_good_drill_that_is_on_record_stays_good(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """As where the daemon is stopped the moment after."""
    put = FolderCatalog.put

    def put_and_end(catalog: FolderCatalog, record: AnyRecord) -> None:
        put(catalog, record)
        if isinstance(record, Proof) and record.status is Status.SUCCEEDED:
            signal.raise_signal(signal.SIGTERM)

    monkeypatch.setattr(FolderCatalog, "put", put_and_end)
    before = signal.signal(signal.SIGTERM, raise_interrupted)
    try:
        with pytest.raises(Interrupted):
            list(run.run(site.workspace, "daily", DrillRequest()))
    finally:
        signal.signal(signal.SIGTERM, before)
    assert [proof.status for proof in drills(site)] == [Status.SUCCEEDED]
    assert not remains(site)


def raise_interrupted(_number: int, _frame: object) -> None:
    raise Interrupted("Ended by SIGTERM.")
