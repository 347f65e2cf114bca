"""Where a backup's list of files stands, and what becomes of one that is not as it was."""

import hashlib
import json
from collections.abc import Callable

import pytest

from pgbackstop_catalog.records import codec, file_list
from pgbackstop_catalog.records.backup import Backup, CopyEncryption, FileList, StoredFile
from tests.support import factories

FILES = tuple(
    StoredFile(path=f"shop.dir/{number}.dat", size_bytes=number, sha256=f"{number:064x}")
    for number in range(file_list.MOST_ON_RECORD + 1)
)
SIZES = {each.path: each.size_bytes for each in FILES}
TEXT = file_list.text(FILES)


def recorded(files: tuple[StoredFile, ...], kind: Callable[..., Backup] = factories.backup) -> Backup:
    backup = kind(1, factories.NOW)
    return backup.evolve(**file_list.on_record(backup, files))


def fits(content: bytes, count: int) -> Backup:
    """A record that somebody made fit to the list."""
    beside = FileList(count=count, sha256=hashlib.sha256(content).hexdigest())
    return recorded(FILES).evolve(file_list=beside)


def unasked(*_given: object) -> None:
    raise AssertionError


def test_few_files_are_on_the_record() -> None:
    record = recorded(FILES[:-1])
    assert (record.files, record.file_list) == (FILES[:-1], None)
    assert file_list.files(record, unasked, unasked) == FILES[:-1]
    assert record.file_count == len(FILES) - 1


def test_those_of_a_physical_backup_always_are() -> None:
    record = recorded(FILES, factories.physical)
    assert (record.files, record.file_list) == (FILES, None)


def test_many_are_listed_beside_the_bytes() -> None:
    record = recorded(FILES)
    assert (record.files, record.file_count) == ((), len(FILES))
    assert record.size_bytes == sum(SIZES.values())
    assert len(codec.encode(record)) < 5_000
    assert file_list.files(record, lambda: TEXT, SIZES.get) == FILES


def test_the_record_of_an_earlier_version_lists_all_of_them() -> None:
    whole = recorded(FILES[:2]).evolve(files=FILES)
    document = json.loads(codec.encode(whole))
    assert document.pop("file_list") is None
    old = codec.decode(Backup, json.dumps(document).encode(), where="an old record")
    assert file_list.files(old, unasked, unasked) == FILES
    assert old.file_count == len(FILES)


@pytest.mark.parametrize(
    "content",
    [
        TEXT[:-1],
        TEXT[: len(TEXT) // 2],
        TEXT + TEXT[:100],
        TEXT.replace(b"1", b"2", 1),
        TEXT.replace(b"\n", b"\r\n"),
        b"\xff" + TEXT,
        b"\0" * 100,
        b"",
    ],
)
def test_a_list_that_is_another_is_damage(content: bytes) -> None:
    with pytest.raises(file_list.DamagedFiles, match=r"is damaged: SHA256SUMS, .* is not the one that was"):
        file_list.files(recorded(FILES), lambda: content, SIZES.get)


def test_a_list_that_is_gone_is_damage() -> None:
    with pytest.raises(file_list.DamagedFiles, match="the list of its files, is not there"):
        file_list.files(recorded(FILES), lambda: None, SIZES.get)


@pytest.mark.parametrize("path", ["../../etc/passwd", "/etc/passwd", "a/../../b", "", "a\0b"])
def test_a_list_leads_nowhere_else(path: str) -> None:
    content = f"{'0' * 64}  {path}\n".encode()
    with pytest.raises(file_list.DamagedFiles, match="names what is no file of a backup"):
        file_list.files(fits(content, 1), lambda: content, SIZES.get)


@pytest.mark.parametrize("line", [b"no line", b"0" * 63 + b"  a", b"g" * 64 + b"  a", b"0" * 64 + b" a", b""])
def test_a_list_has_nothing_but_hashes(line: bytes) -> None:
    content = line + b"\n"
    with pytest.raises(file_list.DamagedFiles, match="names what is no file of a backup"):
        file_list.files(fits(content, 1), lambda: content, SIZES.get)


def test_a_name_that_stands_twice_is_damage() -> None:
    content = TEXT + TEXT.split(b"\n")[0] + b"\n"
    with pytest.raises(file_list.DamagedFiles, match="is not the one that was stored"):
        file_list.files(fits(content, len(FILES) + 1), lambda: content, SIZES.get)


def test_files_that_are_gone_are_named() -> None:
    there = {path: size for path, size in SIZES.items() if not path.endswith(("/7.dat", "/8.dat"))}
    with pytest.raises(file_list.DamagedFiles, match=r"shop.dir/7.dat is missing, and 1 more\."):
        file_list.files(recorded(FILES), lambda: TEXT, there.get)


@pytest.mark.parametrize("more", [-1, 1])
def test_other_bytes_than_there_were_are_damage(more: int) -> None:
    there = SIZES | {"shop.dir/9.dat": 9 + more}
    total = sum(SIZES.values())
    with pytest.raises(file_list.DamagedFiles, match=f"have {total + more} bytes instead of {total}"):
        file_list.files(recorded(FILES), lambda: TEXT, there.get)


def test_those_of_an_encrypted_copy_have_the_bytes_that_it_says() -> None:
    larger = {path: size + 200 for path, size in SIZES.items()}
    record = recorded(FILES).evolve(encryption=CopyEncryption(recipients=("age1x",), stored_bytes=larger))
    files = file_list.files(record, lambda: TEXT, larger.get)
    assert [each.path for each in files] == list(SIZES)
    assert record.sizes_of_copy(files) == larger
    with pytest.raises(file_list.DamagedFiles, match="instead of"):
        file_list.files(record, lambda: TEXT, SIZES.get)
