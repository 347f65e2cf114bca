"""Jails that nobody waits for any more: bubblewrap's first process inside, when the one outside was killed.

``--die-with-parent`` does not hold inside before the first word of the process outside: a kill before that
leaves one that waits for ever. It does nothing, and no one else would end it.
"""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path

# By this name inside we know a jail for ours.
HOST_NAME = "pgbackstop-jail"
_PROCESSES = Path("/proc")


def end() -> None:
    """End those of this account, or of all where we are root."""
    for pid in found():
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGKILL)


def found() -> Iterator[int]:
    """Their process ids. One that has its parent is in use, whatever it waits for."""
    for each in _PROCESSES.glob("[0-9]*"):
        with contextlib.suppress(OSError, ValueError):
            if _is_jail(each) and _is_first_inside(each) and not _is_jail(_PROCESSES / _parent(each)):
                yield int(each.name)


def _is_jail(process: Path) -> bool:
    words = (process / "cmdline").read_bytes().split(b"\0")
    return HOST_NAME.encode() in words and Path(os.fsdecode(words[0])).name == "bwrap"


def _is_first_inside(process: Path) -> bool:
    """Whether it is the first process of a namespace of its own, inside of ours."""
    _ours, *inside = _status(process, "NSpid")
    return inside[-1:] == ["1"]


def _parent(process: Path) -> str:
    return _status(process, "PPid")[0]


def _status(process: Path, key: str) -> list[str]:
    lines = (process / "status").read_text(errors="replace").splitlines()
    return next((line.split()[1:] for line in lines if line.startswith(f"{key}:")), [])
