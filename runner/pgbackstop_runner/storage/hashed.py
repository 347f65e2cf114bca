"""Streams that know what was read from them, so that what is stored is hashed once, on its way."""

from __future__ import annotations

import hashlib
import io
from typing import BinaryIO, cast

from pgbackstop_runner.storage.protocol import Sent

_BUFFER_BYTES = 2**20


class Hashed(io.RawIOBase):
    """Hashes and counts what it reads from another stream, which it leaves open."""

    def __init__(self, source: BinaryIO | io.RawIOBase) -> None:
        self._source = cast("io.RawIOBase", source)
        self._hash = hashlib.sha256()
        self._size = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object) -> int:
        view = memoryview(cast("bytearray", buffer))
        count = self._source.readinto(view) or 0
        self._hash.update(view[:count])
        self._size += count
        return count

    def so_far(self) -> Sent:
        """What was read."""
        return Sent(self._size, self._hash.hexdigest())


class HashedReader(io.BufferedReader):
    """A buffer before one. Larger pieces than the buffer are read without a further copy."""

    def __init__(self, source: Hashed) -> None:
        super().__init__(source, _BUFFER_BYTES)
        self._hashed = source

    def all_read(self) -> Sent:
        """What has passed, once the end was reached."""
        return self._hashed.so_far()


def reader(source: BinaryIO) -> HashedReader:
    """The stream itself, where it knows already what is read from it."""
    return source if isinstance(source, HashedReader) else HashedReader(Hashed(source))
