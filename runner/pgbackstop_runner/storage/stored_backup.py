"""Where a backup's bytes are: the one answer, for everything that reads, proves, copies or removes them."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from pgbackstop_catalog import errors, regular_file
from pgbackstop_catalog.config.configuration import Config
from pgbackstop_catalog.records import codec, file_list
from pgbackstop_catalog.records.backup import Backup, StoredFile
from pgbackstop_catalog.store import atomic, layout
from pgbackstop_runner.storage import identity
from pgbackstop_runner.system import log
from pgbackstop_runner.workspace import Workspace


class Refused(errors.PgbackstopError):
    """A record names a place that its backup cannot have; nothing there is touched."""


class NotConfigured(errors.ConfigError):
    """A backup's storage is no folder of the configuration."""


class NoPlace(errors.NotFound):
    """A record names no place: nothing was stored, or it is gone."""


class Lost(errors.CatalogError):
    """A backup was in a storage that another one has taken the place of."""


@dataclass(frozen=True, kw_only=True)
class StoredBackup:
    """A backup and the folder of its bytes, which need not be there; the BackupFiles in it."""

    backup: Backup
    folder: Path

    def files(self) -> tuple[StoredFile, ...]:
        return file_list.files(self.backup, self._list, self._size)

    def open(self, name: str) -> BinaryIO:
        return self.path(name).open("rb")

    def where(self, name: str) -> str:
        return str(self.path(name))

    def write(self, record: Backup) -> None:
        """Replace the record beside the bytes. Raises OSError."""
        atomic.sweep_abandoned(self.folder)  # what a writer that was killed left
        atomic.write(self.path(layout.RECORD_NAME), codec.encode(record))

    def path(self, name: str) -> Path:
        """A file for a tool that needs a path."""
        return self.folder / name

    def is_gone(self) -> bool:
        """Whether a file is not there, or of another size; what we may not look at is not called gone."""
        try:
            wrong = (self._size(each.path) != each.size_bytes for each in self.backup.files)
            return not self.folder.exists() or any(wrong)
        except OSError:
            return False

    def _list(self) -> bytes | None:
        try:
            return regular_file.read(self.path(layout.CHECKSUMS_NAME), codec.MOST_BYTES)
        except FileNotFoundError:
            return None
        except regular_file.Unusual as error:
            raise file_list.damaged_list(self.backup, f"cannot be read: {error.strerror}") from None

    def _size(self, name: str) -> int | None:
        try:
            return os.lstat(f"{self.folder}/{name}").st_size
        except (FileNotFoundError, NotADirectoryError):
            return None


def find(workspace: Workspace, backup: Backup) -> StoredBackup:
    """Where the backup is, in a storage that is there. Raises as ``place`` does, and NotThere, Lost."""
    found, storage = place(workspace.config, backup), str(backup.storage)
    identity.require(workspace, storage)
    if not found.folder.exists() and (where := identity.lost(workspace, storage, backup.started_at)):
        raise Lost(
            f"Backup {backup.id} is {where}.",
            remedy="Take a newer backup or one of its copies, or bring the old storage back with "
            f"'pgbackstop storage create {storage} --replace'.",
        )
    return found


def place(config: Config, backup: Backup) -> StoredBackup:
    """The place that the record names, whether or not anything is there.

    Raises NoPlace, NotConfigured, and Refused for one that cannot be this backup's.
    """
    if backup.storage is None or backup.location is None:
        raise NoPlace(f"The record of backup {backup.id} names no folder.")
    try:
        storage = config.folder(backup.storage).path
    except (KeyError, TypeError):
        raise NotConfigured(
            f"Backup {backup.id} is in storage {backup.storage!r}, which is no folder of the configuration.",
            remedy="Put the storage back into the configuration, under that name.",
        ) from None
    folder = storage / backup.location
    if folder.name != backup.id:
        raise Refused(f"The record of backup {backup.id} names {folder}, which is not its folder.")
    if folder.parent.resolve() != storage.resolve() / Path(backup.location).parent:
        raise Refused(
            f"{folder.parent} leads elsewhere by a symbolic link; nothing behind it is touched.",
            remedy="Let the storage's path lead to the real place.",
        )
    return StoredBackup(backup=backup, folder=folder)


def find_known(workspace: Workspace, backup: Backup) -> StoredBackup | None:
    """The same as ``find``; None where the record leads nowhere. Raises NotThere."""
    try:
        return find(workspace, backup)
    except (NoPlace, NotConfigured, Refused, Lost):
        return None


def write_beside(workspace: Workspace, record: Backup) -> None:
    """Let the record beside the bytes say what the catalog says; where that is not possible, it is logged."""
    try:
        stored = find_known(workspace, record)
        if stored is None or not stored.folder.is_dir():
            return
        stored.write(record)
    except (OSError, errors.PgbackstopError) as error:
        log.logger().warning("the verdict is in the catalog only", backup=record.id, message=str(error))
