"""WAL on its way to a further storage: what was sent counts once it is listed, and is never replaced."""

import json
import shutil
from collections.abc import Iterable
from pathlib import Path

import pytest

from pgbackstop_catalog.decisions.wal_segments import WalState, format_lsn
from pgbackstop_catalog.records import codec
from pgbackstop_runner.storage.folder import FolderStore
from pgbackstop_runner.storage.protocol import StoreError
from pgbackstop_runner.wal import archive_reader, replay_source, segment_file, storage_copy
from pgbackstop_runner.wal.storage_copy import WalCopier
from tests.unit.catalog import builders
from tests.unit.catalog.builders import NOW
from tests.unit.runner.wal import makers
from tests.unit.runner.wal.bench import Bench
from tests.unit.runner.wal.makers import SIZE


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_what_a_copied_backup_needs_is_sent_once(bench: Bench) -> None:
    bench.backup(1, 5)
    bench.archived(*range(1, 9))
    state = bench.look()
    assert (state.status, state.message, state.segments, state.copied) == ("copying", "", 5, 5)
    assert bench.there() == [4, 5, 6, 7, 8]  # one more than needed, as everywhere
    before = {path: path.stat().st_mtime_ns for path in bench.offsite.rglob("*.lz4")}
    bench.archived(9)
    state = bench.look()
    assert (state.segments, state.copied, state.last_segment) == (6, 6, makers.name(9))
    assert {path: path.stat().st_mtime_ns for path in before} == before


def test_without_a_backup_there_is_nothing_to_send(bench: Bench) -> None:
    bench.backup(1, 5, copied=False)
    bench.archived(5, 6)
    state = bench.look()
    assert (state.status, state.segments) == ("waiting", 0)
    assert not bench.offsite.exists()


