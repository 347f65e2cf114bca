"""What expire leaves in a WAL archive for further storages that have not got it yet, and how that is told.

What a storage has is known by the copier's own notes: it may be away.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pgbackstop_catalog import units
from pgbackstop_catalog.decisions import wal_copies, wal_holds
from pgbackstop_catalog.decisions.wal_copies import WalCopyState
from pgbackstop_catalog.decisions.wal_holds import Waiting, WalHold
from pgbackstop_catalog.decisions.wal_segments import Entry
from pgbackstop_catalog.model import utc_now
from pgbackstop_catalog.records import codec
from pgbackstop_catalog.records.backup import Backup
from pgbackstop_catalog.store import atomic
from pgbackstop_catalog.store.wal_index import Index
from pgbackstop_runner.storage import backup_files
from pgbackstop_runner.system import log
from pgbackstop_runner.wal import readings
from pgbackstop_runner.workspace import Workspace

LEAST_FREE = (
    0.1  # of the archive's disk; a receiver that finds it full stops, and then the server's disk fills
)


@dataclass(frozen=True, kw_only=True)
class Holds:
    """Which of the segments that nothing here needs stay, and who waits for any of them."""

    going: tuple[Entry, ...]
    held: frozenset[str]
    storages: tuple[Waiting, ...]
    is_short: bool = False


def find(workspace: Workspace, server: str, going: Sequence[Entry]) -> Holds:
    """What stays of these segments; nothing where the disk is nearly full. Raises OSError, CatalogError."""
    storages = tuple(_waiting(workspace, server, [each.name for each in going]))
    is_short = bool(storages) and _is_short(workspace, server)
    limit = 0.0 if is_short else workspace.server(server).wal.hold_for_copies
    held = wal_holds.held(going, storages, limit, utc_now())
    return Holds(going=tuple(going), held=held, storages=storages, is_short=is_short)


def tell(workspace: Workspace, server: str, found: Holds) -> Iterator[str]:
    """Write what is held for each storage; a sentence for each that lacks for good what was removed."""
    needed = {each.storage: each.needed for each in found.storages}
    for storage in wal_copies.storages(workspace.config, server):
        given_up = needed.get(storage, frozenset()) - found.held
        try:
            _write(workspace, server, storage, found, len(given_up), waits=storage in needed)
        except OSError as error:
            log.logger().warning("the state cannot be written", server=server, reason=error.strerror)
        if given_up:
            yield _lost(workspace, server, storage, found, given_up)


def _lost(workspace: Workspace, server: str, storage: str, found: Holds, names: frozenset[str]) -> str:
    limit = units.format_exact_duration(workspace.server(server).wal.hold_for_copies)
    why = (
        f"the disk of the archive has less than {LEAST_FREE:.0%} free"
        if found.is_short
        else f"it was archived more than {limit} ago (wal.hold_for_copies)"
    )
    return (
        f"WAL of {server} went before {storage} had it ({units.format_count(len(names), 'segment')}, "
        f"{min(names)} to {max(names)}), because {why}: {storage} has a gap there."
    )


def _waiting(workspace: Workspace, server: str, names: Sequence[str]) -> Iterator[Waiting]:
    for storage in wal_copies.storages(workspace.config, server):
        state = workspace.said(WalCopyState, workspace.state.wal_copy(storage, server))
        listed = Index(workspace.state.wal_copy_index(storage, server)).refresh().keys()
        # Only from here can the copier send those again.
        has = listed - readings.damaged(workspace.state.wal_copy_readings(storage, server))
        refused = state.conflicts if state else ()
        found = wal_holds.waiting(storage, _there(workspace, server, storage), names, {*has, *refused})
        if found is not None:
            yield found


def _there(workspace: Workspace, server: str, storage: str) -> list[Backup]:
    """The base backups in a storage; a copy that goes with its backup, and is not pinned, needs none."""
    backups, now = list(workspace.catalog.physical_backups(server)), utc_now()
    if workspace.config.storages[storage].keep is None:
        backups = [each for each in backups if each.expired_at is None or each.is_pinned(now)]
    return backup_files.in_storage(workspace.catalog, backups, storage)


def _is_short(workspace: Workspace, server: str) -> bool:
    disk = shutil.disk_usage(workspace.wal_archive(server))
    return disk.free < LEAST_FREE * disk.total


def _write(
    workspace: Workspace, server: str, storage: str, found: Holds, given_up: int, *, waits: bool
) -> None:
    path = workspace.state.wal_hold(storage, server)
    now = utc_now()
    before = workspace.said(WalHold, path) or WalHold(server=server, storage=storage, updated_at=now)
    kept = [each for each in found.going if waits and each.name in found.held]
    after = before.evolve(
        updated_at=now,
        segments=len(kept),
        stored_bytes=sum(each.size_bytes for each in kept),
        given_up=before.given_up + given_up,
        given_up_at=now if given_up else before.given_up_at,
    )
    if after == before.evolve(updated_at=now) and path.exists():
        return
    workspace.state.make(path.parent)
    atomic.write(path, codec.encode(after), shared=True)
