"""Where the bytes of a recovery come from: the folder that backups are written to, or a further storage."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable

from pgbackstop_catalog.decisions import wal_segments
from pgbackstop_catalog.records.backup import Backup
from pgbackstop_runner.storage import backup_files, identity, sources, stored_backup
from pgbackstop_runner.storage.sources import Source
from pgbackstop_runner.wal import archive_reader
from pgbackstop_runner.wal.archive_reader import Archive
from pgbackstop_runner.workspace import Workspace


def candidates(workspace: Workspace, server: str, wanted: str | None) -> tuple[Source, ...]:
    """Every storage that a recovery of the server may read, the nearest first; or ``wanted`` alone.

    Raises NotFound, CatalogError.
    """
    own = workspace.wal_storage(server)
    if wanted is not None:
        workspace.storage(wanted)
        return (Source(storage=None if wanted == own else wanted, reason=sources.ASKED_FOR),)
    backups = list(workspace.catalog.physical_backups(server))
    there = backup_files.holders(workspace.catalog, backups) - {own}
    holders = [name for name in sources.nearest_first(workspace.config) if name in there]
    if (workspace.wal_archive(server) / wal_segments.IDENTITY_NAME).exists() or _has_own(workspace, backups):
        return tuple(Source(storage=name, reason=sources.NEAREST) for name in (None, *holders))
    lacks = f"{own} holds no backup and no WAL of {server}"
    found = tuple(Source(storage=name, reason=lacks) for name in holders)
    return found or (Source(storage=None, reason="there is no other"),)


def archive(workspace: Workspace, server: str, wanted: str | None = None) -> tuple[Source, Archive]:
    """The nearest archive of the server's WAL that can be read, or the one in ``wanted``.

    Raises NotFound, CatalogError, StoreError, AttemptFailed.
    """
    return sources.first_usable(
        f"The WAL archive of {server}",
        workspace.wal_storage(server),
        candidates(workspace, server, wanted),
        lambda each: archive_reader.read(workspace, server, each.storage),
    )


def _has_own(workspace: Workspace, backups: Iterable[Backup]) -> bool:
    """Whether one of the backups is where its record says; a storage that is not there has none."""
    for each in backups:
        with contextlib.suppress(identity.NotThere):
            found = stored_backup.find_known(workspace, each) if each.is_available else None
            if found is not None and found.folder.is_dir():
                return True
    return False
