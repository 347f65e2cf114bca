"""Locks that the kernel releases."""

import errno
import fcntl
import os
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import pytest

from pgbackstop_catalog import errors
from pgbackstop_runner.system import state_folder
from pgbackstop_runner.system.state_folder import StateFolder
from tests.support import storages
from tests.support.backups import until

HOLDER = """
import sys, time
from pathlib import Path
from pgbackstop_runner.system.state_folder import StateFolder
with StateFolder(Path(sys.argv[1])).held("plan-p", "it"):
    print("held", flush=True)
    time.sleep(600)
"""


@pytest.fixture(autouse=True)
def _catalog(tmp_path: Path) -> None:
    storages.catalog(tmp_path)


def test_held_once(tmp_path: Path) -> None:
    with StateFolder(tmp_path).held("plan-p", "A backup of plan p"):
        assert StateFolder(tmp_path).is_held("plan-p")
        assert not StateFolder(tmp_path).is_held("plan-q")
        with (
            pytest.raises(errors.Busy, match=rf"plan p is already running \(process {os.getpid()} on "),
            StateFolder(tmp_path).held("plan-p", "A backup of plan p"),
        ):
            pytest.fail("held twice")
    assert not StateFolder(tmp_path).is_held("plan-p")


def test_a_holder_without_a_word(tmp_path: Path) -> None:
    with StateFolder(tmp_path).held("plan-p", "A backup of plan p"):
        (tmp_path / "locks" / "plan-p.lock").write_bytes(b"")
        with (
            pytest.raises(errors.Busy, match=r"plan p is already running\."),
            StateFolder(tmp_path).held("plan-p", "A backup of plan p"),
        ):
            pytest.fail("held twice")


def test_a_killed_holder_holds_nothing(tmp_path: Path) -> None:
    argv = [sys.executable, "-c", HOLDER, str(tmp_path)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        assert StateFolder(tmp_path).is_held("plan-p")
        process.kill()
    until(lambda: not StateFolder(tmp_path).is_held("plan-p"), "the lock")


@pytest.mark.parametrize("way", ["held", "turn", "lease"])
def test_a_file_system_without_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str) -> None:
    """As NFS without its lock daemon is; what the tests run on has locks."""

    def refuse(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    state = StateFolder(tmp_path)
    ways = {"held": state.held("plan-p", "it"), "turn": state.turn("copy-p"), "lease": state.lease("id")}
    with pytest.raises(errors.CatalogError, match="knows no locks") as refused, ways[way]:
        pytest.fail("held")
    assert "state_folder" in refused.value.remedy


def test_many_may_lease(tmp_path: Path) -> None:
    backup_id = "20261122T020000Z-5f3a9c"
    state, name = StateFolder(tmp_path), state_folder.lease_name(backup_id)
    with state.lease(backup_id):
        with state.lease(backup_id):
            assert state.is_held(name)
        assert state.is_held(name)
    assert not state.is_held(name)


def test_a_lease_leaves_no_file(tmp_path: Path) -> None:
    with StateFolder(tmp_path).lease("20261122T020000Z-5f3a9c"):
        assert len(list((tmp_path / "locks").iterdir())) == 1
    assert list((tmp_path / "locks").iterdir()) == []


def test_a_lock_whose_file_was_removed_meanwhile_is_taken_anew(tmp_path: Path) -> None:
    """Whoever waits for a lease opens a file that its last holder removes: that one protects nothing."""
    state, backup_id = StateFolder(tmp_path), "20261122T020000Z-5f3a9c"
    begun, taken, over = threading.Event(), threading.Event(), threading.Event()

    def wait_for_it() -> None:
        begun.set()
        with state.lease(backup_id):
            taken.set()
            over.wait(60)

    with state.held(state_folder.lease_name(backup_id), "expire"):
        waiting = threading.Thread(target=wait_for_it)
        waiting.start()
        begun.wait(60)
        state.discard_lease(backup_id)
    assert taken.wait(60)
    assert state.is_held(state_folder.lease_name(backup_id))
    over.set()
    waiting.join()


def test_what_a_killed_process_left_half_written_is_swept(tmp_path: Path) -> None:
    state = StateFolder(tmp_path)
    with subprocess.Popen([sys.executable, "-c", ""]) as gone:
        gone.wait()
    files = [state.scheduler, state.wal("main"), state.wal_readings("main"), state.wal_copy("second", "main")]
    files += [state.schedule("backups", "daily"), state.schedule("drills", "daily")]
    mirror = state.wal_copy_index("second", "main")
    others = [state.drills / "daily", state.tokens, state.operations, state.outbox]
    folders = [*(file.parent for file in files), mirror, *others]
    for folder in folders:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f".x.json.{gone.pid}.tmp").write_text("{")
        (folder / f".y.json.{os.getpid()}.tmp").write_text("{")
    state.sweep()
    left = {path.name for folder in folders for path in folder.glob(".*")}
    assert left == {f".y.json.{os.getpid()}.tmp"}


def test_no_folder_can_be_made(tmp_path: Path) -> None:
    (tmp_path / "locks").write_text("a file where the folder should be")
    with (
        pytest.raises(errors.CatalogError, match="The catalog cannot be written"),
        StateFolder(tmp_path).held("plan-p", "it"),
    ):
        pytest.fail("held")


def test_a_lease_s_file_stays_as_long_as_somebody_reads(tmp_path: Path) -> None:
    """A reader that was killed leaves the file; whoever reads keeps it."""
    storages.catalog(tmp_path)
    state = StateFolder(tmp_path)
    with state.lease("20260101T000000Z-aaaaaaaa"):
        left = tmp_path / "locks" / "lease-20260101T000000Z-bbbbbbbb.lock"
        left.touch()
        state.sweep()
        names = [path.name for path in (tmp_path / "locks").iterdir()]
        assert names == ["lease-20260101T000000Z-aaaaaaaa.lock"]


def test_our_own_in_the_folder_of_all_is_swept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "tmp"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    with subprocess.Popen([sys.executable, "-c", ""]) as gone:
        gone.wait()
    ours = f".pgbackstop-list.{gone.pid}.0123456789abcdef.tmp"
    used = f".pgbackstop-list.{os.getpid()}.0123456789abcdef.tmp"
    others = f".somebody-list.{gone.pid}.0123456789abcdef.tmp"
    for name in (ours, used, others):
        (folder / name).touch()
    StateFolder(tmp_path).sweep()
    assert sorted(path.name for path in folder.iterdir()) == sorted([used, others])
