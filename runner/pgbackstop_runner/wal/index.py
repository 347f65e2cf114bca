"""Writing ``index.jsonl``: the receiver appends, expire rewrites; both under one short lock.

A line is written after its segment is durable under its final name, and expire takes the line out before
the file: so a line without a file always means that a file was lost.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
from collections.abc import Iterable, Iterator, Set
from pathlib import Path

from pgbackstop_catalog import regular_file
from pgbackstop_catalog.decisions.wal_segments import INDEX_NAME, Entry, WalSegment
from pgbackstop_catalog.records import json_text
from pgbackstop_catalog.store import atomic
from pgbackstop_catalog.store.wal_index import MOST_BYTES, Index

LOCK_NAME = ".index.lock"


def read(archive: Path) -> tuple[Entry, ...]:
    """All entries, in the order of the file. Raises OSError."""
    return tuple(Index(archive).refresh().values())


def append(archive: Path, segments: Iterable[WalSegment]) -> None:
    """Add lines, durably, with one fsync. Raises OSError; a line written in part is cut off by ``mend``."""
    lines = b"".join(segment.model_dump_json(exclude_none=True).encode() + b"\n" for segment in segments)
    path = archive / INDEX_NAME
    with locked(archive):
        fresh = not path.exists()
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, atomic.FILE_MODE)
        try:
            _write(descriptor, lines)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        if fresh:
            atomic.sync_folder(archive)


def mend(archive: Path) -> bool:
    """Cut off a last line that a crash left without its end; whether there was one. Raises OSError."""
    path = archive / INDEX_NAME
    with locked(archive):
        if not path.is_file():
            return False
        with path.open("r+b") as file:
            whole = _end_of_last_line(file.read())
            if whole == file.tell():
                return False
            file.truncate(whole)
            os.fsync(file.fileno())
            return True


def remove(archive: Path, names: Set[str]) -> tuple[Path, ...]:
    """Take segments out of the index, atomically; returns their files, which the caller then deletes.

    Other lines stay as they are, those of a newer version included. Raises OSError.
    """
    with locked(archive):
        gone = [entry for entry in read(archive) if entry.name in names]
        if gone:
            path = archive / INDEX_NAME
            lines = regular_file.read(path, MOST_BYTES).splitlines(keepends=True)
            atomic.write(path, b"".join(line for line in lines if _name(line) not in names))
    return tuple(archive / entry.path for entry in gone)


def _name(line: bytes) -> str:
    try:
        return str(json_text.parse(line)["name"])
    except (ValueError, KeyError, TypeError):
        return ""


def _write(descriptor: int, content: bytes) -> None:
    start = os.fstat(descriptor).st_size
    written = os.write(descriptor, content)
    if written != len(content):
        os.ftruncate(descriptor, start)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))  # what a short write to a file means


def _end_of_last_line(content: bytes) -> int:
    return content.rfind(b"\n") + 1


@contextlib.contextmanager
def locked(archive: Path) -> Iterator[None]:
    """Hold the lock of those who write the index: never for long, and never while waiting for a server."""
    descriptor = os.open(archive / LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, atomic.FILE_MODE)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
