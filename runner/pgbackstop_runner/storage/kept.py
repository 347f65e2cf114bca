"""Whether a storage holds what the catalog keeps in it: what it is known by where its mark is gone."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from pgbackstop_catalog.decisions import wal_segments
from pgbackstop_catalog.records.backup import Backup
from pgbackstop_catalog.store import layout
from pgbackstop_runner.storage.protocol import ByteStore, StoreError
from pgbackstop_runner.workspace import Workspace

_LOOKED_FOR = 20  # kept backups


def places(workspace: Workspace, name: str) -> Iterator[str]:
    """Where backups lie that the catalog keeps in the storage: originals and copies, the newest first."""
    known: dict[str, Backup] = {}
    for backup in workspace.catalog.backups():  # no further than who asks goes on
        known[backup.id] = backup
        if backup.storage == name and backup.is_available and backup.location:
            yield backup.location
    for copy in workspace.catalog.copies():
        backup_of = known.get(copy.backup)
        if copy.storage == name and copy.is_available and backup_of is not None and backup_of.location:
            yield backup_of.location


def is_held(workspace: Workspace, name: str, store: ByteStore) -> bool:
    """Whether a kept backup is found in it, or the WAL archive of a server."""
    archives = (
        f"{layout.wal_folder(server)}/{wal_segments.IDENTITY_NAME}"
        for server, configured in workspace.config.servers.items()
        if (configured.wal.storage or workspace.config.first_folder) == name
    )
    return has_backup(workspace, name, store) or any(_has(store, path) for path in archives)


def has_backup(workspace: Workspace, name: str, store: ByteStore) -> bool:
    """Whether the commit mark of a kept backup is found in it."""
    looked_for = itertools.islice(places(workspace, name), _LOOKED_FOR)
    return any(_has(store, f"{location}/{layout.RECORD_NAME}") for location in looked_for)


def _has(store: ByteStore, path: str) -> bool:
    try:
        store.read(path)
    except StoreError:
        return False
    return True
