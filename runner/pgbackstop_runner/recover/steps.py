"""Who follows a recovery: its record or that of its drill, and whoever reads along."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass

from pgbackstop_runner.journal.restore import Journal


@dataclass(frozen=True, kw_only=True)
class Steps:
    """``timed`` times a step by its name, ``say`` hears in words what was done, ``show`` how much of what.

    A drill has a record of its own, and no ``current`` one here.
    """

    current: Journal | None
    timed: Callable[[str], AbstractContextManager[None]]
    say: Callable[[str], None]
    show: Callable[[str, float], None]

    def warn(self, text: str) -> None:
        """Put it on record."""
        if self.current is not None:
            self.current.warn(text)
