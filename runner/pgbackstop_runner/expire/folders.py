"""What retention lets go: marked as expired in the catalog first, then removed from its storage."""

from __future__ import annotations

import errno
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path

from pgbackstop_catalog import errors
from pgbackstop_catalog.records.backup import Backup
from pgbackstop_runner.expire import remove
from pgbackstop_runner.storage import stored_backup
from pgbackstop_runner.system import log, state_folder
from pgbackstop_runner.workspace import Workspace

_NOT_OURS = (stored_backup.Refused, stored_backup.NotConfigured)


class _Stays(Exception):
    """A backup that is to go stays this time."""


def expire(workspace: Workspace, going: Iterable[Backup], now: datetime) -> Iterator[str]:
    """Expire them, none before what is built on it; a sentence for each thing that stays."""
    needed: dict[str | None, str] = {}
    for backup in sorted(going, key=lambda each: each.id, reverse=True):
        try:
            yield from _expire_one(workspace, backup.id, needed.get(backup.id), now)
        except (_Stays, *_NOT_OURS) as reason:
            needed[backup.parent] = backup.id
            yield str(reason)


def _expire_one(workspace: Workspace, backup_id: str, child: str | None, now: datetime) -> Iterable[str]:
    """Mark one backup as expired, then remove its bytes; a sentence for each thing that is left.

    Raises _Stays, as where ``child`` does, which is built on it; Refused, NotConfigured, CatalogError.
    """
    if child is not None:
        raise _Stays(f"{backup_id} stays: {child} is built on it")
    try:
        with workspace.state.held(state_folder.lease_name(backup_id), "A restore of it"):
            backup = workspace.catalog.backup(backup_id)  # a pin or a verdict may have come since
            if backup.is_available and backup.is_pinned(now):
                raise _Stays(f"{backup.id} stays: it was pinned meanwhile")
            folder = _folder(workspace, backup)
            problems = _mark(workspace, backup.evolve(expired_at=now))
            if problems is None:
                problems = remove.remove(folder) if folder is not None else ()
            workspace.state.discard_lease(backup.id)
    except errors.Busy:
        raise _Stays(f"{backup_id} is in use, and is left for the next time") from None
    log.logger().info("expired", plan=backup.plan, database=backup.database or None, backup=backup.id)
    return problems


def _mark(workspace: Workspace, expired: Backup) -> tuple[str, ...] | None:
    """Write the mark; where the disk is too full for that, remove the bytes first to make the room.

    Returns None when the bytes are still to be removed. Raises CatalogError.
    """
    try:
        workspace.catalog.put(expired)
    except errors.CatalogError as error:
        folder = _folder(workspace, expired)
        if folder is None or not _is_full_disk(error):
            raise
        problems = remove.remove(folder)
        workspace.catalog.put(expired)
        return problems
    return None


def _is_full_disk(error: errors.CatalogError) -> bool:
    cause = error.__cause__
    return isinstance(cause, OSError) and cause.errno in {errno.ENOSPC, errno.EDQUOT}


def remove_leftovers(workspace: Workspace, backup: Backup) -> Iterable[str]:
    """Try once more what an earlier run could not remove."""
    try:
        folder = _folder(workspace, backup)
    except _NOT_OURS:
        return ()  # said when it expired; nothing here can be done about it
    return remove.remove(folder) if folder is not None and remove.leftovers(folder) else ()


def _folder(workspace: Workspace, backup: Backup) -> Path | None:
    """The backup's folder; None where its record names none. Raises Refused, NotConfigured."""
    try:
        return stored_backup.place(workspace.config, backup).folder
    except stored_backup.NoPlace:
        return None


def is_gone(workspace: Workspace, backup: Backup) -> bool:
    """Whether nothing is left that the record would be needed for."""
    try:
        folder = _folder(workspace, backup)
    except _NOT_OURS:
        return False
    return folder is None or not remove.leftovers(folder)


def is_without_files(workspace: Workspace, backup: Backup) -> bool:
    """Whether somebody removed what the record speaks of, or mounted an older state of the storage."""
    try:
        return stored_backup.place(workspace.config, backup).is_gone()
    except (stored_backup.NoPlace, *_NOT_OURS):
        return False
