"""SIGTERM and SIGINT end an operation as an error does, so that everything on its way is cleaned up."""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from collections.abc import Iterator
from types import FrameType

from pgbackstop_catalog.errors import Interrupted, PgbackstopError

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
_HELD_BACK = (*SIGNALS, signal.SIGALRM)


def install() -> None:
    """Raise Interrupted in the main thread at the first signal; later ones are left to the clean-up."""
    for number in SIGNALS:
        signal.signal(number, _raise)


@contextlib.contextmanager
def deferred() -> Iterator[None]:
    """Hold signals back while a state must not be left half done."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _HELD_BACK)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextlib.contextmanager
def deadline(seconds: float, error: PgbackstopError) -> Iterator[None]:
    """Raise ``error`` where the main thread is when the block takes longer, whatever it waits for.

    A timer that runs already is set again afterwards. In another thread than the main one, where no signal
    arrives, it does nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def ring(_number: int, _frame: FrameType | None) -> None:
        raise error

    before = signal.signal(signal.SIGALRM, ring)
    start = time.monotonic()
    left, _ = signal.setitimer(signal.ITIMER_REAL, max(seconds, 0.001))
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        if left:
            signal.setitimer(signal.ITIMER_REAL, max(left - (time.monotonic() - start), 0.001))


def _raise(number: int, _frame: FrameType | None) -> None:
    for each in SIGNALS:
        signal.signal(each, signal.SIG_IGN)
    raise Interrupted(f"Ended by {signal.Signals(number).name}.")
