"""Folders that hold backups: durable, private, removed whole, and what a full disk says."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from pgbackstop_catalog.records.attempt import Reason
from pgbackstop_catalog.store import atomic, layout
from pgbackstop_runner.failures import AttemptFailed
from pgbackstop_runner.system import log

# Where a backup is unpacked to be read back; swept like a partial one.
STAGING_SUFFIX = f".verify{layout.PARTIAL_SUFFIX}"


@contextlib.contextmanager
def storage_errors(storage: Path) -> Iterator[None]:
    """Turn what the disk says into the reason and the sentence of a failed attempt."""
    try:
        yield
    except OSError as error:
        raise storage_failure(error, storage) from error


def storage_failure(error: OSError, storage: Path) -> AttemptFailed:
    """The sentence for what the disk says; with the reason, because a full disk is its own."""
    full = error.errno in {errno.ENOSPC, errno.EDQUOT}
    remedy = (
        "Make room, or let fewer backups be kept." if full else "Check the folder's owner, mode and mount."
    )
    problem = f"The storage cannot be used: {error.filename or storage}: {error.strerror or error}."
    return AttemptFailed(Reason.SPACE if full else Reason.STORAGE, problem, remedy=remedy)


def secure_tree(folder: Path) -> None:
    """Make all below ``folder`` private, and its names durable. The bytes are so once they are written."""
    for parent, _folders, names in os.walk(folder):
        for name in names:
            os.chmod(f"{parent}/{name}", atomic.FILE_MODE)  # noqa: PTH101 - a Path for each costs more
        Path(parent).chmod(atomic.FOLDER_MODE)
        atomic.sync_folder(Path(parent))


def remove_tree(folder: Path) -> None:
    """Remove a folder of ours; what cannot be removed is logged and left to the next start."""

    def report(_function: object, path: str, _info: object) -> None:
        log.logger().warning("cannot be removed", path=path)

    if folder.is_dir() and not folder.is_symlink():
        shutil.rmtree(folder, onerror=report)


def free_bytes(folder: Path) -> int | None:
    """Bytes that an unprivileged writer may use; None where the folder is not there (reported elsewhere)."""
    try:
        status = os.statvfs(folder)
    except OSError:
        return None
    return status.f_bavail * status.f_frsize
