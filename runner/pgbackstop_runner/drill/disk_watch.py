"""A drill must not cost others the disk that it shares with them: neither its bytes nor its files.

What is restored runs code of the database's owners, which can write without end.
"""

from __future__ import annotations

import os
from pathlib import Path

from pgbackstop_catalog import units
from pgbackstop_catalog.records.attempt import Reason
from pgbackstop_runner.failures import AttemptFailed
from pgbackstop_runner.system.signals import Watch

# What others are left of a disk: a part of it, and no more than these.
_PART = 100
_MOST_BYTES, _MOST_FILES = 10**9, 10_000


def watch(folder: Path) -> Watch:
    """What tells, whenever it is asked, whether the disk of the folder is as good as full. Raises OSError."""
    at_first = os.statvfs(folder)
    blocks = _least(at_first.f_blocks, at_first.f_bavail, _MOST_BYTES // at_first.f_frsize)
    files = _least(at_first.f_files, at_first.f_favail, _MOST_FILES)

    def look() -> AttemptFailed | None:
        now = os.statvfs(folder)
        if now.f_bavail < blocks:
            return _full(folder, f"{units.format_size(now.f_bavail * now.f_frsize)} are free")
        if now.f_favail < files:
            return _full(folder, f"{now.f_favail:,} more files can be made")
        return None

    return look


def _least(size: int, free: int, most: int) -> int:
    """How much must be left; less where little was free to begin with, nothing where nobody counts."""
    return min(size // _PART, free // 2, most)


def _full(folder: Path, left: str) -> AttemptFailed:
    return AttemptFailed(
        Reason.SPACE,
        f"The drill was ended before it had filled the disk of {folder.parent}: {left}.",
        remedy="Make room, or set drill_folder to a disk of its own; where the backup is far smaller than "
        "that, look at what functions of the database write while it is restored.",
    )
