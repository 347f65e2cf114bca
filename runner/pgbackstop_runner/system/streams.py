"""Bytes on their way to a file: read, compress, hash, count and write in one pass, in bounded memory."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import io
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO, Protocol, TypeVar, cast

from pgbackstop_catalog.records.backup import StoredFile
from pgbackstop_catalog.store import atomic
from pgbackstop_runner.system import meter

CHUNK = 1 << 20  # as much as the kernel grants a pipe without rights
_MOST_OF_PART = 64
_SYNCS_AT_ONCE = 8  # a file system with a journal writes it once for all that wait for it
_PAUSE, _MOST_PAUSE = 25, 10.0  # between two looks at a folder: so many times what one took; seconds

T = TypeVar("T")
R = TypeVar("R")


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


def widen(pipe: int | IO[bytes]) -> None:
    """Let a pipe hold a chunk. Where a user has many already it stays small, which is only slower."""
    with contextlib.suppress(PermissionError):
        fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, CHUNK)


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
            meter.count(len(chunk))
    return StoredFile(path=name, size_bytes=size, sha256=hasher.hexdigest())


def digest_tree(folder: Path, names: list[str]) -> tuple[StoredFile, ...]:
    """Hash files two at a time while the disk makes them durable: neither holds Python's lock."""
    with ThreadPoolExecutor(max_workers=_SYNCS_AT_ONCE) as syncing:
        durable = [syncing.submit(_sync, folder, part) for part in _parts(names)]
        stored = tuple(side_by_side(lambda name: digest(folder / name, name), names))
        for part in durable:
            part.result()
    return stored


def _sync(folder: Path, names: Sequence[str]) -> None:
    for name in names:
        atomic.sync_file(folder / name)


def side_by_side(look: Callable[[T], R], items: Sequence[T]) -> Iterator[R]:
    """What ``look`` returns for each, in their order, two at a time; it raises what ``look`` raises."""

    def looked(part: Sequence[T]) -> list[R]:
        return [look(each) for each in part]

    with ThreadPoolExecutor(max_workers=2) as pool:
        for part in pool.map(looked, _parts(items)):
            yield from part


def _parts(items: Sequence[T]) -> list[Sequence[T]]:
    """To hand a file to a thread costs more than to hash a small one."""
    size = max(1, min(_MOST_OF_PART, len(items) // 8))
    return [items[at : at + size] for at in range(0, len(items), size)]


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
    """Report the growing size of ``folder`` while a tool writes into it itself, and the last one.

    It looks every so many ``seconds``, and less often where there are so many files that looking takes long.
    """
    over = threading.Event()

    def look() -> None:
        took = 0.0
        while not over.wait(max(seconds, min(_PAUSE * took, _MOST_PAUSE))):
            began = time.thread_time()
            on_bytes(tree_size(folder))
            took = time.thread_time() - began

    thread = threading.Thread(target=look, name="watching", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
    on_bytes(tree_size(folder))
