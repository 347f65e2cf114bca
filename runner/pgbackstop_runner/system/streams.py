"""Bytes on their way to a file: read, compress, hash, count and write in one pass, in bounded memory."""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO, Protocol, cast

from pgbackstop_catalog.records.backup import StoredFile
from pgbackstop_catalog.store import atomic

CHUNK = 1 << 20
_MOST_OF_PART = 64


class Sink(Protocol):
    """What bytes can be written to."""

    def write(self, data: bytes | memoryview, /) -> object:
        """Take all of ``data``."""


class HashingFile(io.RawIOBase):
    """A new file that hashes and counts the bytes as they are stored. Closed, it is durable."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("xb", buffering=0)
        self._hash = hashlib.sha256()
        self.size = 0

    def writable(self) -> bool:
        return True

    def write(self, data: object) -> int:
        view = memoryview(cast("bytes", data))
        self._hash.update(view)
        written = 0
        while written < len(view):
            written += self._file.write(view[written:]) or 0
        self.size += written
        return written

    def flush(self) -> None:
        if not self._file.closed:
            self._file.flush()

    def close(self) -> None:
        # Python closes what is forgotten, also what could not be opened.
        if hasattr(self, "_file") and not self._file.closed:
            with self._file:
                os.fsync(self._file.fileno())
            super().close()

    def stored(self, path: str) -> StoredFile:
        """What was written, under the name it has in the backup's folder."""
        return StoredFile(path=path, size_bytes=self.size, sha256=self._hash.hexdigest())


class Readable(io.RawIOBase):
    """What isal reads with readinto, from anything that has read: bytes may be hashed on their way."""

    def __init__(self, source: IO[bytes]) -> None:
        self._source = source

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object) -> int:
        view = memoryview(cast("bytearray", buffer))
        chunk = self._source.read(len(view))
        view[: len(chunk)] = chunk
        return len(chunk)


def pump(source: IO[bytes], sink: Sink, on_bytes: Callable[[int], None]) -> int:
    """Copy to the end of ``source``; ``on_bytes`` hears the total. Returns the bytes read."""
    total = 0
    buffer = bytearray(CHUNK)
    view = memoryview(buffer)
    while count := _read_into(source, view):
        sink.write(view[:count])
        total += count
        on_bytes(total)
    return total


def _read_into(source: IO[bytes], view: memoryview) -> int:
    """Read what is there, at most the view. A pipe gives 64 kB at a time; that is enough for one pass."""
    return cast("io.BufferedReader", source).readinto1(view)


def digest(path: Path, name: str) -> StoredFile:
    """Read a file that a tool wrote, from the page cache, and hash it."""
    hasher = hashlib.sha256()
    size = 0
    with path.open("rb", buffering=0) as file:
        while chunk := file.read(CHUNK):
            hasher.update(chunk)
            size += len(chunk)
    return StoredFile(path=name, size_bytes=size, sha256=hasher.hexdigest())


def digest_tree(folder: Path, names: list[str]) -> tuple[StoredFile, ...]:
    """Hash files two at a time while the disk makes them durable: neither holds Python's lock."""

    def hashed(part: Sequence[str]) -> list[StoredFile]:
        return [digest(folder / name, name) for name in part]

    def synced(part: Sequence[str]) -> None:
        for name in part:
            atomic.sync_file(folder / name)

    with ThreadPoolExecutor(max_workers=2) as hashing, ThreadPoolExecutor(max_workers=2) as syncing:
        # By parts: to hand a file to a thread costs more than to hash a small one.
        durable = [syncing.submit(synced, part) for part in _parts(names)]
        stored = tuple(each for part in hashing.map(hashed, _parts(names)) for each in part)
        for part in durable:
            part.result()
    return stored


def _parts(names: Sequence[str]) -> list[Sequence[str]]:
    size = max(1, min(_MOST_OF_PART, len(names) // 8))
    return [names[at : at + size] for at in range(0, len(names), size)]


def tree_size(folder: Path) -> int:
    """Bytes of the files below ``folder`` now, while a tool writes them."""
    total = 0
    for parent, _folders, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):
                total += os.stat(f"{parent}/{name}").st_size  # noqa: PTH116 - a Path each costs more than the look
    return total


@contextlib.contextmanager
def watching(folder: Path, on_bytes: Callable[[int], None], *, seconds: float = 0.5) -> Iterator[None]:
    """Report the growing size of ``folder`` while a tool writes into it itself, and the last one."""
    over = threading.Event()

    def look() -> None:
        while not over.wait(seconds):
            on_bytes(tree_size(folder))

    thread = threading.Thread(target=look, name="watching", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
    on_bytes(tree_size(folder))
