"""What is stored where: read from the catalog, the WAL's indexes and states, and the disks of folders."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from pgbackstop_catalog.config.storage import FolderStorage
from pgbackstop_catalog.decisions import usage
from pgbackstop_catalog.decisions.usage import Share, StorageUsage, Usage
from pgbackstop_catalog.decisions.wal_copies import WalCopyState
from pgbackstop_catalog.store import layout, wal_index
from pgbackstop_catalog.text import is_name
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
    """That of each server, in the storage of its archive and in those that it was copied to."""
    for storage, server, folder in _archives(workspace):
        own = wal_index.Index(folder).refresh().values()
        if any(each.is_segment for each in own):
            share = Share(storage, server, "", "WAL")
            yield Usage(share=share, size_bytes=sum(each.there_bytes for each in own), count=len(own))
    for storage, server in workspace.state.wal_copied():
        state = workspace.said(WalCopyState, workspace.state.wal_copy(storage, server))
        if state is not None and state.stored_bytes:
            share = Share(storage, server, "", "WAL")
            yield Usage(share=share, size_bytes=state.stored_bytes, count=state.segments)


def _archives(workspace: Workspace) -> Iterator[tuple[str, str, Path]]:
    """Storage, server and folder: those of the configuration, and of servers that were renamed or removed."""
    servers = workspace.config.servers
    for server in servers:
        yield workspace.wal_storage(server), server, workspace.wal_archive(server)
    for name, storage in workspace.config.storages.items():
        if isinstance(storage, FolderStorage):
            parent = storage.path / layout.wal_folder("server").parent
            for folder in sorted(parent.iterdir()) if parent.is_dir() else ():
                if folder.name not in servers and is_name(folder.name):
                    yield name, folder.name, folder


def _room(workspace: Workspace, name: str, stored_bytes: int) -> int | None:
    """What is left of the disk but the reserve, or of the limit that was set; None where nobody knows."""
    storage = workspace.config.storages.get(name)
    if isinstance(storage, FolderStorage):
        free = files.free_bytes(storage.path)
        return None if free is None else free - storage.reserve
    return None if storage is None or storage.size_limit is None else storage.size_limit - stored_bytes
