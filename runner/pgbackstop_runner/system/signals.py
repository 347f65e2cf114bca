"""SIGTERM and SIGINT end an operation as an error does, so that everything on its way is cleaned up."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from types import FrameType

from pgbackstop_catalog.errors import Interrupted, PgbackstopError

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
_AGAIN_SECONDS = 0.05
_WATCH_SECONDS = 1.0
_HELD_BACK = (*SIGNALS, signal.SIGALRM)
Watch = Callable[[], PgbackstopError | None]


class _Signalled(Interrupted):
    def __init__(self, number: int) -> None:
        super().__init__(f"Ended by {signal.Signals(number).name}.")
        self.number = number


def install() -> None:
    """Raise Interrupted in the main thread at the first signal; later ones are left to the clean-up."""
    for number in SIGNALS:
        # What was started to outlive its terminal (nohup) does.
        if number is not signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _raise)
    sys.unraisablehook = _lost


def _lost(lost: sys.UnraisableHookArgs) -> None:
    """Send a signal again whose exception could not be raised: after a fork, in a finalizer."""
    if not isinstance(lost.exc_value, _Signalled):
        sys.__unraisablehook__(lost)
        return
    for each in SIGNALS:
        signal.signal(each, _raise)
    again = threading.Timer(_AGAIN_SECONDS, os.kill, (os.getpid(), lost.exc_value.number))
    again.daemon = True
    again.start()


@contextlib.contextmanager
def deferred() -> Iterator[None]:
    """Hold signals back while a state must not be left half done.

    By handlers, not by the mask of this thread: the kernel would give the signal to another thread, and
    Python would still run its handler in this one.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    caught: list[int] = []
    before = {
        number: signal.signal(number, lambda each, _frame: caught.append(each)) for number in _HELD_BACK
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        for each in dict.fromkeys(caught):
            signal.raise_signal(each)


@contextlib.contextmanager
def deadline(seconds: float, error: PgbackstopError, *, watch: Watch | None = None) -> Iterator[None]:
    """Raise ``error`` where the main thread is when the block takes longer, whatever it waits for.

    What ``watch`` returns, asked each second, is raised in the same way. A timer that runs already is set
    again afterwards. In another thread than the main one, where no signal arrives, it does nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    start = time.monotonic()
    end = start + seconds

    def wind() -> float:
        rest = max(end - time.monotonic(), 0.001)
        return signal.setitimer(signal.ITIMER_REAL, rest if watch is None else min(rest, _WATCH_SECONDS))[0]

    def ring(_number: int, _frame: FrameType | None) -> None:
        if watch is None or time.monotonic() >= end:
            raise error
        if (problem := watch()) is not None:
            raise problem
        wind()

    before = signal.signal(signal.SIGALRM, ring)
    left = wind()
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        if left:
            signal.setitimer(signal.ITIMER_REAL, max(left - (time.monotonic() - start), 0.001))


def _raise(number: int, _frame: FrameType | None) -> None:
    # Of a parent that died the kernel tells once for each of its threads.
    for each in SIGNALS:
        signal.signal(each, signal.SIG_IGN)
    raise _Signalled(number)
