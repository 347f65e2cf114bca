"""Removing a backup's folder: by its record only, never outside its storage, never through a symlink.

<id>            → <id>.expired           one rename; from here on nothing takes it for a backup
<id>.expired    → nothing                file by file; what cannot be removed is left to the next time
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from pgbackstop_catalog import atomic, errors
from pgbackstop_catalog.config import Config
from pgbackstop_catalog.config.storage import FolderStorage
from pgbackstop_catalog.records import Backup

EXPIRED_SUFFIX = ".expired"


class Refused(errors.PgbackstopError):
    """A record names a place that its backup cannot have; nothing there is touched."""


def folder_of(config: Config, backup: Backup) -> Path | None:
    """Where the backup's bytes are; None where the record names none. Raises Refused."""
    if backup.storage is None or backup.location is None:
        return None
    storage = config.storages.get(backup.storage)
    if not isinstance(storage, FolderStorage):
        raise Refused(
            f"Backup {backup.id} is in storage {backup.storage!r}, which is no folder of the configuration.",
            remedy="Name the storage again, or remove the bytes by hand.",
        )
    folder = storage.path / backup.location
    if folder.name != backup.id:
        raise Refused(f"The record of backup {backup.id} names {folder}, which is not its folder.")
    if folder.parent.resolve() != storage.path.resolve() / Path(backup.location).parent:
        raise Refused(
            f"{folder.parent} leads elsewhere by a symbolic link; nothing behind it is removed.",
            remedy="Let the storage's path lead to the real place.",
        )
    return folder


def leftovers(folder: Path) -> tuple[Path, ...]:
    """What is still there of a backup that is to be gone."""
    return tuple(path for path in (folder, _expired(folder)) if os.path.lexists(path))


def remove(folder: Path) -> tuple[str, ...]:
    """Remove a backup's folder; returns a sentence for each thing that could not be removed."""
    expired = _expired(folder)
    problems: list[str] = []
    try:
        if folder.is_symlink():
            return (f"{folder} is a symbolic link, and is left alone",)
        if folder.exists() and not os.path.lexists(expired):
            folder.rename(expired)
            atomic.sync_folder(folder.parent)
    except OSError as error:
        problems.append(_sentence(folder, error))
    for path in leftovers(folder):
        problems += _remove_tree(path)
    return tuple(problems)


def _remove_tree(path: Path) -> list[str]:
    if path.is_symlink():
        return [f"{path} is a symbolic link, and is left alone"]
    problems: list[str] = []

    def note(_function: object, name: str, info: tuple[type, BaseException, object]) -> None:
        # A folder that still holds something is no news: that something has been named.
        if isinstance(info[1], OSError) and not _is_full_folder(name):
            problems.append(_sentence(Path(name), info[1]))

    shutil.rmtree(path, onerror=note)
    return problems


def _is_full_folder(name: str) -> bool:
    try:
        return any(Path(name).iterdir())
    except OSError:
        return False


def _expired(folder: Path) -> Path:
    return folder.with_name(folder.name + EXPIRED_SUFFIX)


def _sentence(path: Path, error: OSError) -> str:
    return f"{path} cannot be removed: {error.strerror or error}"
