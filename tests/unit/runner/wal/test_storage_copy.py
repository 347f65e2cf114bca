"""WAL on its way to a further storage: what was sent counts once it is listed, and is never replaced."""

import copy
import dataclasses
import json
import shutil
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from pgbackstop_catalog.decisions.wal_copies import WalCopyState
from pgbackstop_catalog.decisions.wal_segments import WalState, format_lsn
from pgbackstop_catalog.records import codec
from pgbackstop_catalog.records.attempt import Status
from pgbackstop_catalog.records.backup import Backup
from pgbackstop_catalog.records.copy import Copy
from pgbackstop_catalog.records.source import ServerFacts
from pgbackstop_catalog.store import layout
from pgbackstop_runner.storage.folder import FolderStore
from pgbackstop_runner.storage.protocol import StoreError
from pgbackstop_runner.wal import archive_reader, copy_loop, segment_file, storage_copy
from pgbackstop_runner.wal.archive import Archive
from pgbackstop_runner.wal.storage_copy import WalCopier
from pgbackstop_runner.workspace import Workspace
from tests.support import keys
from tests.unit.catalog import builders
from tests.unit.catalog.builders import NOW
from tests.unit.runner import places
from tests.unit.runner.wal import makers
from tests.unit.runner.wal.makers import SIZE

FACTS = ServerFacts(
    version="17.5", version_number=170005, system_identifier=str(makers.SYSTEM), wal_segment_bytes=SIZE
)


@dataclass
class Bench:
    """A server's archive, a storage beside it, and a backup in both."""

    folder: Path
    encryption: dict[str, object] | None = None
    workspace: Workspace = field(init=False)
    archive: Archive = field(init=False)

    def __post_init__(self) -> None:
        settings = {"kind": "folder", "path": self.folder / "offsite", "encryption": self.encryption}
        offsite = {"offsite": settings}
        self.workspace = places.workspace(self.folder, copies=("offsite",), storages=offsite)
        root = self.workspace.wal_archive("main")
        root.mkdir(parents=True)
        (root / "archive.json").write_bytes(codec.encode(makers.IDENTITY))
        self.archive = makers.opened(root)

    @property
    def offsite(self) -> Path:
        return self.folder / "offsite" / layout.wal_folder("main")

    def backup(self, number: int, segment: int, *, copied: bool = True) -> Backup:
        """One that starts in that segment."""
        lsn = format_lsn(segment * SIZE + 40)
        ended = NOW + number * builders.DAY
        record = builders.physical(number, ended, start_lsn=lsn, stop_lsn=lsn, timeline=1, server_facts=FACTS)
        self.workspace.catalog.put(record)
        if copied:
            self.copied(record)
        return record

    def copied(self, record: Backup, **changes: object) -> None:
        copy = Copy.of(record, "offsite", started_at=NOW).evolve(status=Status.SUCCEEDED, **changes)
        self.workspace.catalog.put(copy)
        mark = self.folder / "offsite" / str(record.location) / layout.RECORD_NAME
        mark.parent.mkdir(parents=True, exist_ok=True)
        mark.write_text("{}")

    def archived(self, *numbers: int, fill: bytes = b"x") -> None:
        self.archive.take([makers.arrive(self.archive, number, fill) for number in numbers])

    def look(self) -> WalCopyState:
        """A copier that has just been started, and looks once."""
        (state,) = copy_loop.once(self.workspace, "main", ["offsite"])
        return state

    def there(self) -> list[int]:
        """The numbers of the segments that the storage has, and names in its index."""
        remote = archive_reader.read(self.workspace, "main", "offsite").remote
        assert remote is not None
        return [
            int(name[16:], 16) + 256 * 16 * int(name[8:16], 16)
            for name, entry in sorted(remote.entries.items())
            if remote.is_there(entry)
        ]

    def path(self, number: int) -> Path:
        name = makers.name(number)
        return self.offsite / name[:16] / f"{name}.lz4{'.age' if self.encryption else ''}"


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


