"""How far this process has come with what it does, for whoever watches; without a watcher it counts nothing.

What an operation does is one piece of work at a time; a smaller one within hides the larger meanwhile.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final


@dataclass(kw_only=True)
class Work:
    """One piece of work; ``done`` and ``total`` are in bytes, None where nobody knows the total.

    ``by_reading``: it has come as far as the tool that does it has read.
    """

    what: str
    done: int = 0
    total: int | None = None
    by_reading: bool = False
    is_counted: bool = False


Watcher = Callable[[Work | None], None]


@dataclass
class _Meter:
    watcher: Watcher | None = None
    works: list[Work] = field(default_factory=list)
    turn: threading.Lock = field(default_factory=threading.Lock)

    @property
    def now(self) -> Work | None:
        return self.works[-1] if self.works else None

    def show(self) -> None:
        if self.watcher is not None:
            self.watcher(self.now)


_METER: Final = _Meter()


def watch(watcher: Watcher) -> None:
    """Call ``watcher`` when a piece of work begins, and with the larger one, or None, when it has ended.

    It looks at the work itself as often as it likes.
    """
    _METER.watcher = watcher


@contextlib.contextmanager
def measured(what: str, total: Callable[[], int] | None = None) -> Iterator[None]:
    """A piece of work. With a ``total`` it is done when ``count`` has counted so many bytes."""
    if _METER.watcher is None:
        yield
        return
    work = Work(what=what, total=total() if total else None, is_counted=total is not None)
    _METER.works.append(work)
    try:
        _METER.show()
        yield
    finally:
        _METER.works.remove(work)
        _METER.show()


@contextlib.contextmanager
def hidden() -> Iterator[None]:
    """Show nothing meanwhile: a person is asked."""
    if _METER.watcher is None:
        yield
        return
    _METER.watcher(None)
    try:
        yield
    finally:
        _METER.show()


def count(size: int) -> None:
    """So many bytes more, of work whose total was given; threads may."""
    work = _METER.now
    if work is not None and work.is_counted:
        with _METER.turn:
            work.done += size


def reached(done: int, total: int | None = None) -> None:
    """So many bytes altogether, and how many it will be, where that is known by now."""
    work = _METER.now
    if work is not None and not work.is_counted:
        work.done, work.total = done, total or work.total


def expect(total: int | None, *, by_reading: bool = False) -> None:
    """The work will be done at so many bytes, which ``reached`` tells or a tool has read."""
    work = _METER.now
    if work is not None and not work.is_counted:
        work.total, work.by_reading = total, by_reading


def follows_reading() -> bool:
    """Whether somebody wants to know how much the tool has read."""
    work = _METER.now
    return work is not None and work.by_reading
