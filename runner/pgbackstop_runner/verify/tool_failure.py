"""Whether a tool that failed has found the backup's bytes wrong, or could not look at them. Pure."""

from __future__ import annotations

from pgbackstop_catalog.records.attempt import Reason
from pgbackstop_runner.failures import AttemptFailed

# Words of the system and of PostgreSQL's tools that say nothing about the bytes that were to be read.
_ELSEWHERE = (
    "was ended by signal",
    "out of memory",
    "Cannot allocate memory",
    "Permission denied",
    "Input/output error",
    "Stale file handle",
    "Transport endpoint is not connected",
    "Too many open files",
    "does not support compression",
    "not supported by this build",
    "this build does not support",
    "unsupported version",
    "was not found in the same directory",
    "is not the same version as",
    "error while loading shared libraries",
    # The jail of the tool.
    "bwrap: ",
    "setpriv: ",
)
_REMEDY = "Make a new backup; check the disk of the storage and the memory of this host."


def of_tool(error: AttemptFailed) -> AttemptFailed:
    """The error of a tool that reads a backup, as corrupt where the bytes are to blame."""
    if error.reason is not Reason.TOOL or any(words in error.problem for words in _ELSEWHERE):
        return error
    return corrupt(error.problem)


def corrupt(problem: str) -> AttemptFailed:
    """The backup's bytes are not what they were."""
    return AttemptFailed(Reason.CORRUPT, problem, remedy=_REMEDY)
