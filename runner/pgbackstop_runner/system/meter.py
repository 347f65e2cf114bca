"""How far this process has come with what it does, for whoever watches; without a watcher it counts nothing.

A thread does one piece of work at a time; a smaller one within hides the larger meanwhile.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from typing import Final, Protocol


@dataclass(kw_only=True, eq=False)
class Work:
    """One piece of work; ``done`` and ``total`` are in bytes, None where nobody knows the total.

    ``by_reading``: it has come as far as the tool that does it has read. ``is_counted``: as ``count`` says.
    """

    what: str
    done: int = 0
    total: int | None = None
    by_reading: bool = False
    is_counted: bool = False
    thread: int = field(default_factory=threading.get_ident)

    def reached(self, done: int, total: int | None = None) -> None:
        """So many bytes altogether, and how many it will be, where that is known by now."""
        self.done, self.total = done, total or self.total


class Display(Protocol):
    """Where a person sees what is done."""

    def show(self, works: tuple[Work, ...]) -> None:
        """Show these, one piece a thread, instead of those before; look at them as often as you like."""

    def say(self, line: str) -> None:
        """A line that stays."""


@dataclass
class _Meter:
    display: Display | None = None
    works: list[Work] = field(default_factory=list)
    elsewhere: list[Work] = field(default_factory=list)
    turn: threading.RLock = field(default_factory=threading.RLock)

    def show(self) -> None:
        with self.turn:
            if self.display is not None:
                own = {each.thread: each for each in self.works}
                self.display.show((*own.values(), *self.elsewhere))

    def begin(self, work: Work) -> None:
        with self.turn:
            self.works.append(work)
            self.show()

    def end(self, work: Work) -> None:
        with self.turn:
            if work in self.works:  # a signal may have come before it began
                self.works.remove(work)
            self.show()

    def now(self, *, counted: bool) -> Work | None:
        """The work of that kind in this thread, else in the one that began last: its helpers say nothing."""
        found = [each for each in self.works if each.is_counted is counted]
        own = [each for each in found if each.thread == threading.get_ident()]
        return next(reversed(own or found), None)


_METER: Final = _Meter()


def watch(display: Display) -> None:
    """Show there what is begun from now on; in a forked process too, whatever its parent did meanwhile."""
    _METER.display, _METER.works, _METER.elsewhere, _METER.turn = display, [], [], threading.RLock()


def is_watched() -> bool:
    """Whether somebody sees what is done."""
    return _METER.display is not None


def say(line: str) -> None:
    """A line that stays, where somebody watches; it comes between two drawings."""
    with _METER.turn:
        if _METER.display is not None:
            _METER.display.say(line)


def show_elsewhere(before: Collection[Work], now: Collection[Work]) -> None:
    """Show works of another process beside ours, instead of those of it before."""
    with _METER.turn:
        _METER.elsewhere = [each for each in _METER.elsewhere if each not in before] + list(now)
        _METER.show()


@contextlib.contextmanager
def measured(what: str, total: Callable[[], int] | None = None) -> Iterator[Work | None]:
    """A piece of work, None where nobody watches. With a ``total``, ``count`` says when it is done."""
    if _METER.display is None:
        yield None
        return
    work = Work(what=what, total=total() if total else None, is_counted=total is not None)
    try:
        _METER.begin(work)
        yield work
    finally:
        _METER.end(work)


@contextlib.contextmanager
def hidden() -> Iterator[None]:
    """Show nothing meanwhile: a person is asked."""
    if _METER.display is None:
        yield
        return
    _METER.display.show(())
    try:
        yield
    finally:
        _METER.show()


def count(size: int) -> None:
    """So many bytes more, of work whose total was given; threads may."""
    if _METER.works and (work := _METER.now(counted=True)) is not None:
        with _METER.turn:
            work.done += size


def reached(done: int, total: int | None = None) -> None:
    """So many bytes altogether, of work that is not counted."""
    if _METER.works and (work := _METER.now(counted=False)) is not None:
        work.reached(done, total)


def expect(total: int | None, *, by_reading: bool = False) -> None:
    """The work will be done at so many bytes, which ``reached`` tells or a tool has read."""
    if _METER.works and (work := _METER.now(counted=False)) is not None:
        work.total, work.by_reading = total, by_reading


def follows_reading() -> bool:
    """Whether somebody wants to know how much the tool has read."""
    return any(each.by_reading for each in _METER.works)
