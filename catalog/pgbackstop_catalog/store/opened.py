"""The catalog of a place that the configuration names; psycopg is imported for a database, and only then."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from pgbackstop_catalog import errors

if TYPE_CHECKING:
    from pgbackstop_catalog.config.catalog_place import CatalogDatabase
    from pgbackstop_catalog.store.backup_list import BackupList
    from pgbackstop_catalog.store.known_summaries import KnownSummaries
    from pgbackstop_catalog.store.protocol import Catalog


def catalog(
    place: Path | CatalogDatabase, on_invalid_record: Callable[[errors.CatalogError], None]
) -> Catalog:
    """The catalog there; nothing is read yet."""
    if isinstance(place, Path):
        from pgbackstop_catalog.store.folder import FolderCatalog  # noqa: PLC0415 - pydantic, see backup_list

        return FolderCatalog(place, on_invalid_record=on_invalid_record)
    from pgbackstop_catalog.store.postgres.catalog import PostgresCatalog  # noqa: PLC0415 - psycopg

    return PostgresCatalog(place, on_invalid_record=on_invalid_record)


def backup_list(
    place: Path | CatalogDatabase,
    on_invalid_record: Callable[[errors.CatalogError], None],
    known: KnownSummaries | None = None,
) -> BackupList:
    """What lists read of the catalog there; of a folder without the model, and no file that is ``known``."""
    if isinstance(place, Path):
        from pgbackstop_catalog.store.backup_list import FolderBackupList  # noqa: PLC0415 - only one of them

        return FolderBackupList(place, on_invalid_record, known)
    from pgbackstop_catalog.store.postgres.backup_list import PostgresBackupList  # noqa: PLC0415 - psycopg

    return PostgresBackupList(place, on_invalid_record)
