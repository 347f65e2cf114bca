"""Records that were read already: a run looks at the same ones many times, and some have megabytes."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from pgbackstop_catalog.model import Model
from pgbackstop_catalog.records import codec

V = TypeVar("V", bound=Model)
_MOST_BYTES = 16_000_000  # of files; what is decoded is some five times as large


@dataclass(frozen=True, kw_only=True)
class _Entry:
    version: tuple[int, ...]
    size: int
    record: Model


@dataclass
class DecodedRecords:
    """The newest of them, by path, as long as the file is the one that was read."""

    most_bytes: int = _MOST_BYTES
    _entries: OrderedDict[Path, _Entry] = field(default_factory=OrderedDict, repr=False)
    _bytes: int = field(default=0, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def read(self, kind: type[V], path: Path) -> V:
        """Read a record's file, or return what it was read as. Raises as codec.read does."""
        try:
            found = path.stat()  # before it is read: what replaces it meanwhile has another version
        except OSError:
            return codec.read(kind, path)  # which says what is wrong with it
        version = (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)
        with self._lock:
            entry = self._entries.get(path)
            if entry is not None and entry.version == version and isinstance(entry.record, kind):
                self._entries.move_to_end(path)
                return entry.record
        record = codec.read(kind, path)
        with self._lock:
            self._forget(path)
            self._entries[path] = _Entry(version=version, size=found.st_size, record=record)
            self._bytes += found.st_size
            while self._bytes > self.most_bytes:
                self._forget(next(iter(self._entries)))
        return record

    def forget(self, path: Path) -> None:
        """Read it again the next time, whatever the clock of the file system says."""
        with self._lock:
            self._forget(path)

    def _forget(self, path: Path) -> None:
        entry = self._entries.pop(path, None)
        self._bytes -= entry.size if entry else 0
