"""That every file of a backup is there and is what was stored: size, SHA-256, SHA256SUMS."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Sequence
from pathlib import Path

from pgbackstop_catalog import errors
from pgbackstop_catalog.records.attempt import Reason
from pgbackstop_catalog.records.backup import Backup, StoredFile
from pgbackstop_catalog.records.file_list import DamagedFiles
from pgbackstop_catalog.store import layout
from pgbackstop_runner.failures import AttemptFailed
from pgbackstop_runner.storage import stored_backup
from pgbackstop_runner.storage.stored_backup import StoredBackup
from pgbackstop_runner.system import meter, phrases, streams
from pgbackstop_runner.verify import tool_failure
from pgbackstop_runner.workspace import Workspace


def place(workspace: Workspace, backup: Backup) -> StoredBackup:
    """Where the backup is to be.

    Raises AttemptFailed (storage) where the record leads nowhere, or to a storage that is not there or lost.
    """
    try:
        return stored_backup.find(workspace, backup)
    except errors.PgbackstopError as error:
        raise AttemptFailed(Reason.STORAGE, error.problem, remedy=error.remedy) from error


def stored(workspace: Workspace, backup: Backup) -> StoredBackup:
    """The backup, with a folder that is there. Raises AttemptFailed as ``place`` does, else (corrupt)."""
    found = place(workspace, backup)
    if found.folder.is_dir():
        return found
    raise tool_failure.corrupt(f"The backup's folder is not there: {found.folder}.")


def listed(found: StoredBackup) -> tuple[StoredFile, ...]:
    """The backup's files. Raises AttemptFailed (corrupt, storage)."""
    try:
        return found.files()
    except DamagedFiles as error:
        raise tool_failure.corrupt(error.problem) from error
    except OSError as error:
        raise _unreadable(found.folder, error) from error


def hashes(folder: Path, files: Sequence[StoredFile], on_bytes: Callable[[int], None]) -> str:
    """Read every file, two at a time. Raises AttemptFailed (corrupt, storage)."""
    if not files:
        raise tool_failure.corrupt("The record names no file.")
    wrong = []
    with meter.measured("read every byte", lambda: sum(each.size_bytes for each in files)):
        for stored, problem in zip(files, streams.side_by_side(_problem(folder), files), strict=True):
            on_bytes(stored.size_bytes)
            wrong += [problem] if problem else []
    if wrong:
        raise tool_failure.corrupt(f"{phrases.some(wrong, between='; ')}.")
    return f"{len(files)} files as recorded"


def present(folder: Path, files: Sequence[StoredFile]) -> str:
    """Why its files cannot be what was stored, by names and sizes alone; empty where they can."""
    for stored in files:
        problem = _outside(folder / stored.path, stored)
        if problem:
            return problem
    return ""


def checksums(folder: Path, files: Sequence[StoredFile]) -> str:
    """Compare SHA256SUMS, for restores by hand, with the files. Raises AttemptFailed (corrupt)."""
    path = folder / layout.CHECKSUMS_NAME
    try:
        lines = path.read_bytes().splitlines()
    except FileNotFoundError:
        raise tool_failure.corrupt(f"{path.name} is not there; the backup itself is as recorded.") from None
    except OSError as error:
        raise _unreadable(path, error) from error
    if sorted(lines) != sorted(f"{each.sha256}  {each.path}".encode() for each in files):
        raise tool_failure.corrupt(
            f"{path.name} is not what the record says; the backup itself is as recorded."
        )
    return "as recorded"


def _problem(folder: Path) -> Callable[[StoredFile], str]:
    def problem(stored: StoredFile) -> str:
        path = folder / stored.path
        found = _outside(path, stored)
        if found:
            return found
        try:
            is_same = streams.digest(path, stored.path) == stored
        except OSError as error:
            raise _unreadable(path, error) from error
        return "" if is_same else f"the SHA-256 of {stored.path} is not the one on record"

    return problem


def _outside(path: Path, stored: StoredFile) -> str:
    try:
        # A link could lead to bytes that somebody changes after they were read.
        status = os.lstat(path)
    except FileNotFoundError:
        return f"{stored.path} is missing"
    except OSError as error:
        raise _unreadable(path, error) from error
    if not stat.S_ISREG(status.st_mode):
        return f"{stored.path} is no file"
    if status.st_size != stored.size_bytes:
        return f"{stored.path} has {status.st_size} bytes instead of {stored.size_bytes}"
    return ""


def _unreadable(path: Path, error: OSError) -> AttemptFailed:
    problem = f"{path} cannot be read: {error.strerror or error}."
    return AttemptFailed(Reason.STORAGE, problem, remedy="Check the disk, its mount and the file's owner.")
