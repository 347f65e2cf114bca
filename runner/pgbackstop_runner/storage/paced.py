"""A storage around another one: so many bytes a second are sent and read at most, by all threads together.

What the other one reads to compare what it has stored is not counted.
"""

from __future__ import annotations

import io
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import BinaryIO, cast

from pgbackstop_runner.storage.protocol import ByteStore, Sent

_PIECE_BYTES = 2**16


class Pace:
    """Makes whoever takes bytes wait until they were due."""

    def __init__(
        self,
        bytes_a_second: float,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        holds: Callable[[], bool] = lambda: True,
    ) -> None:
        self._rate, self._clock, self._sleep = bytes_a_second, clock, sleep
        self._holds = holds
        self._lock = threading.Lock()
        self._due = 0.0

    def take(self, count: int) -> None:
        """Wait for so many bytes; what was not taken in the past is not saved up, nor what was free owed."""
        if not self._holds():
            return
        with self._lock:
            now = self._clock()
            self._due = max(self._due, now) + count / self._rate
            wait = self._due - now
        self._sleep(wait)


@dataclass(frozen=True, kw_only=True)
class PacedStore:
    """A ByteStore in another one."""

    inner: ByteStore
    pace: Pace

    @property
    def encrypted_for(self) -> tuple[str, ...] | None:
        return self.inner.encrypted_for

    def put(self, source: BinaryIO, path: str, most_bytes: int) -> Sent:
        with io.BufferedReader(_Paced(source, self.pace, closes=False), _PIECE_BYTES) as stream:
            return self.inner.put(cast("BinaryIO", stream), path, most_bytes)

    def put_bytes(self, content: bytes, path: str) -> None:
        self.pace.take(len(content))
        self.inner.put_bytes(content, path)

    def read(self, path: str) -> bytes:
        content = self.inner.read(path)
        self.pace.take(len(content))
        return content

    def mark(self) -> bytes | None:
        return self.inner.mark()

    def open(self, path: str, size_bytes: int) -> BinaryIO:
        stream = _Paced(self.inner.open(path, size_bytes), self.pace, closes=True)
        return cast("BinaryIO", io.BufferedReader(stream, _PIECE_BYTES))

    def open_stored(self, path: str, size_bytes: int) -> BinaryIO:
        return self.open(path, size_bytes)

    def files(self, folder: str) -> Iterator[tuple[str, int]]:
        return self.inner.files(folder)

    def remove(self, paths: Iterable[str]) -> None:
        self.inner.remove(paths)


class _Paced(io.RawIOBase):
    """Hands a stream on, piece by piece."""

    def __init__(self, stream: BinaryIO, pace: Pace, *, closes: bool) -> None:
        self._stream, self._pace, self._closes = stream, pace, closes

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object) -> int:
        view = memoryview(cast("bytearray", buffer))
        piece = self._stream.read(min(len(view), _PIECE_BYTES))
        self._pace.take(len(piece))
        view[: len(piece)] = piece
        return len(piece)

    def close(self) -> None:
        if self._closes and not self.closed:
            self._stream.close()
        super().close()
