"""An encrypted storage passes the suite of all storages, and shows nothing of what it holds."""

import hashlib
import random
import resource
import threading
from pathlib import Path
from typing import ClassVar

import pytest

from pgbackstop_catalog import errors
from pgbackstop_catalog.records.backup import StoredFile
from pgbackstop_runner.storage.encrypted import EncryptedStore
from pgbackstop_runner.storage.folder import FolderStore
from pgbackstop_runner.storage.protocol import Sealed, StoreError
from tests.conformance.storage import StorageContract, put, source
from tests.support import keys
from tests.support.keys import Keys


@pytest.fixture
def own(tmp_path: Path) -> Keys:
    return keys.generated(tmp_path / "keys")


def around(folder: Path, own: Keys, *, reads: bool = True, writes: bool = True) -> EncryptedStore:
    folder.mkdir(exist_ok=True)
    inner = FolderStore(root=folder)
    return EncryptedStore.around(inner, "offsite", own.encryption(reads=reads, writes=writes))


class TestEncryptedStore(StorageContract):
    stores_what_it_gets: ClassVar[bool] = False

    @pytest.fixture
    def store(self, tmp_path: Path, own: Keys) -> EncryptedStore:
        return around(tmp_path / "store", own)


@pytest.fixture
def store(tmp_path: Path, own: Keys) -> EncryptedStore:
    return around(tmp_path / "store", own)


def test_nothing_of_the_content_lies_there(store: EncryptedStore, tmp_path: Path) -> None:
    content = b"only-of-this-test " * 10_000
    put(store, tmp_path / "source", "a/rows", source(tmp_path / "source", content))
    store.put_bytes(content, "a/0000000100000000000000A1.partial")
    stored = [path for path in (tmp_path / "store").rglob("*") if path.is_file()]
    assert {path.suffix for path in stored} == {".age"}
    for path in stored:
        assert path.read_bytes().startswith(b"age-encryption.org/v1\n")
        assert b"only-of-this-test" not in path.read_bytes()


def test_every_recipient_reads(tmp_path: Path) -> None:
    every = [keys.generated(tmp_path / "one"), keys.ssh(tmp_path, "ed25519"), keys.ssh(tmp_path, "rsa")]
    listed = tmp_path / "all.txt"
    listed.write_text("\n\n".join(each.recipients.read_text() for each in every))
    writer = around(tmp_path / "store", Keys(every[0].identity, listed), reads=False)
    writer.put_bytes(b"rows", "a/file")
    for each in every:
        assert around(tmp_path / "store", each, writes=False).read("a/file") == b"rows"
    age, *openssh = writer.encrypted_for
    assert age.startswith("age1")
    assert [each[:7] for each in openssh] == ["SHA256:"] * 2


def test_without_an_identity_it_writes_lists_and_removes(tmp_path: Path, own: Keys) -> None:
    store = around(tmp_path / "store", own, reads=False)
    stored = put(store, tmp_path / "source", "a/file", source(tmp_path / "source", b"rows"))
    store.put_bytes(b"{}", "a/backup.json")
    assert dict(store.files("a")) == {"a/file": stored, "a/backup.json": 2}
    assert store.read("a/backup.json") == b"{}"
    for act in (lambda: store.read("a/file"), lambda: store.open("a/file", stored)):
        with pytest.raises(Sealed, match="is encrypted, and the configuration") as told:
            act()
        assert "identity_files" in told.value.remedy
    store.remove(["a/file", "a/backup.json"])
    assert not (tmp_path / "store" / "a").exists()


def test_another_identity_is_told(store: EncryptedStore, tmp_path: Path) -> None:
    stored = put(store, tmp_path / "source", "a/file", source(tmp_path / "source", b"rows"))
    stranger = around(tmp_path / "store", keys.generated(tmp_path / "other"), writes=False)
    with pytest.raises(Sealed, match="None of the identities"):
        stranger.read("a/file")
    with pytest.raises(Sealed, match="None of the identities"), stranger.open("a/file", stored) as stream:
        stream.read(1)


def test_without_recipients_nothing_is_written(tmp_path: Path, own: Keys) -> None:
    with pytest.raises(errors.ConfigError, match="does not say for whom"):
        around(tmp_path / "store", own, writes=False).put_bytes(b"rows", "a/file")


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: content[:-1],
        lambda content: content[:70_000],
        lambda content: content[:200] + bytes([content[200] ^ 1]) + content[201:],
        lambda content: content[:-100_000] + bytes([content[-100_000] ^ 1]) + content[-99_999:],
        lambda _content: b"rows as they are",
        lambda _content: b"",
    ],
    ids=["last byte gone", "cut off", "header", "middle", "not encrypted", "empty"],
)
def test_what_was_tampered_with_is_told(store: EncryptedStore, tmp_path: Path, damage: object) -> None:
    content = random.Random(1).randbytes(500_000)  # noqa: S311 - the same in every run
    put(store, tmp_path / "source", "a/file", source(tmp_path / "source", content))
    path = tmp_path / "store" / "a" / "file.age"
    changed = damage(path.read_bytes())  # type: ignore[operator]
    path.write_bytes(changed)
    told = r"a/file\.age is damaged"
    with pytest.raises(StoreError, match=told):
        store.read("a/file")
    with pytest.raises(StoreError, match=told), store.open("a/file", len(changed)) as stream:
        stream.read()


def test_a_plain_file_is_none_of_ours(store: EncryptedStore, tmp_path: Path) -> None:
    store.put_bytes(b"rows", "a/file")
    (tmp_path / "store" / "a" / "other").write_bytes(b"rows")
    assert [path for path, _size in store.files("a")] == ["a/file"]


def test_large_files_in_bounded_memory(store: EncryptedStore, tmp_path: Path) -> None:
    """200 MiB there and back, and no thread stays."""
    block = random.Random(2).randbytes(2**20)  # noqa: S311
    with (tmp_path / "source").open("wb") as file:
        for _ in range(200):
            file.write(block)
    expected = source_of(tmp_path / "source")
    store.put_bytes(b"warm", "warm")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    stored = put(store, tmp_path / "source", "a/file", expected)
    digest = hashlib.sha256()
    with store.open("a/file", stored) as stream:
        while chunk := stream.read(2**20):
            digest.update(chunk)
    assert digest.hexdigest() == expected.sha256
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < 60 * 1024, f"{grown} KiB"


def test_a_stream_may_be_left_early(store: EncryptedStore, tmp_path: Path) -> None:
    content = bytes(20 * 2**20)
    stored = put(store, tmp_path / "source", "a/file", source(tmp_path / "source", content))
    with store.open("a/file", stored) as stream:
        assert stream.read(1) == b"\0"
    assert "age" not in [thread.name for thread in threading.enumerate()]


def source_of(path: Path) -> StoredFile:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return StoredFile(path=path.name, size_bytes=path.stat().st_size, sha256=digest)
