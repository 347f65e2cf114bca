"""A file on its way into a storage: what is read is compared with what is on record of it."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

from pgbackstop_catalog.records.backup import StoredFile
from pgbackstop_runner.storage.hashed import Hashed, HashedReader
from pgbackstop_runner.storage.protocol import Sent, SourceChanged
from pgbackstop_runner.system import meter


@contextmanager
def opened(path: Path, expected: StoredFile) -> Iterator[BinaryIO]:
    """The file as a stream. Reading raises SourceChanged at its end, where it is another; OSError."""
    with path.open("rb", buffering=0) as file, HashedReader(_Original(file, expected)) as stream:
        yield cast("BinaryIO", stream)


class _Original(Hashed):
    """The end is not told before the hash is known to be right."""

    def __init__(self, file: io.RawIOBase, expected: StoredFile) -> None:
        super().__init__(file)
        self._expected = expected

    def readinto(self, buffer: object) -> int:
        count = super().readinto(buffer)
        meter.count(count)
        is_over = not count and len(cast("bytearray", buffer)) > 0
        wanted = Sent(self._expected.size_bytes, self._expected.sha256)
        if self._size > wanted.size_bytes or (is_over and self.so_far() != wanted):
            raise SourceChanged(self._expected)
        return count
