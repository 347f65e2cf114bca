"""The disk of a WAL archive: whether there is room, and what to say of what it refuses."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from pgbackstop_catalog import errors


def has_room(root: Path, wanted: int) -> bool:
    """Whether so many bytes fit, as far as that can be known."""
    try:
        status = os.statvfs(root)
    except OSError:
        return True  # what is wrong is said where the archive is used
    return status.f_bavail * status.f_frsize >= wanted


def explain(error: Exception) -> errors.PgbackstopError:
    """One sentence with what to do, for what the operating system refused."""
    if isinstance(error, errors.PgbackstopError):
        return error
    if isinstance(error, OSError) and error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return errors.PgbackstopError(
            "The disk of the WAL archive is full.",
            remedy="Make room; the server keeps the WAL until then.",
        )
    return errors.PgbackstopError(
        f"The WAL archive cannot be written: {error}.", remedy="Check the folder's owner, mode and mount."
    )
