"""A file that is fetched by ranges, a few of them ahead of the reader."""

from __future__ import annotations

import io
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

from pgbackstop_runner.storage import retries

RANGE_BYTES = 4 * 2**20
BUFFER_BYTES = 2**16  # between it and small reads; large ones are copied once, from the range itself
_AHEAD = 4  # a client holds each twice while it puts its pieces together, and two files are read at once


class RangeReader(io.RawIOBase):
    """Reads forwards only. ``fetch`` returns so many bytes from a start; what it raises, reading raises.

    A range that did not come is fetched again, so that a cut connection does not end a download of hours.
    """

    def __init__(self, fetch: Callable[[int, int], bytes | memoryview], size_bytes: int) -> None:
        self._fetch = fetch
        self._size = size_bytes
        self._asked = 0
        self._coming: deque[Future[bytes | memoryview]] = deque()
        self._left = memoryview(b"")
        self._over = threading.Event()
        self._pool = ThreadPoolExecutor(max_workers=_AHEAD, thread_name_prefix="range")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object) -> int:
        view = memoryview(buffer)  # type: ignore[arg-type]
        if not self._left:
            self._left = self._next()
        count = min(len(view), len(self._left))
        view[:count] = self._left[:count]
        self._left = self._left[count:]
        return count

    def close(self) -> None:
        self._over.set()
        self._pool.shutdown(wait=True, cancel_futures=True)
        super().close()

    def _next(self) -> memoryview:
        while len(self._coming) < _AHEAD and self._asked < self._size:
            length = min(RANGE_BYTES, self._size - self._asked)
            self._coming.append(self._pool.submit(self._fetched, self._asked, length))
            self._asked += length
        return memoryview(self._coming.popleft().result() if self._coming else b"")

    def _fetched(self, start: int, length: int) -> bytes | memoryview:
        return retries.again(lambda: self._fetch(start, length), gives_up=self._over.wait)
