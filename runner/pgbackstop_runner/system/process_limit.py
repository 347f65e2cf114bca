"""A limit on processes, so that what multiplies without end in a drill leaves room for others."""

from __future__ import annotations

import resource
from collections.abc import Callable

# Threads included; a server with its backends has a few hundred.
MOST_PROCESSES = 4096


def bounded(prepare: Callable[[], None]) -> Callable[[], None]:
    """The same preparation of a child before exec, with that limit for it and all that it starts."""
    _soft, hard = resource.getrlimit(resource.RLIMIT_NPROC)
    most = MOST_PROCESSES if hard == resource.RLIM_INFINITY else min(MOST_PROCESSES, hard)

    def limited() -> None:
        resource.setrlimit(resource.RLIMIT_NPROC, (most, most))
        prepare()

    return limited
