"""Folders that hold backups: durable, private, removed whole, and what a full disk says."""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
import secrets
import shutil
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

from pgbackstop_catalog.records.attempt import Reason
from pgbackstop_catalog.store import atomic, layout
from pgbackstop_runner.failures import AttemptFailed
from pgbackstop_runner.system import log

# Where a backup is unpacked to be read back; swept like a partial one.
STAGING_SUFFIX = f".verify{layout.PARTIAL_SUFFIX}"
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


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


def remove_strange_tree(folder: Path) -> None:
    """Remove a folder in which others' code has run: those in it may be nested without end, or closed.

    No recursion, and no path that grows: what is in a folder comes up before that is removed. Raises OSError.
    """
    top = os.open(folder, _FOLDER)
    mark = secrets.token_hex(8)
    numbers = itertools.count()
    try:
        while names := os.listdir(top):  # noqa: PTH208 - a Path has no descriptor
            for name in names:
                _remove_shallow(top, name, lambda: f"{mark}-{next(numbers)}")
    finally:
        os.close(top)
    folder.rmdir()


def _remove_shallow(top: int, name: str, new_name: Callable[[], str]) -> None:
    """Remove an entry of a folder, whose own folders become entries of that one."""
    if not _is_folder(top, name):
        os.unlink(name, dir_fd=top)
        return
    inner = os.open(name, _FOLDER, dir_fd=top)
    try:
        for each in os.listdir(inner):  # noqa: PTH208
            if _is_folder(inner, each):
                os.rename(each, new_name(), src_dir_fd=inner, dst_dir_fd=top)
            else:
                os.unlink(each, dir_fd=inner)
    finally:
        os.close(inner)
    os.rmdir(name, dir_fd=top)


def _is_folder(parent: int, name: str) -> bool:
    """Whether it is one; one of ours is opened to us by then."""
    found = os.stat(name, dir_fd=parent, follow_symlinks=False)
    if not stat.S_ISDIR(found.st_mode):
        return False
    if found.st_uid == os.geteuid() and found.st_mode & stat.S_IRWXU != stat.S_IRWXU:
        os.chmod(name, stat.S_IRWXU, dir_fd=parent)
    return True


def free_bytes(folder: Path) -> int | None:
    """Bytes that an unprivileged writer may use; None where the folder is not there (reported elsewhere)."""
    try:
        status = os.statvfs(folder)
    except OSError:
        return None
    return status.f_bavail * status.f_frsize
