"""The lease of a server's WAL, as its receiver sees it: over is over, and nothing is written any more."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from pgbackstop_catalog import errors
from pgbackstop_runner.system.tenure import Tenure

_PACE: Final = 0.5  # seconds


def _end_at_once() -> None:
    """End this process without a word: whoever reads its log might keep it waiting."""
    os._exit(errors.Busy.exit_code)


@dataclass(frozen=True, kw_only=True)
class Lease:
    """Another host may receive when the tenure is over; ``end`` is called then, and does not return."""

    tenure: Tenure
    end: Callable[[], None] = _end_at_once

    def require(self) -> None:
        """Go on only while it is ours: before anything is written into the archive."""
        if not self.tenure.left():
            self.end()

    def watch(self) -> None:
        """End this process in time, too, where its main thread waits for a disk or a server."""
        threading.Thread(target=self._watch, name="wal-lease", daemon=True).start()

    def _watch(self) -> None:
        while left := self.tenure.left():
            time.sleep(min(left, _PACE))
        self.end()
