"""How much memory answers of others may take."""

from __future__ import annotations

import contextlib
import resource
from collections.abc import Iterator
from pathlib import Path

_PAGES = Path("/proc/self/statm")


@contextlib.contextmanager
def at_most(more: int) -> Iterator[None]:
    """Let this process have ``more`` bytes on top of what it has. Raises MemoryError; libpq raises its own.

    Where the system does not tell what it has, there is no limit.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    with contextlib.suppress(OSError, ValueError):
        has = int(_PAGES.read_text(encoding="ascii").split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (_least(has + more, soft, hard), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def _least(*limits: int) -> int:
    return min(each for each in limits if each != resource.RLIM_INFINITY)
