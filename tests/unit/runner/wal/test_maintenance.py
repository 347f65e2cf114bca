"""What both methods do all the time, without a server: taking in, and going on after trouble."""

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from pgbackstop_catalog import errors
from pgbackstop_catalog.config.server import Server, Wal
from pgbackstop_catalog.decisions.wal_segments import WalState
from pgbackstop_catalog.records import codec
from pgbackstop_runner.system import stop_requests
from pgbackstop_runner.system.state_folder import StateFolder
from pgbackstop_runner.wal import archive_command, archive_disk, index, maintenance, receiver
from tests.support import storages
from tests.unit.runner.wal import makers


@pytest.fixture
def kept(tmp_path: Path) -> maintenance.ArchiveMaintainer:
    """A keeper of an open, empty archive."""
    new = fresh(tmp_path)
    new.open_archive(str(makers.SYSTEM), makers.SIZE)
    return new


def fresh(tmp_path: Path) -> maintenance.ArchiveMaintainer:
    server = Server(wal=Wal(method="stream"))
    catalog = storages.catalog(tmp_path / "catalog")
    return maintenance.ArchiveMaintainer(
        name="main",
        server=server,
        root=tmp_path / "archive",
        catalog=catalog,
        state=StateFolder(tmp_path / "catalog"),
    )


def arrive(kept: maintenance.ArchiveMaintainer, number: int) -> None:
    assert kept.archive is not None
    makers.arrive(kept.archive, number)


def state(kept: maintenance.ArchiveMaintainer) -> WalState:
    kept.observe()
    kept.write_state()
    return codec.decode(WalState, kept.progress.path.read_bytes(), where="state")


def test_the_state_follows_the_archive(kept: maintenance.ArchiveMaintainer) -> None:
    for number in (1, 2):
        arrive(kept, number)
    kept.tick()
    found = state(kept)
    assert (found.segments, found.last_segment, found.timeline) == (2, makers.name(2), 1)
    assert found.archived_lsn == found.received_lsn == "0/300000"
    assert found.archive_bytes > 0
    assert found.gaps == ()


def test_what_the_server_refused_once_is_asked_for_again_after_the_next_segment(
    kept: maintenance.ArchiveMaintainer,
) -> None:
    """Also where the stream broke off as it came: from a new slot alone WAL would be skipped."""
    arrive(kept, 1)
    kept.tick()
    receiving = receiver.Receiver(kept)

    def refused(segment: int) -> tuple[bool, bool]:
        receiving._learn(f"requested WAL segment {makers.name(segment)} has already been removed")
        return receiving.without_marker, receiving.slot_anew

    assert refused(2) == (True, False)
    arrive(kept, 5)
    kept.tick()
    assert not receiving.without_marker
    assert [refused(6), refused(6)] == [(True, False), (True, True)]


def test_an_index_that_could_not_be_written_makes_no_gap(
    kept: maintenance.ArchiveMaintainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    arrive(kept, 1)
    with monkeypatch.context() as patched:
        patched.setattr(index, "append", full)
        kept.tick()
        assert state(kept).status == "down"
        assert "is full. Make room" in state(kept).message
        kept.well()
        assert state(kept).status == "down"
        kept.tick()
        assert state(kept).failures == 1
    arrive(kept, 2)
    kept._blocked_until = 0.0
    kept.tick()
    kept.well()
    found = state(kept)
    assert (found.status, found.message, found.segments) == ("streaming", "", 2)
    assert found.gaps == ()


def test_counters_go_on_after_a_restart_and_without_a_state(
    kept: maintenance.ArchiveMaintainer, tmp_path: Path
) -> None:
    for number in (1, 2, 4):
        arrive(kept, number)
    kept.tick()
    before = state(kept)
    assert [gap.first for gap in before.gaps] == [makers.name(3)]
    again = fresh(tmp_path)
    again.open_known()
    assert state(again).segments == 3
    assert state(again).gaps == before.gaps
    assert state(again).base_backup_wanted_since == before.base_backup_wanted_since
    again.progress.path.unlink()
    last = fresh(tmp_path)
    last.open_known()
    assert state(last).segments == 3
    assert state(last).gaps == before.gaps


def test_an_archive_that_is_not_mounted_is_not_made_anew(
    kept: maintenance.ArchiveMaintainer, tmp_path: Path
) -> None:
    arrive(kept, 1)
    kept.tick()
    state(kept)
    kept.root.rename(tmp_path / "elsewhere")
    again = fresh(tmp_path)
    with pytest.raises(errors.ConfigError, match="is not there, and it held") as caught:
        again.open_known()
    assert "Mount it" in caught.value.remedy
    assert not kept.root.exists()
    again.progress.path.unlink()
    fresh(tmp_path).open_known()


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OSError(errno.ENOSPC, "x"), "is full"),
        (OSError(errno.EDQUOT, "x"), "is full"),
        (OSError(errno.EROFS, "Read-only file system"), "Read-only file system"),
        (errors.PgbackstopError("As it is."), "As it is."),
    ],
)
def test_every_refusal_is_a_sentence(error: Exception, words: str) -> None:
    assert words in str(archive_disk.explain(error))


def test_leftovers_of_an_archive_command_go_once_they_are_old(kept: maintenance.ArchiveMaintainer) -> None:
    assert kept.archive is not None
    left = [kept.archive.incoming / f".{makers.name(1)}{end}.tmp" for end in ("", ".a1B2c3D4e5")]
    for path in left:
        path.touch()
    fresh_one = kept.archive.incoming / f".{makers.name(2)}.f6G7h8I9j0.tmp"
    fresh_one.touch()
    for path in left:
        os.utime(path, (0, 0))
    kept._names_due = stop_requests.Every(0.0)
    kept.tick()
    assert list(kept.archive.incoming.iterdir()) == [fresh_one]


def test_the_script_of_an_earlier_version_is_renewed(tmp_path: Path) -> None:
    new = fresh(tmp_path)
    script = archive_command.install(new.root)
    shipped = script.read_bytes()
    script.write_bytes(b"#!/bin/sh\n# of an earlier version\n")
    new.open_archive(str(makers.SYSTEM), makers.SIZE)
    assert script.read_bytes() == shipped
    assert script.stat().st_mode & 0o777 == archive_command.SCRIPT_MODE


def test_no_script_is_put_where_none_was(kept: maintenance.ArchiveMaintainer) -> None:
    assert not (kept.root / archive_command.SCRIPT_NAME).exists()


def test_nothing_is_archived_by_a_lease_that_is_over(kept: maintenance.ArchiveMaintainer) -> None:
    class Ended(BaseException):
        """Stands for the end of the process."""

    def end() -> None:
        raise Ended

    arrive(kept, 1)
    kept.require_lease = end
    for write in (kept.tick, kept.take_in):
        with pytest.raises(Ended):
            write()
    assert state(kept).segments == 0
