"""Where the bytes of a recovery come from: the folder that backups are written to, or a further storage."""

from __future__ import annotations

import contextlib

from pgbackstop_catalog.decisions import wal_segments
from pgbackstop_catalog.records.backup import Backup
from pgbackstop_runner.storage import backup_files, identity, sources, stored_backup
from pgbackstop_runner.storage.sources import Source
from pgbackstop_runner.workspace import Workspace


def choose(workspace: Workspace, server: str, wanted: str | None) -> Source:
    """The storage that was asked for, else the nearest that has something. Raises NotFound, CatalogError."""
    return candidates(workspace, server, wanted)[0]


def candidates(workspace: Workspace, server: str, wanted: str | None) -> tuple[Source, ...]:
    """Every storage that a recovery of the server may read, the nearest first; or ``wanted`` alone.

    Raises NotFound, CatalogError.
    """
    own = workspace.wal_storage(server)
    if wanted is not None:
        workspace.storage(wanted)
        return (Source(storage=None if wanted == own else wanted, reason=sources.ASKED_FOR),)
    there = backup_files.holders(workspace.catalog, _available(workspace, server)) - {own}
    holders = [name for name in sources.nearest_first(workspace.config) if name in there]
    if (workspace.wal_archive(server) / wal_segments.IDENTITY_NAME).exists() or _has_own(workspace, server):
        return tuple(Source(storage=name, reason=sources.NEAREST) for name in (None, *holders))
    lacks = f"{own} holds no backup and no WAL of {server}"
    found = tuple(Source(storage=name, reason=lacks) for name in holders)
    return found or (Source(storage=None, reason="there is no other"),)


def _has_own(workspace: Workspace, server: str) -> bool:
    """Whether one of the backups is where its record says; a storage that is not there has none."""
    for each in _available(workspace, server):
        with contextlib.suppress(identity.NotThere):
            found = stored_backup.find_known(workspace, each)
            if found is not None and found.folder.is_dir():
                return True
    return False


def _available(workspace: Workspace, server: str) -> list[Backup]:
    return [each for each in workspace.catalog.physical_backups(server) if each.is_available]
