"""The files of a backup, read from a folder or straight from a storage that holds a copy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO, Protocol

from pgbackstop_catalog import errors
from pgbackstop_catalog.records.backup import Backup, Status
from pgbackstop_catalog.store.protocol import Catalog
from pgbackstop_runner.storage import identity, stored_backup
from pgbackstop_runner.storage import open as storages
from pgbackstop_runner.storage.protocol import ByteStore
from pgbackstop_runner.workspace import Workspace


class BackupFiles(Protocol):
    """The files of one backup."""

    def open(self, name: str) -> BinaryIO:
        """A file's bytes from its beginning. Raises OSError, StoreError; so does reading."""

    def where(self, name: str) -> str:
        """The file's place, for people."""


@dataclass(frozen=True, kw_only=True)
class FolderFiles:
    """Those in a folder."""

    folder: Path

    def open(self, name: str) -> BinaryIO:
        return (self.folder / name).open("rb")

    def where(self, name: str) -> str:
        return str(self.folder / name)


@dataclass(frozen=True, kw_only=True)
class CopiedFiles:
    """Those of a copy."""

    store: ByteStore
    storage: str
    backup: Backup

    def open(self, name: str) -> BinaryIO:
        size = next(file.size_bytes for file in self.backup.files if file.path == name)
        return self.store.open(self._path(name), size)

    def where(self, name: str) -> str:
        return f"{self.storage}: {self._path(name)}"

    def require_whole(self) -> None:
        """Raises CatalogError where a file is not there, or not as long as its record says."""
        sizes = dict(self.store.files(str(self.backup.location)))
        for file in self.backup.files:
            found = sizes.get(self._path(file.path))
            if found != file.size_bytes:
                how = "is not there" if found is None else f"has {found} of {file.size_bytes} bytes"
                raise errors.CatalogError(
                    f"{self.where(file.path)} {how}; nothing was touched.",
                    remedy="Choose another backup with --backup, or another storage with --from.",
                )

    def _path(self, name: str) -> str:
        return str(PurePosixPath(self.backup.location or "", name))


def find(workspace: Workspace, backup: Backup, storage: str | None = None) -> BackupFiles:
    """The backup's own folder, or its copy in ``storage``.

    Raises NoPlace, NotConfigured, Refused, NotThere, Lost.
    """
    if storage is None:
        return FolderFiles(folder=stored_backup.find(workspace, backup).folder)
    if PurePosixPath(backup.location or "").name != backup.id:
        raise stored_backup.Refused(
            f"The record of backup {backup.id} names {backup.location}, which is not its folder."
        )
    identity.require(workspace, storage)
    store = storages.open_store(storage, workspace.config.storages[storage])
    return CopiedFiles(store=store, storage=storage, backup=backup)


def in_storage(catalog: Catalog, backups: Sequence[Backup], storage: str) -> list[Backup]:
    """Those of the backups that the storage holds. Raises CatalogError."""
    there = {
        each.backup
        for plan in {backup.plan for backup in backups}
        for each in catalog.copies(plan)
        if each.storage == storage and each.status is Status.SUCCEEDED and each.expired_at is None
    }
    return [each for each in backups if each.id in there or each.storage == storage]
