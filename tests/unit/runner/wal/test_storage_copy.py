"""WAL on its way to a further storage: what was sent counts once it is listed, and is never replaced."""

import errno
import json
import shutil
from collections.abc import Iterable

import pytest

from pgbackstop_catalog.records import codec
from pgbackstop_catalog.store import atomic
from pgbackstop_runner.storage import identity
from pgbackstop_runner.storage.folder import FolderStore
from pgbackstop_runner.storage.protocol import StoreError
from pgbackstop_runner.wal import (
    archive_reader,
    copy_conflicts,
    index,
    replay_segments,
    segment_file,
    storage_archive,
    storage_copy,
)
from pgbackstop_runner.wal.storage_copy import WalCopier
from tests.support.factories import NOW
from tests.unit.runner.wal import makers
from tests.unit.runner.wal.copying import Copying


def test_what_a_copied_backup_needs_is_sent_once(copying: Copying) -> None:
    copying.backup(1, 5)
    copying.archived(*range(1, 9))
    state = copying.look()
    assert (state.status, state.message, state.segments, state.copied) == ("copying", "", 5, 5)
    assert copying.there() == [4, 5, 6, 7, 8]  # one more than needed, as everywhere
    before = {path: path.stat().st_mtime_ns for path in copying.offsite.rglob("*.lz4")}
    copying.archived(9)
    state = copying.look()
    assert (state.segments, state.copied, state.last_segment) == (6, 6, makers.name(9))
    assert {path: path.stat().st_mtime_ns for path in before} == before


def test_without_a_backup_there_is_nothing_to_send(copying: Copying) -> None:
    copying.backup(1, 5, copied=False)
    copying.archived(5, 6)
    state = copying.look()
    assert (state.status, state.segments) == ("waiting", 0)
    assert not copying.offsite.exists()


def test_a_copier_that_was_killed_before_the_index_goes_on(
    copying: Copying, monkeypatch: pytest.MonkeyPatch
) -> None:
    copying.backup(1, 1)
    copying.archived(1, 2, 3)
    real = FolderStore.put_bytes

    def killed(self: FolderStore, content: bytes, path: str) -> None:
        if path.endswith("index.jsonl"):
            raise StoreError("killed")
        real(self, content, path)

    with monkeypatch.context() as patched:
        patched.setattr(FolderStore, "put_bytes", killed)
        assert copying.look().status == "down"
    assert copying.path(2).exists()
    assert copying.there() == []
    written = copying.path(2).stat().st_mtime_ns
    state = copying.look()
    assert (state.status, state.conflicts) == ("copying", ())
    assert copying.there() == [1, 2, 3]
    assert copying.path(2).stat().st_mtime_ns == written


def test_other_content_is_never_replaced(copying: Copying) -> None:
    copying.backup(1, 1)
    copying.archived(1, 2, 3)
    copying.path(2).parent.mkdir(parents=True)
    (copying.folder / "theirs").write_bytes(makers.content(2, b"y"))
    segment_file.compress(copying.folder / "theirs", copying.path(2), "lz4")
    theirs = copying.path(2).read_bytes()
    state = copying.look()
    assert state.conflicts == (makers.name(2),)
    assert state.missing_segments == 1
    assert copying.path(2).read_bytes() == theirs
    assert copying.there() == [1, 3]


def in_conflict(copying: Copying) -> WalCopier:
    """A copier that goes on, and has found other content under the name of the second segment."""
    copying.backup(1, 1)
    copying.archived(1, 2, 3)
    copying.path(2).parent.mkdir(parents=True)
    (copying.folder / "theirs").write_bytes(makers.content(2, b"y"))
    segment_file.compress(copying.folder / "theirs", copying.path(2), "lz4")
    copier = WalCopier(copying.workspace, "main", "offsite")
    for _ in range(2):
        copier.look()
        assert copier.state.conflicts == (makers.name(2),)
    return copier


