"""What every storage does. A test module for one subclasses the suite and gives it a ``store``."""

import hashlib
import random
from pathlib import Path
from typing import ClassVar

import pytest

from pgbackstop_catalog.records.backup import StoredFile
from pgbackstop_catalog.store import layout
from pgbackstop_runner.storage import original as originals
from pgbackstop_runner.storage.protocol import ByteStore, SourceChanged, StoreError


def source(path: Path, content: bytes) -> StoredFile:
    """Write a file that is to be stored, and what is to be on record of it."""
    path.write_bytes(content)
    return StoredFile(path=path.name, size_bytes=len(content), sha256=hashlib.sha256(content).hexdigest())


def put(store: ByteStore, original: Path, path: str, expected: StoredFile) -> int:
    """Store a file as copies are; how many bytes are stored."""
    with originals.opened(original, expected) as stream:
        sent = store.put(stream, path, expected.size_bytes)
    with store.open_stored(path, sent.size_bytes) as stored:
        digest = hashlib.sha256()
        while chunk := stored.read(2**20):
            digest.update(chunk)
    assert digest.hexdigest() == sent.sha256
    return sent.size_bytes


class StorageContract:
    """A storage keeps files under paths below its root; ``store`` is empty."""

    stores_what_it_gets: ClassVar[bool] = True

    def test_what_is_put_is_read_and_listed(self, store: ByteStore, tmp_path: Path) -> None:
        expected = source(tmp_path / "source", b"the bytes\n" * 1000)
        stored = put(store, tmp_path / "source", "a/b/file", expected)
        store.put_bytes(b"mark", "a/b/backup.json")
        assert store.read("a/b/file") == (tmp_path / "source").read_bytes()
        assert store.read("a/b/backup.json") == b"mark"
        assert dict(store.files("a")) == {"a/b/file": stored, "a/b/backup.json": 4}
        assert (stored == expected.size_bytes) is self.stores_what_it_gets

    def test_its_mark(self, store: ByteStore) -> None:
        assert store.mark() is None
        store.put_bytes(b"mark", layout.STORAGE_MARK)
        assert store.mark() == b"mark"

    def test_an_empty_file_is_a_file(self, store: ByteStore, tmp_path: Path) -> None:
        stored = put(store, tmp_path / "source", "a/empty", source(tmp_path / "source", b""))
        assert dict(store.files("a")) == {"a/empty": stored}
        assert store.read("a/empty") == b""

    def test_what_is_put_again_is_replaced(self, store: ByteStore, tmp_path: Path) -> None:
        for content in (b"a longer first", b"second"):
            stored = put(store, tmp_path / "source", "a/file", source(tmp_path / "source", content))
            assert store.read("a/file") == content
            store.put_bytes(content, "a/index.jsonl")
            assert store.read("a/index.jsonl") == content
        assert dict(store.files("a")) == {"a/file": stored, "a/index.jsonl": 6}

    @pytest.mark.parametrize("content", [b"other", b"longer than before"])
    def test_a_source_that_changed_is_told(self, store: ByteStore, tmp_path: Path, content: bytes) -> None:
        expected = source(tmp_path / "source", b"bytes")
        (tmp_path / "source").write_bytes(content)
        with pytest.raises(SourceChanged, match="not what was stored first"):
            put(store, tmp_path / "source", "a/file", expected)
        assert list(store.files("a")) == []

    def test_a_folder_holds_its_own_files_only(self, store: ByteStore) -> None:
        for path in ("a/one", "a/deep/two", "ab/three", "b/a/four"):
            store.put_bytes(b"", path)
        assert {path for path, _size in store.files("a")} == {"a/one", "a/deep/two"}

    def test_a_folder_that_is_not_there_has_no_files(self, store: ByteStore) -> None:
        store.put_bytes(b"", "a/one")
        assert list(store.files("never")) == []

    def test_a_file_that_is_not_there_is_told(self, store: ByteStore) -> None:
        store.put_bytes(b"", "a/one")
        with pytest.raises(StoreError, match="a/two"):
            store.read("a/two")

    @pytest.mark.parametrize("megabytes", [0, 1, 40])
    def test_a_stream_has_every_byte_in_order(self, store: ByteStore, tmp_path: Path, megabytes: int) -> None:
        content = random.Random(megabytes).randbytes(megabytes * 2**20)  # noqa: S311 - the same in every run
        stored = put(store, tmp_path / "source", "a/file", source(tmp_path / "source", content))
        with store.open("a/file", stored) as stream:
            assert stream.read(5) == content[:5]
            assert stream.read() == content[5:]

    @pytest.mark.parametrize("size", [7, 30 * 2**20])
    def test_a_stream_that_is_shorter_than_expected_is_told(self, store: ByteStore, size: int) -> None:
        store.put_bytes(b"short", "a/file")
        with pytest.raises(StoreError, match="a/file"), store.open("a/file", size) as stream:
            stream.read()

    def test_a_stream_of_a_file_that_is_not_there_is_told(self, store: ByteStore) -> None:
        store.put_bytes(b"", "a/one")
        with pytest.raises(StoreError, match="a/two"), store.open("a/two", 5) as stream:
            stream.read()

    def test_removing_takes_what_is_named_and_may_be_done_twice(self, store: ByteStore) -> None:
        for path in ("a/one", "a/two", "b/one"):
            store.put_bytes(b"", path)
        for _ in range(2):
            store.remove(["a/one", "b/one", "b/never"])
            assert {path for path, _size in store.files("a")} == {"a/two"}
            assert list(store.files("b")) == []

    @pytest.mark.parametrize("path", ["../outside", "/outside", "a/../../outside"])
    def test_nothing_is_done_outside(self, store: ByteStore, tmp_path: Path, path: str) -> None:
        store.put_bytes(b"", "inside")
        expected = source(tmp_path / "source", b"bytes")
        for act in (
            lambda: put(store, tmp_path / "source", path, expected),
            lambda: store.put_bytes(b"", path),
            lambda: store.read(path),
            lambda: store.open(path, 1).read(),
            lambda: list(store.files(path)),
            lambda: store.remove([path]),
        ):
            with pytest.raises(StoreError, match="no place inside"):
                act()
