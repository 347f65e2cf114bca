"""Copies of WAL are read back: what rots there is found, on record, sent again, and a gap until then."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pgbackstop_catalog.decisions.wal_readings import WalReadings
from pgbackstop_catalog.records import codec
from pgbackstop_runner.storage.folder import FolderStore
from pgbackstop_runner.verify import wal_reread
from pgbackstop_runner.verify.wal_reread import WalRead
from pgbackstop_runner.wal import archive_reader, index, storage_archive
from pgbackstop_runner.wal.storage_archive import StorageArchive
from tests.support import keys
from tests.support.factories import NOW
from tests.unit.runner.wal import makers
from tests.unit.runner.wal.copying import Copying

PLENTY = 10**9


def sent(folder: Path, **encryption: object) -> Copying:
    """Segments 1 to 4, here and in the storage."""
    made = Copying(folder, encryption=encryption or None)
    made.backup(1, 1)
    made.archived(1, 2, 3, 4)
    assert made.look().status == "copying"
    return made


@pytest.fixture
def copying(tmp_path: Path) -> Copying:
    return sent(tmp_path)


def read_copies(copying: Copying, bytes_left: int = PLENTY) -> list[WalRead]:
    return [each for each in wal_reread.read(copying.workspace, bytes_left) if each.storage]


def known(copying: Copying) -> WalReadings:
    return codec.read(WalReadings, copying.workspace.state.wal_copy_readings("offsite", "main"))


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def test_whole_copies_pass_and_their_reading_is_remembered(copying: Copying) -> None:
    (read,) = read_copies(copying)
    assert (read.server, read.storage, read.segments, read.damaged) == ("main", "offsite", 4, {})
    assert read.read_bytes == sum(path.stat().st_size for path in copying.offsite.rglob("*.lz4"))
    assert known(copying).storage == "offsite"
    assert known(copying).oldest is not None
    assert wal_reread.spent(copying.workspace, NOW) == 2 * read.read_bytes  # the archive, too


def test_no_more_is_read_than_is_left_of_the_day(copying: Copying) -> None:
    sizes = [copying.path(number).stat().st_size for number in (1, 2, 3, 4)]
    (read,) = read_copies(copying, sum(sizes) + sum(sizes[:2]))  # the archive comes first
    assert read.segments == 2


def test_a_storage_is_listed_once_however_many_segments_are_read(
    copying: Copying, monkeypatch: pytest.MonkeyPatch
) -> None:
    copying.archived(5, 6, 7, 8)
    copying.look()
    listed: list[str] = []
    real = FolderStore.files

    def files(self: FolderStore, folder: str) -> Iterator[tuple[str, int]]:
        listed.append(folder)
        return real(self, folder)

    monkeypatch.setattr(FolderStore, "files", files)
    assert read_copies(copying)[0].segments == 8
    assert len(listed) == len(set(listed))


def test_what_is_sent_while_others_are_read_is_not_missing(
    copying: Copying, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its line was read after the storage was listed."""
    real = storage_archive.fetch

    def listed_before(*given: Any, **options: Any) -> StorageArchive:
        found = real(*given, **options)
        monkeypatch.undo()
        del found.sizes[found.entries[makers.name(4)].path]
        return found

    monkeypatch.setattr(storage_archive, "fetch", listed_before)
    assert read_copies(copying)[0].damaged == {}


@pytest.mark.parametrize("damage", ["flipped", "cut off", "deleted"])
def test_a_damaged_copy_is_sent_again(copying: Copying, damage: str) -> None:
    path = copying.path(2)
    whole = path.read_bytes()
    if damage == "flipped":
        flip(path)
    elif damage == "cut off":
        path.write_bytes(whole[:50])
    else:
        path.unlink()
    (read,) = read_copies(copying)
    assert list(read.damaged) == [makers.name(2)]
    assert [each.name for each in known(copying).damaged] == [makers.name(2)]
    state = copying.look()
    assert (state.status, state.missing_segments) == ("copying", 0)
    assert path.read_bytes() == whole
    assert known(copying).damaged == ()
    assert read_copies(copying)[0].damaged == {}


def test_what_the_archive_has_no_more_is_a_gap_there(copying: Copying) -> None:
    flip(copying.path(2))
    assert read_copies(copying)[0].damaged
    root = copying.workspace.wal_archive("main")
    for path in index.remove(root, {makers.name(2)}):
        path.unlink()
    state = copying.look()
    assert (state.status, state.missing_segments) == ("copying", 1)
    assert [each.name for each in known(copying).damaged] == [makers.name(2)]
    assert makers.name(2) not in archive_reader.read(copying.workspace, "main", "offsite").entries


def test_an_archive_that_is_damaged_too_mends_nothing(copying: Copying) -> None:
    flip(copying.path(2))
    rotten = copying.path(2).read_bytes()
    read_copies(copying)
    flip(next(copying.workspace.wal_archive("main").rglob(copying.path(2).name)))
    state = copying.look()
    assert (state.status, state.missing_segments) == ("copying", 1)
    assert copying.path(2).read_bytes() == rotten


def test_a_damaged_copy_of_other_content_is_not_replaced(copying: Copying) -> None:
    """What is archived here by that name is of another history than what is around it there."""
    flip(copying.path(2))
    rotten = copying.path(2).read_bytes()
    read_copies(copying)
    for path in index.remove(copying.workspace.wal_archive("main"), {makers.name(2)}):
        path.unlink()
    copying.archive = makers.opened(copying.workspace.wal_archive("main"))
    copying.archived(2, fill=b"y")
    state = copying.look()
    assert (state.conflicts, state.missing_segments) == ((makers.name(2),), 1)
    assert copying.path(2).read_bytes() == rotten


def test_an_encrypted_copy_is_read_and_mended_where_an_identity_opens_it(tmp_path: Path) -> None:
    own = keys.generated(tmp_path / "keys")
    copying = sent(tmp_path, recipients_file=own.recipients, identity_files=[own.identity])
    assert read_copies(copying)[0].damaged == {}
    flip(copying.path(2))
    assert list(read_copies(copying)[0].damaged) == [makers.name(2)]
    assert copying.look().status == "copying"
    assert read_copies(copying)[0].damaged == {}


def test_where_nothing_opens_it_the_encrypted_bytes_are_compared_and_mended(tmp_path: Path) -> None:
    own = keys.generated(tmp_path / "keys")
    copying = sent(tmp_path, recipients_file=own.recipients)
    (read,) = read_copies(copying)
    assert (read.segments, read.damaged) == (4, {})
    flip(copying.path(2))
    assert list(read_copies(copying)[0].damaged) == [makers.name(2)]
    assert copying.look().status == "copying"
    assert read_copies(copying)[0].damaged == {}


def test_a_storage_that_is_away_condemns_nothing(copying: Copying) -> None:
    (copying.folder / "offsite").rename(copying.folder / "away")
    assert read_copies(copying) == []
    assert not copying.workspace.state.wal_copy_readings("offsite", "main").exists()
