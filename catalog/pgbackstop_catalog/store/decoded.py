"""Records that were read already: a run looks at the same ones many times, and some have megabytes."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

from pgbackstop_catalog.model import Model
from pgbackstop_catalog.records import codec
from pgbackstop_catalog.store.read_files import ReadFiles

V = TypeVar("V", bound=Model)
_MOST_BYTES = 4_000_000  # of files; what is decoded is some five times as large


class DecodedRecords:
    """The newest of them, by path, as long as the file is the one that was read."""

    def __init__(self, most_bytes: int = _MOST_BYTES) -> None:
        self._files: ReadFiles[Model] = ReadFiles(most=most_bytes, weigh=int)

    def read(self, kind: type[V], path: Path) -> V:
        """Read a record's file, or return what it was read as. Raises as codec.read does."""
        record = self._files.read(path, lambda file: codec.read(kind, file))
        return record if isinstance(record, kind) else codec.read(kind, path)

    def forget(self, path: Path) -> None:
        """Read it again the next time, whatever the clock of the file system says."""
        self._files.forget(path)
