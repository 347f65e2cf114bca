"""That the bytes of a backup are those that were stored, before anything is touched (1.3.1)."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from pgbackstop_catalog.records.attempt import Reason
from pgbackstop_catalog.records.backup import StoredFile
from pgbackstop_catalog.records.file_list import DamagedFiles
from pgbackstop_runner.failures import AttemptFailed
from pgbackstop_runner.storage.stored_backup import StoredBackup
from pgbackstop_runner.system import meter, streams

_REMEDY = "Nothing was touched. Restore another backup, or one of its copies, and check the disk."


def check(found: StoredBackup) -> tuple[StoredFile, ...]:
    """Read every file back, two at a time; returns the files. Raises AttemptFailed (corrupt)."""
    backup, folder = found.backup, found.folder
    if not folder.is_dir():
        raise _damaged(f"The folder of backup {backup.id} is not there: {folder}.")
    try:
        files = found.files()
    except DamagedFiles as error:
        raise _damaged(error.problem) from error
    except OSError as error:
        raise _damaged(f"The files of backup {backup.id} cannot be read: {error.strerror}.") from error
    with meter.measured("read every byte", lambda: sum(each.size_bytes for each in files)):
        for problem in streams.side_by_side(lambda stored: _problem(folder, stored), files):
            if problem:
                raise _damaged(f"Backup {backup.id} is damaged: {problem}.")
    return files


def _damaged(problem: str) -> AttemptFailed:
    return AttemptFailed(Reason.CORRUPT, problem, remedy=_REMEDY)


def _problem(folder: Path, stored: StoredFile) -> str:
    path = folder / stored.path
    try:
        # A link could lead to bytes that somebody changes after they were checked.
        status = os.lstat(path)
        if not stat.S_ISREG(status.st_mode):
            return f"{stored.path} is no file"
        if status.st_size != stored.size_bytes:
            return f"{stored.path} has {status.st_size} bytes instead of {stored.size_bytes}"
        if streams.digest(path, stored.path) != stored:
            return f"the content of {stored.path} does not match its checksum"
    except (FileNotFoundError, NotADirectoryError):
        return f"{stored.path} is no file"
    except OSError as error:
        return f"{stored.path} cannot be read ({error.strerror})"
    return ""
