"""Files that are either whole and durable under their name, or not there.

The order is temp, write, fsync, rename, fsync of the folder: after a crash at any point a reader
finds the old file or the new one, never a part of either.
"""

from __future__ import annotations

import contextlib
import glob
import os
import re
import secrets
import stat
import time
from pathlib import Path

FILE_MODE = 0o600
FOLDER_MODE = 0o700
_OF_GROUP, _OF_OTHERS = 0o050, 0o007
TEMPORARY_SUFFIX = ".tmp"
_OWNER = re.compile(r"\.(\d+)(\.[0-9a-f]{16})?\.tmp$")  # without the second part: of earlier versions
LONGEST_WRITE = 86400.0  # seconds


def make_folder(folder: Path) -> None:
    """Create ``folder`` and its parents, mode 0700, durably. An existing folder is left as it is.

    In a folder that a group may read, and nobody else, it gets the names of this one to read as well.
    """
    if folder.is_dir():
        return
    make_folder(folder.parent)
    folder.mkdir(mode=FOLDER_MODE, exist_ok=True)
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        give_to_owner(descriptor, folder.parent)
        _let_group_read(descriptor, folder.parent, 0o750)
    finally:
        os.close(descriptor)
    sync_folder(folder.parent)


def write(path: Path, content: bytes, *, durable: bool = True, shared: bool = False) -> None:
    """Replace ``path`` by ``content``, mode 0600.

    What is ``shared`` may be read by the group that may read the folder, where nobody else may: the exporter
    has an account of its own. ``durable=False`` leaves out both fsyncs: for state that is worthless after a
    crash, such as a heartbeat. Raises OSError; the temporary file is then gone.
    """
    temporary = temporary_beside(path)
    descriptor = create(temporary)
    try:
        with os.fdopen(descriptor, "wb") as file:
            give_to_owner(descriptor, path.parent)
            if shared:
                _let_group_read(descriptor, path.parent, 0o640)
            file.write(content)
            file.flush()
            if durable:
                os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    if durable:
        sync_folder(path.parent)


def _let_group_read(made: int, folder: Path, mode: int) -> None:
    """Where we are not of that group ourselves, it stays closed."""
    found = folder.stat()
    if found.st_mode & _OF_GROUP == _OF_GROUP and not found.st_mode & _OF_OTHERS:
        with contextlib.suppress(PermissionError):
            os.fchown(made, -1, found.st_gid)
            os.fchmod(made, mode)


def temporary_beside(path: Path) -> Path:
    """A hidden name beside ``path`` that nobody has had, with the id of the process that writes it.

    The id alone would repeat, in containers at every start.
    """
    return path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(8)}{TEMPORARY_SUFFIX}")


def create(path: Path) -> int:
    """A descriptor to write a new file, mode 0600. Raises FileExistsError: what is there stays as it is."""
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, FILE_MODE)


def give_to_owner(descriptor: int, folder: Path) -> None:
    """Let what root has just made in ``folder`` belong to the folder's owner; for others it does already.

    Else one command as root leaves what the service's user can neither read nor replace. Raises OSError.
    """
    owner = folder.stat() if os.geteuid() == 0 else None
    if owner is not None and owner.st_uid != 0:
        os.fchown(descriptor, owner.st_uid, owner.st_gid)


def sync_file(path: Path) -> None:
    """Make the bytes of ``path`` durable, whoever wrote them."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_folder(folder: Path) -> None:
    """Make the names in ``folder`` durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def is_temporary(path: Path) -> bool:
    """Return whether ``path`` is what a crash left of a write, or what somebody writes just now."""
    return path.name.startswith(".") and path.name.endswith(TEMPORARY_SUFFIX)


def is_abandoned(path: Path) -> bool:
    """Return whether ``path`` is a temporary file whose process is gone, or not written to for a day."""
    owner = _OWNER.search(path.name)
    if not is_temporary(path) or owner is None:
        return False
    found = path.lstat()
    if not stat.S_ISREG(found.st_mode):
        return False  # nobody of ours has made it
    return not _is_alive(int(owner[1])) or time.time() - found.st_mtime > LONGEST_WRITE


def sweep(folder: Path, *, older_than: float = 0.0) -> None:
    """Remove what crashes left in a folder, if it was not written to for ``older_than`` seconds."""
    for path in folder.glob(f".*{TEMPORARY_SUFFIX}"):
        with contextlib.suppress(FileNotFoundError):  # its writer was faster
            found = path.lstat()
            if stat.S_ISREG(found.st_mode) and time.time() - found.st_mtime >= older_than:
                path.unlink()


def sweep_abandoned(folder: Path, prefix: str = "") -> None:
    """Remove what processes that are gone left in a folder, where others may be writing. Raises OSError.

    In a folder that is not ours alone, only what was made for names that begin with ``prefix``.
    """
    for path in folder.glob(f".{glob.escape(prefix)}*{TEMPORARY_SUFFIX}"):
        with contextlib.suppress(FileNotFoundError):
            if is_abandoned(path):
                path.unlink()


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except PermissionError:
        return True
    except (OverflowError, ProcessLookupError):
        return False
    return True
