"""What files were read as: the same ones are looked at many times, and few of them change."""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

V = TypeVar("V")


@dataclass(frozen=True, kw_only=True, slots=True)
class _Entry(Generic[V]):
    version: int
    weight: int
    value: V


class ReadFiles(Generic[V]):
    """The newest of them, by path, as long as the file is the one that was read; for all threads.

    ``weigh`` says of a file's size how much it takes of ``most``.
    """

    def __init__(self, *, most: int, weigh: Callable[[int], int]) -> None:
        self._most, self._weigh = most, weigh
        self._entries: OrderedDict[str, _Entry[V]] = OrderedDict()
        self._taken = 0
        self._lock = threading.Lock()

    def read(self, path: Path, reader: Callable[[Path], V]) -> V:
        """What ``reader`` returns for the file, or has returned before. Raises as it does."""
        name = str(path)  # the hash and the comparison of a Path cost more than what is asked of the file
        try:
            found = os.stat(name)  # noqa: PTH116 - before it is read: what replaces it has another version
        except OSError:
            return reader(path)  # which says what is wrong with it
        # A number: of many thousand files the times themselves would take as much room as what was read.
        version = hash((found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns))
        with self._lock:
            entry = self._entries.get(name)
            if entry is not None and entry.version == version:
                self._entries.move_to_end(name)
                return entry.value
        value = reader(path)
        with self._lock:
            self._forget(name)
            self._entries[name] = _Entry(version=version, weight=self._weigh(found.st_size), value=value)
            self._taken += self._entries[name].weight
            while self._taken > self._most:
                self._forget(next(iter(self._entries)))
        return value

    def forget(self, path: Path) -> None:
        """Read it again the next time, whatever the clock of the file system says."""
        with self._lock:
            self._forget(str(path))

    def _forget(self, name: str) -> None:
        entry = self._entries.pop(name, None)
        self._taken -= entry.weight if entry else 0
