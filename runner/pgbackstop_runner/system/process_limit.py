"""What keeps a drill that multiplies or takes memory without end from costing others theirs.

Its processes are limited, and they are the first that Linux ends where there is no memory left: not the live
server beside them, nor ourselves.
"""

from __future__ import annotations

import contextlib
import os
import resource
from collections.abc import Callable

# Threads included; a server with its backends has a few hundred.
MOST_PROCESSES = 4096
# Everybody may offer his own processes; https://man7.org/linux/man-pages/man5/proc_pid_oom_score_adj.5.html
_SCORE = "/proc/self/oom_score_adj"
FIRST_OF_ALL = 1000
AFTER_THOSE = 900


def bounded(prepare: Callable[[], None]) -> Callable[[], None]:
    """The same preparation of a child before exec, with both for it and all that it starts."""
    _soft, hard = resource.getrlimit(resource.RLIMIT_NPROC)
    most = MOST_PROCESSES if hard == resource.RLIM_INFINITY else min(MOST_PROCESSES, hard)

    def limited() -> None:
        resource.setrlimit(resource.RLIMIT_NPROC, (most, most))
        offer(FIRST_OF_ALL)
        prepare()

    return limited


def offer(score: int = AFTER_THOSE) -> None:
    """Let Linux end this process, and what it starts, before others where there is no memory left.

    By that score, where the system lets us: not everywhere is a /proc.
    """
    with contextlib.suppress(OSError):
        descriptor = os.open(_SCORE, os.O_WRONLY | os.O_CLOEXEC)
        try:
            os.write(descriptor, b"%d" % score)
        finally:
            os.close(descriptor)
