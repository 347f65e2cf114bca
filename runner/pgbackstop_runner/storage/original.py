"""A file on its way into a storage: what is read is compared with what is on record of it."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

from pgbackstop_catalog.records.backup import StoredFile
from pgbackstop_runner.storage.protocol import SourceChanged
from pgbackstop_runner.system import meter

_BUFFER_BYTES = 2**20


@contextmanager
def opened(path: Path, expected: StoredFile) -> Iterator[BinaryIO]:
    """The file as a stream. Reading raises SourceChanged at its end, where it is another; OSError."""
    with path.open("rb", buffering=0) as file:
        original = _Original(cast("io.RawIOBase", file), expected)
        with io.BufferedReader(original, _BUFFER_BYTES) as stream:
            yield cast("BinaryIO", stream)


class _Original(io.RawIOBase):
    """Hashes what is read; the end is not told before the hash is known to be right."""

    def __init__(self, file: io.RawIOBase, expected: StoredFile) -> None:
        self._file = file
        self._expected = expected
        self._hash = hashlib.sha256()
        self._left = expected.size_bytes

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object) -> int:
        view = memoryview(cast("bytearray", buffer))
        count = self._file.readinto(view) or 0
        self._hash.update(view[:count])
        self._left -= count
        meter.count(count)
        is_over = not count and len(view) > 0
        if self._left < 0 or (is_over and (self._left or self._hash.hexdigest() != self._expected.sha256)):
            raise SourceChanged(self._expected)
        return count