def test_a_copier_that_was_killed_before_the_index_goes_on(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.backup(1, 1)
    bench.archived(1, 2, 3)
    real = FolderStore.put_bytes

    def killed(self: FolderStore, content: bytes, path: str) -> None:
        if path.endswith("index.jsonl"):
            raise StoreError("killed")
        real(self, content, path)

    with monkeypatch.context() as patched:
        patched.setattr(FolderStore, "put_bytes", killed)
        assert bench.look().status == "down"
    assert bench.path(2).exists()
    assert bench.there() == []
    written = bench.path(2).stat().st_mtime_ns
    state = bench.look()
    assert (state.status, state.conflicts) == ("copying", ())
    assert bench.there() == [1, 2, 3]
    assert bench.path(2).stat().st_mtime_ns == written


def test_other_content_is_never_replaced(bench: Bench) -> None:
    bench.backup(1, 1)
    bench.archived(1, 2, 3)
    bench.path(2).parent.mkdir(parents=True)
    (bench.folder / "theirs").write_bytes(makers.content(2, b"y"))
    segment_file.compress(bench.folder / "theirs", bench.path(2), "lz4")
    theirs = bench.path(2).read_bytes()
    state = bench.look()
    assert state.conflicts == (makers.name(2),)
    assert state.missing_segments == 1
    assert bench.path(2).read_bytes() == theirs
    assert bench.there() == [1, 3]


def test_the_same_content_otherwise_compressed_is_success(bench: Bench) -> None:
    bench.backup(1, 1)
    bench.archived(1, 2, 3)
    place = bench.path(2).with_suffix(".zst")
    place.parent.mkdir(parents=True)
    (bench.folder / "same").write_bytes(makers.content(2))
    segment_file.compress(bench.folder / "same", place, "zstd")
    state = bench.look()
    assert (state.conflicts, state.missing_segments) == ((), 0)
    assert bench.there() == [1, 2, 3]
    assert not bench.path(2).exists()


@pytest.mark.parametrize("damage", ["deleted", "cut off"])
def test_what_the_storage_lost_is_sent_again(bench: Bench, damage: str) -> None:
    bench.backup(1, 1)
    bench.archived(1, 2, 3)
    bench.look()
    whole = bench.path(2).read_bytes()
    if damage == "deleted":
        bench.path(2).unlink()
    else:
        bench.path(2).write_bytes(whole[:100])
    state = bench.look()
    assert (state.missing_segments, state.conflicts) == (0, ())
    assert bench.path(2).read_bytes() == whole


def test_a_failed_listing_is_no_empty_storage(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.backup(1, 1)
    bench.archived(1, 2)
    before = bench.look()

    def fails(*_arguments: object) -> Iterable[tuple[str, int]]:
        raise StoreError("no answer")

    bench.archived(3)
    with monkeypatch.context() as patched:
        patched.setattr(FolderStore, "files", fails)
        state = bench.look()
    assert (state.status, state.message, state.failures) == ("down", "no answer", before.failures + 1)
    assert (state.segments, state.last_segment) == (2, makers.name(2))
    assert not bench.path(3).exists()
    assert bench.look().segments == 3


def test_what_is_damaged_here_is_no_copy_and_holds_up_nothing(bench: Bench) -> None:
    bench.backup(1, 1)
    bench.archived(1, 2, 3)
    local = bench.archive.root / bench.archive.index.entries[makers.name(2)].path
    content = bytearray(local.read_bytes())
    content[50] ^= 1
    local.write_bytes(content)
    state = bench.look()
    assert state.conflicts == (makers.name(2),)
    assert state.missing_segments == 1
    assert bench.there() == [1, 3]
    assert not bench.path(2).exists()


def test_wal_of_another_system_is_not_mixed_in(bench: Bench) -> None:
    bench.backup(1, 1)
    bench.archived(1)
    bench.offsite.mkdir(parents=True)
    other = makers.IDENTITY.evolve(system_identifier="42")
    (bench.offsite / "archive.json").write_bytes(codec.encode(other))
    state = bench.look()
    assert state.status == "down"
    assert "holds WAL of system 42" in state.message
    assert bench.there() == []


def test_what_no_backup_there_needs_is_removed_from_there(bench: Bench) -> None:
    old = bench.backup(1, 2)
    bench.backup(2, 6)
    bench.archived(*range(1, 9))
    bench.look()
    assert bench.there() == list(range(1, 9))
    bench.copied(old, expired_at=NOW)
    bench.look()
    assert bench.there() == [5, 6, 7, 8]
    assert not bench.path(4).exists()
    assert len(bench.archive.index.refresh()) == 8


def test_wal_stays_where_a_copy_outlives_its_backup(bench: Bench) -> None:
    old = bench.backup(1, 1)
    bench.archived(1, 2, 3, 4)
    bench.look()
    bench.workspace.catalog.put(old.evolve(expired_at=NOW))
    bench.backup(2, 4)
    bench.look()
    assert bench.there() == [1, 2, 3, 4]


def test_what_could_not_be_removed_is_removed_when_the_storage_is_back(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storage_copy, "BACKUPS_INTERVAL", 0.0)
    old = bench.backup(1, 2)
    bench.backup(2, 6)
    bench.archived(*range(1, 9))
    copier = WalCopier(bench.workspace, "main", "offsite")
    copier.look()
    bench.copied(old, expired_at=NOW)
    offsite = bench.folder / "offsite"
    offsite.rename(bench.folder / "away")
    with pytest.raises(StoreError) as caught:
        copier.look()
    copier.fail(caught.value)
    (bench.folder / "away").rename(offsite)
    copier.look()
    assert bench.there() == [5, 6, 7, 8]


@pytest.mark.parametrize("lost", ["backup and copy", "copy"])
def test_an_unknown_backup_there_keeps_the_wal(bench: Bench, lost: str) -> None:
    """The catalog was lost and begun anew, or a record of it: the bucket knows more than it."""
    old = bench.backup(1, 2)
    bench.archived(*range(1, 9))
    bench.look()
    bench.backup(2, 6)
    if lost == "copy":
        (record,) = (bench.workspace.config.catalog_folder() / "copies").rglob(f"{old.id}@*")
        record.unlink()
    else:
        bench.workspace.catalog.remove(old)
    bench.look()
    assert bench.there() == list(range(1, 9))


def test_an_archive_that_is_gone_takes_nothing_from_the_storage(bench: Bench) -> None:
    """Fault 33: its disk is not mounted."""
    bench.backup(1, 1)
    bench.archived(1, 2)
    bench.look()
    shutil.rmtree(bench.archive.root)
    bench.archive.root.mkdir()
    assert bench.look().status == "waiting"
    assert bench.there() == [1, 2]


def receiver(bench: Bench, received: int, minute: int) -> None:
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
        recoverable_until=NOW + 30 * builders.DAY + minute * (builders.DAY / 1440),
    )
    path = bench.workspace.state.wal("main")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(codec.encode(state))


def test_the_unfinished_segment_counts_with_its_moment(bench: Bench) -> None:
    bench.backup(1, 1)
    bench.archived(1, 2)
    (bench.archive.receiving / f"{makers.name(3)}.lz4.partial").write_bytes(b"beginning")
    receiver(bench, 3 * SIZE + 9, minute=1)
    state = bench.look()
    assert state.windows[-1].ends == "received"
    assert state.recoverable_until == NOW + 30 * builders.DAY + builders.DAY / 1440
    found = archive_reader.read(bench.workspace, "main", "offsite")
    assert [path.read_bytes() for path in replay_source.unfinished(found.folder)] == [b"beginning"]
    # Complete by now: its beginning is not needed any more.
    (bench.archive.receiving / f"{makers.name(3)}.lz4.partial").unlink()
    bench.archived(3)
    receiver(bench, 4 * SIZE, minute=2)
    assert bench.look().recoverable_until == NOW + 30 * builders.DAY + 2 * builders.DAY / 1440
    assert not list(bench.offsite.glob("receiving/*.partial"))


def test_a_moment_is_not_told_before_its_bytes_are_there(bench: Bench) -> None:
    bench.backup(1, 1)
    bench.archived(1, 2)
    receiver(bench, 3 * SIZE + 9, minute=1)  # in segment 3, which is in no file that can be seen
    state = bench.look()
    assert not (bench.offsite / "receiving" / "state.json").exists()
    assert state.windows[-1].ends == "archive"


def test_what_was_moved_aside_is_there_before_what_replaces_it(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A broken stream begins its segment anew, shorter: the storage has the longer one all the time."""
    bench.backup(1, 1)
    bench.archived(1)
    name = f"{makers.name(2)}.lz4.partial"
    (bench.archive.receiving / name).write_bytes(b"the longer beginning")
    receiver(bench, 2 * SIZE + 20, minute=1)
    bench.look()
    (bench.archive.receiving / name).rename(bench.archive.root / "aside" / name)
    (bench.archive.receiving / name).write_bytes(b"new")
    seen = []
    real = FolderStore.put_bytes

    def put(self: FolderStore, content: bytes, path: str) -> None:
        real(self, content, path)
        seen.append({each.read_bytes() for each in bench.offsite.rglob("*.partial")})

    monkeypatch.setattr(FolderStore, "put_bytes", put)
    bench.look()
    assert seen
    assert all(b"the longer beginning" in each for each in seen)


def test_a_folder_that_any_tool_downloaded_has_lines_that_name_its_files(bench: Bench) -> None:
    bench.backup(1, 1)
    bench.archived(1, 2)
    (bench.archive.receiving / "00000002.history").write_text("1\t0/200000\tno recovery target\n")
    bench.archive.take([bench.archive.receiving / "00000002.history"])
    bench.look()
    for part in bench.offsite.rglob("index.jsonl"):
        for line in part.read_text().splitlines():
            assert (bench.offsite / json.loads(line)["path"]).stat().st_size == json.loads(line)["size_bytes"]
    assert (bench.offsite / "00000002.history").exists()


def test_counters_never_fall(bench: Bench) -> None:
    bench.backup(1, 1)
    bench.archived(1, 2)
    bench.look()
    copier = WalCopier(bench.workspace, "main", "offsite")
    copier.fail(StoreError("no answer"))
    copier.write()
    again = WalCopier(bench.workspace, "main", "offsite").state
    assert (again.copied, again.failures, again.status) == (2, 1, "waiting")
