"""Reading ``index.jsonl``: what a WAL archive holds. Fast for 100,000 lines, and again for the new ones.

The receiver appends and expire rewrites; the exporter, status and recovery planning read. Lines are read
as plain JSON: they are ours, and a model for each would take ten times as long.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from pgbackstop_catalog import regular_file
from pgbackstop_catalog.decisions import wal_segments
from pgbackstop_catalog.records import json_text

MOST_BYTES = 2**40
_NAME = re.compile(r"[0-9A-F]{24}|[0-9A-F]{8}\.history")
_SHA256 = re.compile(r"[0-9a-f]{64}")


class Index:
    """The entries of one archive by name; ``refresh`` reads only what was appended since.

    A torn last line is left for later, a line that is none of ours is counted in ``bad_lines``. Of two
    lines with one name the later counts. Where the file is not there, there are no entries.
    """

    def __init__(self, archive: Path) -> None:
        self.path = archive / wal_segments.INDEX_NAME
        self._clear()

    def _clear(self) -> None:
        self.entries: dict[str, wal_segments.Entry] = {}
        self.total_bytes = 0
        self.bad_lines = 0
        self._inode = 0
        self._offset = 0

    def refresh(self) -> Mapping[str, wal_segments.Entry]:
        """All entries, by name, in the order of the file. Raises OSError where it cannot be read."""
        try:
            descriptor = regular_file.descriptor(self.path)
        except FileNotFoundError:
            self._clear()
            return self.entries
        try:
            self._read(descriptor)
        finally:
            os.close(descriptor)
        return self.entries

    def _read(self, descriptor: int) -> None:
        status = os.fstat(descriptor)
        if status.st_ino != self._inode or status.st_size < self._offset:
            self._clear()
            self._inode = status.st_ino
        os.lseek(descriptor, self._offset, os.SEEK_SET)
        content = regular_file.read_all(descriptor, MOST_BYTES)
        whole = content[: content.rfind(b"\n") + 1]
        self._offset += len(whole)
        for document in self._documents(whole):
            self._add(document)

    def _documents(self, whole: bytes) -> list[Any]:
        lines = whole.splitlines()
        try:
            # One call is twice as fast.
            documents: list[Any] = json_text.parse(b"[" + b",".join(lines) + b"]")
        except ValueError:
            return [_parse(line) for line in lines]
        return documents

    def _add(self, document: Any) -> None:
        try:
            entry = _entry(document)
        except (KeyError, TypeError, ValueError, OverflowError, AttributeError):
            self.bad_lines += 1
            return
        before = self.entries.pop(entry.name, None)
        self.total_bytes += entry.size_bytes - (before.size_bytes if before else 0)
        self.entries[entry.name] = entry


def _parse(line: bytes) -> Any:
    try:
        return json_text.parse(line)
    except ValueError:
        return None


def _entry(document: Any) -> wal_segments.Entry:
    covers = document.get("covers_until") if isinstance(document, dict) else None
    name, path, size, sha256 = (document[key] for key in ("name", "path", "size_bytes", "sha256"))
    if not _NAME.fullmatch(name) or not _is_place(path, name) or not _SHA256.fullmatch(sha256):
        raise ValueError
    stored, digest = document.get("stored_bytes"), document.get("stored_sha256")
    if digest is not None and not _SHA256.fullmatch(digest):
        raise ValueError
    for each in (size, 0 if stored is None else stored):
        if type(each) is not int or not 0 <= each < MOST_BYTES:
            raise ValueError
    return wal_segments.Entry(
        name=name,
        path=path,
        size_bytes=size,
        sha256=sha256,
        archived_at=_moment(document["archived_at"]),
        covers_until=_moment(covers) if covers else None,
        stored_bytes=stored,
        stored_sha256=digest,
    )


def _is_place(path: str, name: str) -> bool:
    """Whether it is inside of the archive, and the file of that name: what is expired is removed by it."""
    *folders, file = path.split("/")
    return file.startswith(name) and "\0" not in path and not {"", ".", ".."}.intersection(folders)


def _moment(text: str) -> datetime:
    """As the model's UtcTime, in a tenth of the time."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None or not 1970 <= moment.year < 9000:
        raise ValueError
    return moment
