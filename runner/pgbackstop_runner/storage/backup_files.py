"""The files of a backup, read from a folder or straight from a storage that holds a copy."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import PurePosixPath
from typing import BinaryIO, ClassVar, Protocol

from pgbackstop_catalog import errors
from pgbackstop_catalog.records import codec, file_list
from pgbackstop_catalog.records.backup import Backup, StoredFile
from pgbackstop_catalog.records.copy import Copy
from pgbackstop_catalog.store import layout
from pgbackstop_catalog.store.protocol import Catalog
from pgbackstop_runner.storage import identity, stored_backup
from pgbackstop_runner.storage.protocol import ByteStore
from pgbackstop_runner.workspace import Workspace


class BackupFiles(Protocol):
    """The files of one backup."""

    def files(self) -> tuple[StoredFile, ...]:
        """Every one, as its record or the list beside them has it.

        Raises DamagedFiles, OSError, StoreError.
        """

    def open(self, name: str) -> BinaryIO:
        """A file's bytes from its beginning. Raises OSError, StoreError; so does reading."""

    def where(self, name: str) -> str:
        """The file's place, for people."""


@dataclass(frozen=True, kw_only=True)
class CopiedFiles:
    """Those of a copy; where it is encrypted, ``backup`` is the record beside it."""

    what: ClassVar[str] = "files"
    store: ByteStore
    storage: str
    backup: Backup

    def files(self) -> tuple[StoredFile, ...]:
        listed = self._path(layout.CHECKSUMS_NAME)
        return file_list.files(
            self.backup,
            lambda: self.store.read(listed) if listed in self._there else None,
            lambda name: self._there.get(self._path(name)),
        )

    def open(self, name: str) -> BinaryIO:
        return self.store.open(self._path(name), self._sizes[name])

    def where(self, name: str) -> str:
        return f"{self.storage}: {self._path(name)}"

    def require_whole(self) -> None:
        """Raises CatalogError where a file is not there, or not as long as it was stored; Sealed, StoreError.

        The smallest is opened: no identity that is missing is to be found later.
        """
        if problem := self.problem():
            raise errors.CatalogError(
                f"{problem}; nothing was touched.",
                remedy="Choose another backup, or another storage that has it.",
            )
        if self.store.encrypted_for is not None and self._sizes:
            with self.open(min(self._sizes, key=self._sizes.__getitem__)) as stream:
                stream.read(1)

    def as_stored(self) -> EncryptedFiles | None:
        """The same without an identity; None where the record beside an encrypted copy has no digests."""
        if self.backup.encryption is None or not self.backup.encryption.stored_sha256:
            return None
        return EncryptedFiles(store=self.store, storage=self.storage, backup=self.backup)

    def problem(self) -> str:
        """Which file is not there, or not as long as it was stored; "" where none is.

        Raises DamagedFiles, StoreError.
        """
        for name, size in self._sizes.items():
            found = self._there.get(self._path(name))
            if found != size:
                how = "is not there" if found is None else f"has {found} of {size} bytes"
                return f"{self.where(name)} {how}"
        return ""

    @cached_property
    def _there(self) -> dict[str, int]:
        return dict(self.store.files(str(self.backup.location)))

    @cached_property
    def _sizes(self) -> dict[str, int]:
        """How large each file is in the storage."""
        return self.backup.sizes_of_copy(self.files())

    def _path(self, name: str) -> str:
        return str(PurePosixPath(self.backup.location or "", name))


class EncryptedFiles(CopiedFiles):
    """Those of an encrypted copy as they are stored, for a host without an identity."""

    what = "files as they are encrypted"

    def files(self) -> tuple[StoredFile, ...]:
        encryption = self.backup.encryption
        digests = encryption.stored_sha256 if encryption else {}
        sizes = self.backup.sizes_of_copy(listed := super().files())
        try:
            return tuple(
                StoredFile(path=each.path, size_bytes=sizes[each.path], sha256=digests[each.path])
                for each in listed
            )
        except KeyError as error:
            raise file_list.damaged_list(self.backup, f"has no digest of {error}") from None

    def open(self, name: str) -> BinaryIO:
        return self.store.open_stored(self._path(name), self._sizes[name])


def find(workspace: Workspace, backup: Backup, storage: str | None = None) -> BackupFiles:
    """The backup's own folder, or its copy in ``storage``.

    Raises NoPlace, NotConfigured, Refused, NotThere, Lost, StoreError, CatalogError.
    """
    if storage is None:
        return stored_backup.find(workspace, backup)
    return copied(workspace, backup, storage)


def copied(workspace: Workspace, backup: Backup, storage: str) -> CopiedFiles:
    """The backup's copy in ``storage``. Raises Refused, NotThere, StoreError, CatalogError."""
    if PurePosixPath(backup.location or "").name != backup.id:
        raise stored_backup.Refused(
            f"The record of backup {backup.id} names {backup.location}, which is not its folder."
        )
    store = identity.require(workspace, storage)
    return CopiedFiles(store=store, storage=storage, backup=_as_copied(store, backup))


def _as_copied(store: ByteStore, backup: Backup) -> Backup:
    """The backup with how it is encrypted, which the record beside a copy tells."""
    if store.encrypted_for is None:
        return backup
    path = str(PurePosixPath(backup.location or "", layout.RECORD_NAME))
    return backup.evolve(encryption=codec.decode(Backup, store.read(path), where=path).encryption)


def in_storage(catalog: Catalog, backups: Sequence[Backup], storage: str) -> list[Backup]:
    """Those of the backups that the storage holds, as they are there. Raises CatalogError."""
    there = {each.backup for each in _copies(catalog, backups) if each.storage == storage}
    return [
        each.as_copied() if each.id in there else each
        for each in backups
        if each.id in there or each.storage == storage
    ]


def holders(catalog: Catalog, backups: Sequence[Backup]) -> frozenset[str]:
    """The storages that hold any of the backups, or a copy that has outlived one. Raises CatalogError."""
    copies = {each.storage for each in _copies(catalog, backups)}
    own = {each.storage for each in backups if each.storage is not None and each.is_available}
    return frozenset(copies | own)


def having_copies(catalog: Catalog) -> Callable[[Backup], bool]:
    """Whether some storage has a good copy of a backup; what a plan has is read once. Raises CatalogError."""

    @functools.cache
    def copied(plan: str) -> frozenset[str]:
        return frozenset(each.backup for each in catalog.copies(plan) if each.is_available)

    return lambda backup: backup.id in copied(backup.plan)


def _copies(catalog: Catalog, backups: Sequence[Backup]) -> Iterator[Copy]:
    """The good ones of these backups."""
    ids = {backup.id for backup in backups}
    for plan in {backup.plan for backup in backups}:
        for copy in catalog.copies(plan):
            if copy.backup in ids and copy.is_available:
                yield copy
