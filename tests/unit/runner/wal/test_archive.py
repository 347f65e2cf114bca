"""Taking segments in: a crash at any step loses nothing and doubles nothing."""

import contextlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pgbackstop_catalog import errors
from pgbackstop_catalog.decisions.wal_segments import Segment, Switch
from pgbackstop_catalog.store import atomic
from pgbackstop_runner.wal import archive as archives
from pgbackstop_runner.wal import archive_identity, gaps, index, pg_receivewal, segment_file
from tests.unit.runner.wal import makers


class Crash(Exception):
    """The process ends here."""


def crash(*_: Any) -> None:
    raise Crash


def files(root: Path) -> list[str]:
    return sorted(path.name for path in root.rglob("0*") if path.is_file())


def take_all(archive: archives.Archive) -> archives.Batch:
    return archive.take(archive.waiting(archive.receiving))


def test_a_batch_is_placed_and_indexed(tmp_path: Path) -> None:
    archive = makers.opened(tmp_path)
    for number in (1, 2, 3):
        makers.arrive(archive, number)
    (archive.receiving / f"{makers.name(4)}.lz4.partial").write_bytes(b"part")
    batch = take_all(archive)
    assert [segment.name for segment in batch.segments] == [makers.name(number) for number in (1, 2, 3)]
    assert list(archive.index.entries) == [makers.name(number) for number in (1, 2, 3)]
    assert archive.newest() == Segment(timeline=1, number=3)
    assert [path.name for path in archive.receiving.iterdir()] == [f"{makers.name(4)}.lz4.partial"]
    assert archive.lost() == set()


# Where the process may end, as the functions that it does not come back from.
STEPS: list[tuple[object, str]] = [
    (segment_file, "stored"),
    (segment_file, "compress"),
    (Path, "rename"),
    (atomic, "sync_folder"),
    (index, "append"),
    (Path, "unlink"),
]


@pytest.mark.parametrize("compressed", [True, False])
@pytest.mark.parametrize(("owner", "step"), STEPS)
def test_a_crash_at_any_step_is_mended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, owner: object, step: str, compressed: bool
) -> None:
    archive = makers.opened(tmp_path)
    for number in (1, 2):
        source = makers.arrive(archive, number)
        if compressed:
            segment_file.compress(source, source.with_name(source.name + ".lz4"), "lz4")
            source.unlink()
    with monkeypatch.context() as patched:
        patched.setattr(owner, step, crash)
        with contextlib.suppress(Crash):
            take_all(archive)
    again = makers.opened(tmp_path)
    again.adopt()
    take_all(again)
    assert list(again.index.entries) == [makers.name(1), makers.name(2)]
    assert len((tmp_path / "index.jsonl").read_text().splitlines()) == 2
    assert files(tmp_path) == [f"{makers.name(1)}.lz4", f"{makers.name(2)}.lz4"]
    assert again.lost() == set()
    for entry in again.index.entries.values():
        assert segment_file.stored(tmp_path / entry.path).sha256 == entry.sha256


def test_a_torn_line_is_cut_off(tmp_path: Path) -> None:
    archive = makers.opened(tmp_path)
    makers.arrive(archive, 1)
    take_all(archive)
    path = tmp_path / "index.jsonl"
    before = path.read_bytes()
    path.write_bytes(before + b'{"name":"00000')
    assert index.mend(tmp_path)
    assert path.read_bytes() == before
    assert not index.mend(tmp_path)