def test_an_unknown_backup_there_keeps_the_wal(bench: Bench) -> None:
    """The catalog was lost and begun anew: the bucket knows more than it."""
    old = bench.backup(1, 2)
    bench.archived(*range(1, 9))
    bench.look()
    bench.backup(2, 6)
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
    assert [path.read_bytes() for path in archive_reader.unfinished(found.folder)] == [b"beginning"]
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


@pytest.fixture(params=["writes alone", "reads too"])
def sealed(tmp_path: Path, request: pytest.FixtureRequest) -> Bench:
    """The storage is encrypted; the host that copies has an identity, or has none."""
    own = keys.generated(tmp_path / "keys")
    return Bench(tmp_path, encryption=own.settings(reads=request.param == "reads too"))


def reading(bench: Bench) -> Bench:
    """The same as a host sees it that can restore."""
    own = keys.Keys(bench.folder / "keys" / "identity.txt", bench.folder / "keys" / "recipients.txt")
    encryption = own.encryption(writes=False)
    offsite = bench.workspace.config.storages["offsite"].evolve(encryption=encryption)
    config = bench.workspace.config.evolve(storages=bench.workspace.config.storages | {"offsite": offsite})
    found = copy.copy(bench)
    found.workspace = dataclasses.replace(bench.workspace, config=config)
    return found


def test_encrypted_wal_is_sent_once_and_counted(sealed: Bench) -> None:
    sealed.backup(1, 5)
    sealed.archived(*range(1, 9))
    state = sealed.look()
    assert (state.status, state.message, state.segments, state.missing_segments) == ("copying", "", 5, 0)
    assert reading(sealed).there() == [4, 5, 6, 7, 8]
    files = list(sealed.offsite.rglob("*.lz4*"))
    assert all(path.read_bytes().startswith(b"age-encryption.org/") for path in files)
    assert state.stored_bytes == sum(path.stat().st_size for path in files)
    before = {path: path.stat().st_mtime_ns for path in files}
    sealed.archived(9)
    assert sealed.look().segments == 6
    assert {path: path.stat().st_mtime_ns for path in before} == before


@pytest.mark.parametrize("damage", ["deleted", "cut off"])
def test_encrypted_wal_that_was_lost_is_sent_again(sealed: Bench, damage: str) -> None:
    sealed.backup(1, 1)
    sealed.archived(1, 2, 3)
    sealed.look()
    if damage == "deleted":
        sealed.path(2).unlink()
    else:
        sealed.path(2).write_bytes(sealed.path(2).read_bytes()[:-1])
    state = sealed.look()
    assert (state.status, state.missing_segments, state.conflicts) == ("copying", 0, ())
    assert reading(sealed).there() == [1, 2, 3]


def test_encrypted_wal_without_its_index(sealed: Bench) -> None:
    """A copier was killed before it wrote the line, or somebody deleted the index."""
    sealed.backup(1, 1)
    sealed.archived(1, 2, 3)
    sealed.look()
    for index in sealed.offsite.rglob("index.jsonl"):
        index.unlink()
    state = sealed.look()
    assert (state.status, state.message, state.conflicts) == ("copying", "", ())
    assert reading(sealed).there() == [1, 2, 3]


def test_encrypted_wal_of_another_hash_is_never_replaced(sealed: Bench) -> None:
    sealed.backup(1, 1)
    sealed.archived(1, 2, 3)
    sealed.look()
    theirs = sealed.path(2).read_bytes()
    place = sealed.workspace.wal_archive("main") / makers.name(2)[:16] / f"{makers.name(2)}.lz4"
    index = sealed.workspace.wal_archive("main") / "index.jsonl"
    place.unlink()
    lines = [
        line for line in index.read_bytes().splitlines(keepends=True) if makers.name(2).encode() not in line
    ]
    index.write_bytes(b"".join(lines))
    sealed.archive = makers.opened(sealed.workspace.wal_archive("main"))
    sealed.archived(2, fill=b"y")
    state = sealed.look()
    assert (state.status, state.conflicts) == ("copying", (makers.name(2),))
    assert sealed.path(2).read_bytes() == theirs
