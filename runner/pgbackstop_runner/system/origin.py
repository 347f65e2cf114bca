"""Where a record comes from, so that a later run can tell whether its process still lives."""

from __future__ import annotations

import os
import socket
from typing import TypedDict


class Origin(TypedDict):
    """Fields that records have in common."""

    host: str
    pid: int


def here() -> Origin:
    """This process of this host."""
    return Origin(host=socket.gethostname(), pid=os.getpid())
