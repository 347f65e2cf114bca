"""Backups that a storage has and the catalog does not, or whose record cannot be read: they may need WAL.

What only they need is in the catalog's eyes needed by nobody, until the record is mended, or made anew by
'pgbackstop catalog rebuild'.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import PurePosixPath

from pgbackstop_catalog.records.backup import Backup
from pgbackstop_catalog.store import layout
from pgbackstop_catalog.store.protocol import Catalog
from pgbackstop_runner.storage.protocol import ByteStore


def in_store(store: ByteStore, server: str, known: Iterable[Backup]) -> tuple[str, ...]:
    """The ids of a server's physical backups there that are not among the known ones. Raises StoreError."""
    marks = (PurePosixPath(path) for path, _size in store.files(f"backups/physical/{server}"))
    found = {path.parent.name for path in marks if path.name == layout.RECORD_NAME}
    return tuple(sorted(found - {each.id for each in known}))


def among_copies(catalog: Catalog, store: ByteStore, storage: str, server: str) -> tuple[str, ...]:
    """The ids of those there that the catalog does not know to be there, as backups or as copies of some.

    Raises StoreError, CatalogError.
    """
    copied = {each.backup for each in catalog.copies() if each.storage == storage}
    known = (each for each in catalog.backups() if each.storage == storage or each.id in copied)
    return in_store(store, server, known)