def test_the_same_again_is_success_and_other_content_is_kept_aside(tmp_path: Path) -> None:
    archive = makers.opened(tmp_path)
    makers.arrive(archive, 1)
    take_all(archive)
    makers.arrive(archive, 1)
    batch = take_all(archive)
    assert (batch.segments, batch.conflicts, batch.repeated) == ([], [], [makers.name(1)])
    makers.arrive(archive, 1, b"y")
    batch = take_all(archive)
    assert [conflict.name for conflict in batch.conflicts] == [makers.name(1)]
    assert (tmp_path / batch.conflicts[0].kept_as).read_bytes() == makers.content(1, b"y")
    assert [each.kept_as for each in archive.conflicts()] == [batch.conflicts[0].kept_as]
    assert segment_file.beginning(tmp_path / archive.index.entries[makers.name(1)].path, 99)[-1:] == b"x"
    assert list(archive.receiving.iterdir()) == []


@pytest.mark.parametrize(
    "spoil",
    [
        lambda page: b"\0" * len(page),
        lambda _page: makers.content(9),
        lambda _page: makers.content(1, system=4),
        lambda page: page[:1000],
    ],
)
def test_what_is_no_segment_of_ours_is_kept_aside(tmp_path: Path, spoil: Callable[[bytes], bytes]) -> None:
    archive = makers.opened(tmp_path)
    archive.thorough = True
    path = makers.arrive(archive, 1)
    path.write_bytes(spoil(path.read_bytes()))
    batch = take_all(archive)
    assert batch.segments == []
    assert len(batch.conflicts) == 1
    assert not archive.index.entries


def test_history_files_are_stored_readable(tmp_path: Path) -> None:
    archive = makers.opened(tmp_path)
    raw = tmp_path / "raw"
    raw.write_text("1\t0/300000\tpromoted\n")
    segment_file.compress(raw, archive.receiving / "00000002.history.lz4", "lz4")
    take_all(archive)
    assert (tmp_path / "00000002.history").read_text() == raw.read_text()
    assert archive.switches() == {2: Switch(parent=1, lsn=0x300000)}
    assert archive.newest() is None


def test_a_marker_is_no_segment(tmp_path: Path) -> None:
    archive = makers.opened(tmp_path)
    pg_receivewal.place_marker(archive.receiving, Segment(timeline=1, number=3), makers.SIZE)
    assert archive.waiting(archive.receiving) == []
    makers.arrive(archive, 4)
    pg_receivewal.remove_markers(archive.receiving)
    assert [path.name for path in archive.waiting(archive.receiving)] == [makers.name(4)]


def test_a_marker_never_empties_a_segment_of_its_name(tmp_path: Path) -> None:
    archive = makers.opened(tmp_path)
    segment = makers.arrive(archive, 3)
    pg_receivewal.place_marker(archive.receiving, Segment(timeline=1, number=3), makers.SIZE)
    assert segment.read_bytes() == makers.content(3)


def test_what_an_earlier_version_left_is_not_written_to(tmp_path: Path) -> None:
    """Its temporary names were always the same, and the archive's own file may be behind one."""
    archive = makers.opened(tmp_path)
    makers.arrive(archive, 1)
    take_all(archive)
    (placed,) = tmp_path.rglob(f"{makers.name(1)}.lz4")
    before = placed.read_bytes()
    placed.with_name(f".{makers.name(2)}.lz4.tmp").hardlink_to(placed)
    makers.arrive(archive, 2)
    take_all(archive)
    assert placed.read_bytes() == before
    makers.opened(tmp_path)
    assert placed.stat().st_nlink == 1


def test_another_systems_archive_is_refused(tmp_path: Path) -> None:
    root = tmp_path / "archive"
    first = archive_identity.ensure(root, "7", makers.SIZE)
    assert archive_identity.ensure(root, "7", makers.SIZE) == first
    with pytest.raises(errors.ConfigError, match="holds WAL of system 7, and the server is system 8"):
        archive_identity.ensure(root, "8", makers.SIZE)


