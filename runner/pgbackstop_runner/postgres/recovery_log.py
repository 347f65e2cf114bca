"""What a server says in its log while it recovers, and which sentence that makes."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from pgbackstop_catalog import errors
from pgbackstop_catalog.records.attempt import Reason
from pgbackstop_runner.failures import AttemptFailed

_TARGET_NOT_REACHED = "recovery ended before configured recovery target was reached"
_TOO_LOW = "insufficient parameter settings"
_UNKNOWN_WAL = "resource manager with ID"
_NO_MEMORY = re.compile("shared memory.*(Cannot allocate memory|Invalid argument|No space left on device)")
_FULL = re.compile("No space left on device|Disk quota exceeded")
_SHOWN = 2
_MOST = 4 * 2**20  # bytes; what it runs may write without end


class NotReached(errors.PgbackstopError):
    """The WAL ended before the target, which PostgreSQL takes for an error."""


def read(log: Path, start: int) -> list[str]:
    """The lines from byte ``start`` on, or the last of them; none where it cannot be read."""
    with contextlib.suppress(OSError), log.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(start, size - _MOST))
        return file.read(_MOST).decode(errors="replace").splitlines()
    return []


def is_too_low(lines: Iterable[str]) -> bool:
    """Whether a setting is lower than it was on the primary."""
    return any(_TOO_LOW in line for line in lines)


def full_disk(lines: Iterable[str], data: Path) -> AttemptFailed | None:
    """What to say where the server, or what brings it its WAL, met a full disk."""
    full = [line for line in lines if _FULL.search(line)]
    if not full:
        return None
    return AttemptFailed(
        Reason.SPACE,
        f"The disk of {data} is full: {full[-1]}.",
        remedy="Make room there, or recover on a larger disk.",
    )


def why_it_ended(
    lines: Sequence[str], *, data: Path, log: Path, restore_script: str
) -> errors.PgbackstopError:
    """What to say of a server that has ended; lines that name the ``restore_script`` say why, too."""
    if refused := [line for line in lines if _NO_MEMORY.search(line)]:
        return errors.PgbackstopError(
            f"This host has not the memory that the live server's settings ask for: {refused[0]}.",
            remedy="Recover on a larger host; or lower shared_buffers, max_connections, "
            f"max_locks_per_transaction or min_dynamic_shared_memory in {data}; start it by hand.",
        )
    if full := full_disk(lines, data):
        return full
    if any(_TARGET_NOT_REACHED in line for line in lines):
        return NotReached(
            "The WAL ends without the target.",
            remedy="See 'pgbackstop window'. A target before the backup needs an earlier one: --backup.",
        )
    if any(_UNKNOWN_WAL in line for line in lines):
        return errors.PgbackstopError(
            "The WAL has records of an extension whose library is not preloaded.",
            remedy="Install the extension here; 'pgbackstop recover' preloads it with --as-live.",
        )
    fatal = [
        line
        for line in lines
        if "FATAL" in line or "PANIC" in line or (restore_script and restore_script in line)
    ]
    said = " / ".join((fatal or lines or ["it said nothing"])[-_SHOWN:])
    return errors.PgbackstopError(f"The recovered server ended: {said}", remedy=f"See {log}.")
