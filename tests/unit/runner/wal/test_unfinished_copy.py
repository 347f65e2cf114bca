"""The segment that is being received goes to a storage, too, and counts there with its moment."""

import os

import pytest

from pgbackstop_catalog.decisions.wal_segments import WalState, format_lsn
from pgbackstop_catalog.records import codec
from pgbackstop_runner.storage.folder import FolderStore
from pgbackstop_runner.wal import archive_reader, replay_source
from tests.support import factories
from tests.support.factories import NOW
from tests.unit.runner.wal import makers
from tests.unit.runner.wal.copying import Copying
from tests.unit.runner.wal.makers import SIZE


def receiver(copying: Copying, received: int, minute: int) -> None:
    """What the receiver says: so many bytes, and everything committed by that minute."""
    state = WalState(
        server="main",
        method="stream",
        status="streaming",
        started_at=NOW,
        updated_at=NOW,
        system_identifier=str(makers.SYSTEM),
        segment_bytes=SIZE,
        timeline=1,
        received_lsn=format_lsn(received),
        recoverable_until=NOW + 30 * factories.DAY + minute * (factories.DAY / 1440),
    )
    path = copying.workspace.state.wal("main")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(codec.encode(state))


def test_the_unfinished_segment_counts_with_its_moment(copying: Copying) -> None:
    copying.backup(1, 1)
    copying.archived(1, 2)
    (copying.archive.receiving / f"{makers.name(3)}.lz4.partial").write_bytes(b"beginning")
    receiver(copying, 3 * SIZE + 9, minute=1)
    state = copying.look()
    assert state.windows[-1].ends == "received"
    assert state.recoverable_until == NOW + 30 * factories.DAY + factories.DAY / 1440
    found = archive_reader.read(copying.workspace, "main", "offsite")
    assert [path.read_bytes() for path in replay_source.unfinished(found.folder)] == [b"beginning"]
    # Complete by now: its beginning is not needed any more.
    (copying.archive.receiving / f"{makers.name(3)}.lz4.partial").unlink()
    copying.archived(3)
    receiver(copying, 4 * SIZE, minute=2)
    assert copying.look().recoverable_until == NOW + 30 * factories.DAY + 2 * factories.DAY / 1440
    assert not list(copying.offsite.glob("receiving/*.partial"))


def test_a_pipe_and_a_link_are_not_read(copying: Copying) -> None:
    """Another host may archive there, and the link lead to a file of ours."""
    copying.backup(1, 1)
    copying.archived(1, 2)
    (copying.folder / "secret").write_bytes(b"secret")
    (copying.archive.receiving / f"{makers.name(3)}.partial").symlink_to(copying.folder / "secret")
    os.mkfifo(copying.archive.receiving / f"{makers.name(4)}.partial")
    (copying.archive.receiving / f"{makers.name(5)}.partial").write_bytes(b"beginning")
    receiver(copying, 5 * SIZE + 9, minute=1)
    assert copying.look().status == "copying"
    sent = [path.read_bytes() for path in copying.offsite.rglob("*.partial")]
    assert sent == [b"beginning"]


def test_a_moment_is_not_told_before_its_bytes_are_there(copying: Copying) -> None:
    copying.backup(1, 1)
    copying.archived(1, 2)
    receiver(copying, 3 * SIZE + 9, minute=1)  # in segment 3, which is in no file that can be seen
    state = copying.look()
    assert not (copying.offsite / "receiving" / "state.json").exists()
    assert state.windows[-1].ends == "archive"


def test_what_was_moved_aside_is_there_before_what_replaces_it(
    copying: Copying, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A broken stream begins its segment anew, shorter: the storage has the longer one all the time."""
    copying.backup(1, 1)
    copying.archived(1)
    name = f"{makers.name(2)}.lz4.partial"
    (copying.archive.receiving / name).write_bytes(b"the longer beginning")
    receiver(copying, 2 * SIZE + 20, minute=1)
    copying.look()
    (copying.archive.receiving / name).rename(copying.archive.root / "aside" / name)
    (copying.archive.receiving / name).write_bytes(b"new")
    seen = []
    real = FolderStore.put_bytes

    def put(self: FolderStore, content: bytes, path: str) -> None:
        real(self, content, path)
        seen.append({each.read_bytes() for each in copying.offsite.rglob("*.partial")})

    monkeypatch.setattr(FolderStore, "put_bytes", put)
    copying.look()
    assert seen
    assert all(b"the longer beginning" in each for each in seen)
