"""Files that are either whole and durable under their name, or not there.

The order is temp, write, fsync, rename, fsync of the folder: after a crash at any point a reader
finds the old file or the new one, never a part of either.
"""

from __future__ import annotations

import os
from pathlib import Path

FILE_MODE = 0o600
FOLDER_MODE = 0o700
TEMPORARY_SUFFIX = ".tmp"


def make_folder(folder: Path) -> None:
    """Create ``folder`` and its parents, mode 0700, durably. An existing folder is left as it is."""
    if folder.is_dir():
        return
    make_folder(folder.parent)
    folder.mkdir(mode=FOLDER_MODE, exist_ok=True)
    sync_folder(folder.parent)


def write(path: Path, content: bytes, *, durable: bool = True) -> None:
    """Replace ``path`` by ``content``, mode 0600.

    ``durable=False`` leaves out both fsyncs: for state that is worthless after a crash, such as a
    heartbeat. Raises OSError; the temporary file is then gone.
    """
    temporary = temporary_name(path)
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, FILE_MODE)
        with os.fdopen(descriptor, "wb") as file:
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


def temporary_name(path: Path) -> Path:
    """The name of ``path`` while this process writes it: hidden, beside it, with the process's id."""
    return path.with_name(f".{path.name}.{os.getpid()}{TEMPORARY_SUFFIX}")


def is_temporary(path: Path) -> bool:
    """Whether ``path`` is a file while it is written, or what a crash left of one."""
    return path.name.startswith(".") and path.name.endswith(TEMPORARY_SUFFIX)


def is_abandoned(path: Path) -> bool:
    """Whether ``path`` is a temporary file whose process is gone."""
    return is_temporary(path) and not _is_alive(path.name.removesuffix(TEMPORARY_SUFFIX).rpartition(".")[2])


def sweep(folder: Path) -> None:
    """Remove what processes that are gone left of their writes into ``folder``. Raises OSError."""
    for path in folder.glob(f".*{TEMPORARY_SUFFIX}"):
        if is_abandoned(path):
            path.unlink(missing_ok=True)


def _is_alive(pid: str) -> bool:
    try:
        os.kill(int(pid), 0)
    except PermissionError:
        return True
    except (ValueError, OverflowError, ProcessLookupError):
        return False
    return True
