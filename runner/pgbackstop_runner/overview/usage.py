"""What is stored where: read from the catalog, the WAL's indexes and states, and the disks of folders."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from pgbackstop_catalog.config.storage import FolderStorage
from pgbackstop_catalog.decisions import usage, wal_copies
from pgbackstop_catalog.decisions.usage import Share, StorageUsage, Usage
from pgbackstop_catalog.decisions.wal_copies import WalCopyState
from pgbackstop_catalog.store import wal_index
from pgbackstop_runner.system import files
from pgbackstop_runner.workspace import Workspace


@dataclass(frozen=True, kw_only=True)
class DiskUsage:
    """The largest shares first, and every storage that is configured or holds something."""

    shares: tuple[Usage, ...]
    storages: tuple[StorageUsage, ...]


def read(workspace: Workspace, now: datetime) -> DiskUsage:
    """Speak to no remote storage: what is there stands on record. Raises CatalogError, OSError."""
    found = list(usage.stored(workspace.catalog.backups(), workspace.catalog.copies()))
    shares = [*usage.shares(found, now), *_wal(workspace)]
    names = dict.fromkeys((*workspace.config.storages, *(each.share.storage for each in shares)))
    return DiskUsage(
        shares=tuple(sorted(shares, key=lambda each: (each.share.storage, -each.size_bytes))),
        storages=tuple(
            StorageUsage(
                storage=name,
                size_bytes=(size := sum(each.size_bytes for each in shares if each.share.storage == name)),
                growth=usage.growth(found, name, now),
                room_bytes=_room(workspace, name, size),
            )
            for name in names
        ),
    )


def _wal(workspace: Workspace) -> Iterator[Usage]:
    """That of each server, in the storage of its archive and in those that it is copied to."""
    for server in workspace.config.servers:
        own = wal_index.Index(workspace.wal_archive(server)).refresh().values()
        if own:
            share = Share(workspace.wal_storage(server), server, "", "WAL")
            yield Usage(share=share, size_bytes=sum(each.there_bytes for each in own), count=len(own))
        for storage in wal_copies.storages(workspace.config, server):
            state = workspace.said(WalCopyState, workspace.state.wal_copy(storage, server))
            if state is not None and state.stored_bytes:
                share = Share(storage, server, "", "WAL")
                yield Usage(share=share, size_bytes=state.stored_bytes, count=state.segments)


def _room(workspace: Workspace, name: str, stored_bytes: int) -> int | None:
    """What is left of the disk but the reserve, or of the limit that was set; None where nobody knows."""
    storage = workspace.config.storages.get(name)
    if isinstance(storage, FolderStorage):
        free = files.free_bytes(storage.path)
        return None if free is None else free - storage.reserve
    return None if storage is None or storage.size_limit is None else storage.size_limit - stored_bytes
