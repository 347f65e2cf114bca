"""Whether a folder may hold a server's unix socket. Pure."""

from __future__ import annotations

import re
from pathlib import Path

_LONGEST_FOLDER = 80  # of the 107 bytes of a socket's path
# What is more would have to be quoted in unix_socket_directories, and in a command that a person pastes.
_PLAIN = re.compile(r"[A-Za-z0-9_./-]+")


def may_be_in(folder: Path) -> bool:
    """Whether its name is short and plain enough."""
    text = str(folder)
    return len(text) <= _LONGEST_FOLDER and _PLAIN.fullmatch(text) is not None
