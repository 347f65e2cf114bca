"""Plain bytes, read and decompressed by a thread of their own while the caller writes the ones before.

Reading, hashing, decompressing and writing all let go of Python's lock, so that two cores work.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from types import TracebackType
from typing import Self

_DEPTH = 8  # chunks, of one megabyte mostly


class Ahead:
    """A file that is read forwards only; a context manager that ends its thread.

    ``chunks`` is run by the thread; what it raises is raised by the read that comes to it.
    """

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._queue: queue.Queue[bytes | BaseException | None] = queue.Queue(_DEPTH)
        self._left = memoryview(b"")
        self._position = 0
        self._over = False
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="ahead", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopped.set()
        while not self._over and self._thread.is_alive():
            try:
                self._queue.get(timeout=0.05)  # makes room for a thread that waits to put
            except queue.Empty:
                continue
        self._thread.join()

    def read(self, size: int) -> bytes:
        """That many bytes, fewer at the end."""
        parts = []
        while size and (piece := self.piece(size)):
            parts.append(bytes(piece))
            size -= len(piece)
        return b"".join(parts)

    def piece(self, size: int) -> memoryview:
        """At most so many bytes of what is there, without a copy; none at the end."""
        while not self._left and not self._over:
            self._left = self._next()
        found, self._left = self._left[:size], self._left[size:]
        self._position += len(found)
        return found

    def tell(self) -> int:
        return self._position

    def seek(self, position: int) -> None:
        """Forwards: what is between is passed over. Raises ValueError for the other direction."""
        if position < self._position:
            raise ValueError("What was read is gone.")
        while self._position < position and self.piece(position - self._position):
            pass

    def finish(self) -> None:
        """Read to the end. Raises what the thread raised."""
        while self.piece(1 << 30):
            pass

    def _next(self) -> memoryview:
        found = self._queue.get()
        if isinstance(found, bytes):
            return memoryview(found)
        self._over = True
        if found is not None:
            raise found
        return memoryview(b"")

    def _run(self) -> None:
        end: BaseException | None = None
        try:
            for chunk in self._chunks:
                self._queue.put(chunk)
                if self._stopped.is_set():
                    break
        except BaseException as error:
            end = error  # raised again where it is read
        self._queue.put(end)
