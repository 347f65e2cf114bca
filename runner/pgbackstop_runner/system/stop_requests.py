"""Ending a process that runs until it is told to stop, without leaving anything half done."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import FrameType

from pgbackstop_catalog import errors
from pgbackstop_runner.system import signals


class Stop:
    """The wish to end. A signal sets it; it interrupts only where nothing can be left half done."""

    def __init__(self) -> None:
        self.wished = False
        self._interruptible = False

    def install(self) -> None:
        """Hear SIGTERM, SIGINT and SIGHUP from now on."""
        for number in signals.SIGNALS:
            signal.signal(number, self._hear)

    def _hear(self, _number: int, _frame: FrameType | None) -> None:
        self.wished = True
        if self._interruptible:
            # The same signal may come again while the first one unwinds.
            self._interruptible = False
            raise errors.Interrupted("Told to stop.")

    def during(self, action: Callable[[], None]) -> None:
        """Run what may be interrupted: connecting, above all."""
        if self.wished:
            return
        self._interruptible = True
        try:
            action()
        finally:
            self._interruptible = False


@dataclass
class Every:
    """True at most once in ``seconds``."""

    seconds: float
    _due: float = 0.0

    def __call__(self) -> bool:
        now = time.monotonic()
        if now < self._due:
            return False
        self._due = now + self.seconds
        return True
