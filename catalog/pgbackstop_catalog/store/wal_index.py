"""Reading ``index.jsonl``: what a WAL archive holds. Fast for 100,000 lines, and again for the new ones.

The receiver appends and expire rewrites; the exporter, status and recovery planning read. Lines are read
as plain JSON: they are ours, and a model for each would take ten times as long.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from pgbackstop_catalog.decisions import wal_segments


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
            with self.path.open("rb") as file:
                self._read(file)
        except FileNotFoundError:
            self._clear()
        return self.entries

    def _read(self, file: Any) -> None:
        status = os.fstat(file.fileno())
        if status.st_ino != self._inode or status.st_size < self._offset:
            self._clear()
            self._inode = status.st_ino
        file.seek(self._offset)
        content: bytes = file.read()
        whole = content[: content.rfind(b"\n") + 1]
        self._offset += len(whole)
        for document in self._documents(whole):
            self._add(document)

    def _documents(self, whole: bytes) -> list[Any]:
        lines = whole.splitlines()
        try:
            documents: list[Any] = json.loads(b"[" + b",".join(lines) + b"]")  # one call is twice as fast
        except ValueError:
            return [_parse(line) for line in lines]
        return documents

    def _add(self, document: Any) -> None:
        try:
            entry = _entry(document)
        except (KeyError, TypeError, ValueError):
            self.bad_lines += 1
            return
        before = self.entries.pop(entry.name, None)
        self.total_bytes += entry.size_bytes - (before.size_bytes if before else 0)
        self.entries[entry.name] = entry


def _parse(line: bytes) -> Any:
    try:
        return json.loads(line)
    except ValueError:
        return None


def _entry(document: Any) -> wal_segments.Entry:
    covers = document.get("covers_until") if isinstance(document, dict) else None
    return wal_segments.Entry(
        name=document["name"],
        path=document["path"],
        size_bytes=int(document["size_bytes"]),
        sha256=document["sha256"],
        archived_at=datetime.fromisoformat(document["archived_at"]),
        covers_until=datetime.fromisoformat(covers) if covers else None,
    )