def test_expired_segments_are_no_gap(tmp_path: Path) -> None:
    archive = makers.opened(tmp_path)
    for number in range(1, 7):
        makers.arrive(archive, number)
    take_all(archive)
    with (tmp_path / "index.jsonl").open("ab") as file:
        file.write(b'{"of": "a newer version"}\n')
    gone = index.remove(tmp_path, {makers.name(1), makers.name(2)})
    assert [path.name for path in gone] == [f"{makers.name(1)}.lz4", f"{makers.name(2)}.lz4"]
    for path in gone:
        path.unlink()
    assert [entry.name for entry in index.read(tmp_path)] == [makers.name(number) for number in range(3, 7)]
    assert b"newer version" in (tmp_path / "index.jsonl").read_bytes()
    assert index.remove(tmp_path, {makers.name(1)}) == ()
    memory = gaps.Gaps(archive)
    assert memory.look() == ()
    assert archive.index.total_bytes == sum(entry.size_bytes for entry in index.read(tmp_path))


def test_what_expire_could_not_delete_does_not_come_back(tmp_path: Path) -> None:
    archive = makers.opened(tmp_path)
    for number in range(1, 7):
        makers.arrive(archive, number)
    take_all(archive)
    gone = index.remove(tmp_path, {makers.name(number) for number in (1, 2, 3, 4)})
    gone[1].unlink()
    gone[2].unlink()
    again = makers.opened(tmp_path)
    again.adopt()
    assert list(again.index.entries) == [makers.name(number) for number in (5, 6, 4)]
    assert gone[0].exists()
    assert gaps.Gaps(again).look() == ()


def test_an_index_that_was_lost_is_made_anew(tmp_path: Path) -> None:
    archive = makers.opened(tmp_path)
    for number in range(1, 4):
        makers.arrive(archive, number)
    take_all(archive)
    before = dict(archive.index.entries)
    (tmp_path / "index.jsonl").unlink()
    again = makers.opened(tmp_path)
    again.adopt()
    assert list(again.index.entries) == list(before)
    assert [entry.sha256 for entry in again.index.entries.values()] == [
        entry.sha256 for entry in before.values()
    ]


def test_a_full_disk_leaves_no_part_of_a_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = makers.opened(tmp_path)
    makers.arrive(archive, 1)
    take_all(archive)
    before = (tmp_path / "index.jsonl").read_bytes()
    real = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, data: real(descriptor, data[:20]))
    makers.arrive(archive, 2)
    with pytest.raises(OSError, match="No space left"):
        take_all(archive)
    assert (tmp_path / "index.jsonl").read_bytes() == before
    monkeypatch.undo()
    assert [segment.name for segment in archive.adopt().segments] == [makers.name(2)]


def test_what_another_host_puts_there_leads_to_no_file_of_ours(tmp_path: Path) -> None:
    """Who may write to a mounted archive plants links, pipes and folders in the place of WAL."""
    archive = makers.opened(tmp_path / "archive")
    secret = tmp_path / "password"
    secret.write_text("SECRET")
    place = archive.root / makers.name(4)[:16]
    place.mkdir()
    for path in (
        archive.incoming / "00000002.history",
        archive.incoming / makers.name(1),
        archive.root / "00000003.history",
        place / f"{makers.name(4)}.lz4",
    ):
        path.symlink_to(secret)
    (archive.incoming / "00000004.history").symlink_to(tmp_path / "nowhere")
    os.mkfifo(archive.incoming / makers.name(2))
    (archive.incoming / f"{makers.name(3)}.lz4").mkdir()
    (archive.incoming / makers.name(5)).write_bytes(makers.content(5))
    batch = archive.take(archive.waiting(archive.incoming))
    assert [segment.name for segment in batch.segments] == [makers.name(5)]
    assert archive.adopt().segments == []
    for name in ("00000002.history", makers.name(2)):  # exchanged after the folder was looked at
        with pytest.raises(OSError, match="no regular file"):
            archive.take([archive.incoming / name])
    copies = [path for path in archive.root.rglob("*") if path.is_file() and not path.is_symlink()]
    assert not any(b"SECRET" in path.read_bytes() for path in copies)
