"""The operations on disk, in ``state/operations``: a record, what each wrote, and its exit code.

Reads and writes files: call it in a thread.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from pgbackstop_catalog import errors
from pgbackstop_catalog.model import utc_now
from pgbackstop_catalog.records import codec
from pgbackstop_catalog.store import atomic
from pgbackstop_runner.console.operation import Operation
from pgbackstop_runner.system import exit_file, log
from pgbackstop_runner.system.state_folder import StateFolder

# What was written beyond that is cut off at the front, once it has ended.
_MOST_LOGGED: Final = 256 * 1024


def write(folder: StateFolder, operation: Operation) -> None:
    """Put it on record, durably; of one that has ended, less is kept. Raises CatalogError."""
    path = _file(folder, operation.id, "json")
    try:
        folder.make(path.parent)
        atomic.write(path, codec.encode(operation))
    except OSError as error:
        raise errors.CatalogError(
            f"The operation cannot be put on record: {path}: {error.strerror}.",
            remedy="Check the disk, the folder's owner and mode.",
        ) from error
    if not operation.is_running:
        _tidy(folder, operation.id)


def every(folder: StateFolder) -> list[Operation]:
    """All on record, the oldest first; what is no record is told in the log and left out."""
    found = []
    for path in folder.operations.glob("*.json"):
        try:
            found.append(codec.read(Operation, path))
        except (OSError, errors.CatalogError) as error:
            log.logger().warning("no operation", problem=str(error))
    return sorted(found, key=lambda each: (each.started_at, each.id))


def open_log(folder: StateFolder, operation_id: str) -> int:
    """A descriptor of the file that it writes into, made where it is not there. Raises OSError."""
    path = _file(folder, operation_id, "log")
    flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    return os.open(path, flags, atomic.FILE_MODE)


def exit_path(folder: StateFolder, operation_id: str) -> Path:
    """The file that its exit code is written into by itself."""
    return _file(folder, operation_id, "exit")


def exit_code(folder: StateFolder, operation_id: str) -> int | None:
    """The exit code that it wrote; None where it was killed before."""
    return exit_file.read(exit_path(folder, operation_id))


def last_sign(folder: StateFolder, operation_id: str) -> datetime:
    """When it last wrote anything: no later is known of one that ended when nobody looked."""
    times = []
    for suffix in ("exit", "log"):
        try:
            times.append(_file(folder, operation_id, suffix).stat().st_mtime)
        except OSError:
            continue
    return datetime.fromtimestamp(max(times), UTC) if times else utc_now()


def _tidy(folder: StateFolder, operation_id: str) -> None:
    """Keep the end of what it wrote."""
    try:
        exit_path(folder, operation_id).unlink(missing_ok=True)
        path = _file(folder, operation_id, "log")
        if path.exists() and path.stat().st_size > _MOST_LOGGED:
            with path.open("rb") as whole:
                whole.seek(-_MOST_LOGGED, os.SEEK_END)
                atomic.write(path, whole.read(), durable=False)
    except OSError as error:
        log.logger().warning("not tidied", operation=operation_id, problem=error.strerror)


def remove(folder: StateFolder, operation_id: str) -> None:
    """Forget it. What cannot be removed is so the next time, or stays."""
    for suffix in ("exit", "log", "json"):  # the record last: without it nobody would find the others
        try:
            _file(folder, operation_id, suffix).unlink(missing_ok=True)
        except OSError as error:
            log.logger().warning("not removed", operation=operation_id, problem=error.strerror)


def _file(folder: StateFolder, operation_id: str, suffix: str) -> Path:
    return folder.operations / f"{operation_id}.{suffix}"
