"""How long a process and its children may go on unless more is granted: in memory that they share.

A child inherits the descriptor and looks itself, so it ends in time even where its parent is frozen or gone.
The clock goes on while the host sleeps, and is no wall clock that somebody sets.
"""

from __future__ import annotations

import os
import struct
import time
from dataclasses import dataclass
from typing import Final

_MOMENT: Final = struct.Struct("=d")


def now() -> float:
    """Seconds of the clock that tenures go by, the same in all processes of a host."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


@dataclass(frozen=True)
class Tenure:
    """The moment at which it ends lies in the file of ``descriptor``."""

    descriptor: int

    @classmethod
    def begin(cls, until: float) -> Tenure:
        """A new one; its descriptor stays open as long as this process lives."""
        made = cls(os.memfd_create("tenure", os.MFD_CLOEXEC))
        made._write(until)
        return made

    def left(self) -> float:
        """Seconds that are left; none where they are over, or where the descriptor is none of a tenure."""
        try:
            until: float = _MOMENT.unpack(os.pread(self.descriptor, _MOMENT.size, 0))[0]
        except (OSError, struct.error):
            return 0.0
        return max(0.0, until - now())

    def extend(self, until: float) -> bool:
        """Let it last until then; False where it is over already, for then it never begins again."""
        if not self.left():
            return False
        self._write(until)
        return True

    def _write(self, until: float) -> None:
        os.pwrite(self.descriptor, _MOMENT.pack(until), 0)