@pytest.mark.parametrize("how", ["removed", "replaced by the same, otherwise compressed"])
def test_a_conflict_ends_when_the_storage_has_something_else(
    copying: Copying, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    monkeypatch.setattr(copy_conflicts, "INTERVAL", 0.0)
    copier = in_conflict(copying)
    copying.path(2).unlink()
    if how != "removed":
        (copying.folder / "same").write_bytes(makers.content(2))
        segment_file.compress(copying.folder / "same", copying.path(2).with_suffix(".zst"), "zstd")
    copier.look()
    assert (copier.state.conflicts, copier.state.missing_segments) == ((), 0)
    assert copying.path(2).exists() is (how == "removed")
    assert copying.there() == [1, 2, 3]


def test_a_conflict_ends_with_its_segment(copying: Copying) -> None:
    copier = in_conflict(copying)
    for path in index.remove(copying.workspace.wal_archive("main"), {makers.name(2)}):
        path.unlink()
    copier.look()
    assert copier.state.conflicts == ()
    assert copying.path(2).exists()


def test_what_is_mended_here_is_sent(copying: Copying) -> None:
    copying.backup(1, 1)
    copying.archived(1, 2, 3)
    local = copying.archive.root / copying.archive.index.entries[makers.name(2)].path
    whole = local.read_bytes()
    local.write_bytes(whole[:-1] + b"?")
    copier = WalCopier(copying.workspace, "main", "offsite")
    copier.look()
    assert list(copier.state.conflicts) == [makers.name(2)]
    atomic.write(local, whole)
    copier.look()
    assert not copier.state.conflicts
    assert copier.state.missing_segments == 0
    assert copying.path(2).read_bytes() == whole


def test_a_conflict_that_an_earlier_copier_told_is_not_told_for_ever(copying: Copying) -> None:
    copier = in_conflict(copying)
    copier.write()
    copying.path(2).unlink()
    assert copying.look().conflicts == ()
    assert copying.there() == [1, 2, 3]


def test_the_same_content_otherwise_compressed_is_success(copying: Copying) -> None:
    copying.backup(1, 1)
    copying.archived(1, 2, 3)
    place = copying.path(2).with_suffix(".zst")
    place.parent.mkdir(parents=True)
    (copying.folder / "same").write_bytes(makers.content(2))
    segment_file.compress(copying.folder / "same", place, "zstd")
    state = copying.look()
    assert (state.conflicts, state.missing_segments) == ((), 0)
    assert copying.there() == [1, 2, 3]
    assert not copying.path(2).exists()


def test_segments_may_be_larger_than_what_is_read_in_one_piece(
    copying: Copying, monkeypatch: pytest.MonkeyPatch
) -> None:
    """initdb takes segments of up to 1 GB."""
    copying.backup(1, 1)
    copying.archived(1, 2, 3)
    copying.look()
    monkeypatch.setattr(codec, "MOST_BYTES", copying.path(2).stat().st_size - 1)
    there = archive_reader.read(copying.workspace, "main", "offsite")
    replay_segments._brought(there, there.entries[makers.name(2)], target=copying.folder)
    brought = copying.folder / copying.path(2).relative_to(copying.offsite)
    assert brought.read_bytes() == copying.path(2).read_bytes()
    for part in copying.offsite.rglob("index.jsonl"):
        part.unlink()
    state = copying.look()  # which compares what is there without a line
    assert (state.status, state.message, state.conflicts) == ("copying", "", ())
    assert copying.there() == [1, 2, 3]


@pytest.mark.parametrize("damage", ["deleted", "cut off"])
def test_what_the_storage_lost_is_sent_again(copying: Copying, damage: str) -> None:
    copying.backup(1, 1)
    copying.archived(1, 2, 3)
    copying.look()
    whole = copying.path(2).read_bytes()
    if damage == "deleted":
        copying.path(2).unlink()
    else:
        copying.path(2).write_bytes(whole[:100])
    state = copying.look()
    assert (state.missing_segments, state.conflicts) == (0, ())
    assert copying.path(2).read_bytes() == whole


def test_a_failed_listing_is_no_empty_storage(copying: Copying, monkeypatch: pytest.MonkeyPatch) -> None:
    copying.backup(1, 1)
    copying.archived(1, 2)
    before = copying.look()

    def fails(*_arguments: object) -> Iterable[tuple[str, int]]:
        raise StoreError("no answer")

    copying.archived(3)
    with monkeypatch.context() as patched:
        patched.setattr(FolderStore, "files", fails)
        state = copying.look()
    assert (state.status, state.message, state.failures) == ("down", "no answer", before.failures + 1)
    assert (state.segments, state.last_segment) == (2, makers.name(2))
    assert not copying.path(3).exists()
    assert copying.look().segments == 3


def test_a_full_disk_leaves_what_was_known_of_the_storage(
    copying: Copying, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By it, expire knows what may go; what the storage has no more is forgotten."""
    copying.backup(1, 1)
    copying.archived(1, 2)
    copying.look()
    mirror = copying.workspace.state.wal_copy_index("offsite", "main")
    store = identity.require(copying.workspace, "offsite")

    def full(*_arguments: object, **_options: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(atomic, "write", full)
        with pytest.raises(OSError, match="No space"):
            storage_archive.fetch(store, "main", mirror, records_only=True)
    assert [each.name for each in index.read(mirror)] == [makers.name(1), makers.name(2)]
    (mirror / "00000002.history").write_text("")
    storage_archive.fetch(store, "main", mirror, records_only=True)
    assert sorted(path.name for path in mirror.iterdir() if path.is_file()) == ["archive.json", "index.jsonl"]


def test_what_is_damaged_here_is_no_copy_and_holds_up_nothing(copying: Copying) -> None:
    copying.backup(1, 1)
    copying.archived(1, 2, 3)
    local = copying.archive.root / copying.archive.index.entries[makers.name(2)].path
    content = bytearray(local.read_bytes())
    content[50] ^= 1
    local.write_bytes(content)
    state = copying.look()
    assert state.conflicts == (makers.name(2),)
    assert state.missing_segments == 1
    assert copying.there() == [1, 3]
    assert not copying.path(2).exists()


def test_wal_of_another_system_is_not_mixed_in(copying: Copying) -> None:
    copying.backup(1, 1)
    copying.archived(1)
    copying.offsite.mkdir(parents=True)
    other = makers.IDENTITY.evolve(system_identifier="42")
    (copying.offsite / "archive.json").write_bytes(codec.encode(other))
    state = copying.look()
    assert state.status == "down"
    assert "holds WAL of system 42" in state.message
    assert copying.there() == []


def test_what_no_backup_there_needs_is_removed_from_there(copying: Copying) -> None:
    old = copying.backup(1, 2)
    copying.backup(2, 6)
    copying.archived(*range(1, 9))
    copying.look()
    assert copying.there() == list(range(1, 9))
    copying.copied(old, expired_at=NOW)
    copying.look()
    assert copying.there() == [5, 6, 7, 8]
    assert not copying.path(4).exists()
    assert len(copying.archive.index.refresh()) == 8


def test_wal_stays_where_a_copy_outlives_its_backup(copying: Copying) -> None:
    old = copying.backup(1, 1)
    copying.archived(1, 2, 3, 4)
    copying.look()
    copying.workspace.catalog.put(old.evolve(expired_at=NOW))
    copying.backup(2, 4)
    copying.look()
    assert copying.there() == [1, 2, 3, 4]


def test_what_could_not_be_removed_is_removed_when_the_storage_is_back(
    copying: Copying, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storage_copy, "BACKUPS_INTERVAL", 0.0)
    old = copying.backup(1, 2)
    copying.backup(2, 6)
    copying.archived(*range(1, 9))
    copier = WalCopier(copying.workspace, "main", "offsite")
    copier.look()
    copying.copied(old, expired_at=NOW)
    offsite = copying.folder / "offsite"
    offsite.rename(copying.folder / "away")
    with pytest.raises(StoreError) as caught:
        copier.look()
    copier.fail(caught.value)
    (copying.folder / "away").rename(offsite)
    copier.look()
    assert copying.there() == [5, 6, 7, 8]


@pytest.mark.parametrize("lost", ["backup and copy", "copy"])
def test_an_unknown_backup_there_keeps_the_wal(copying: Copying, lost: str) -> None:
    """The catalog was lost and begun anew, or a record of it: the bucket knows more than it."""
    old = copying.backup(1, 2)
    copying.archived(*range(1, 9))
    copying.look()
    copying.backup(2, 6)
    if lost == "copy":
        (record,) = (copying.workspace.config.catalog_folder() / "copies").rglob(f"{old.id}@*")
        record.unlink()
    else:
        copying.workspace.catalog.remove(old)
    copying.look()
    assert copying.there() == list(range(1, 9))


def test_an_archive_that_is_gone_takes_nothing_from_the_storage(copying: Copying) -> None:
    """Fault 33: its disk is not mounted."""
    copying.backup(1, 1)
    copying.archived(1, 2)
    copying.look()
    shutil.rmtree(copying.archive.root)
    copying.archive.root.mkdir()
    assert copying.look().status == "waiting"
    assert copying.there() == [1, 2]


def test_a_folder_that_any_tool_downloaded_has_lines_that_name_its_files(copying: Copying) -> None:
    copying.backup(1, 1)
    copying.archived(1, 2)
    (copying.archive.receiving / "00000002.history").write_text("1\t0/200000\tno recovery target\n")
    copying.archive.take([copying.archive.receiving / "00000002.history"])
    copying.look()
    for part in copying.offsite.rglob("index.jsonl"):
        for line in part.read_text().splitlines():
            assert (copying.offsite / json.loads(line)["path"]).stat().st_size == json.loads(line)[
                "size_bytes"
            ]
    assert (copying.offsite / "00000002.history").exists()


def test_counters_never_fall(copying: Copying) -> None:
    copying.backup(1, 1)
    copying.archived(1, 2)
    copying.look()
    copier = WalCopier(copying.workspace, "main", "offsite")
    copier.fail(StoreError("no answer"))
    copier.write()
    again = WalCopier(copying.workspace, "main", "offsite").state
    assert (again.copied, again.failures, again.status) == (2, 1, "waiting")
