"""The end of copies: with their backups, or where their storage has a ``keep`` of its own, by that.

A copy that somebody reads (a lease of its backup) is left for the next time. One that cannot be removed keeps
no other from its end.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import PurePosixPath

from pgbackstop_catalog import errors
from pgbackstop_catalog.decisions import locks
from pgbackstop_catalog.model import format_time, utc_now
from pgbackstop_catalog.records.attempt import Status
from pgbackstop_catalog.records.backup import Backup
from pgbackstop_catalog.records.copy import Copy
from pgbackstop_catalog.store import layout
from pgbackstop_runner.copy import run, storage_retention
from pgbackstop_runner.storage import identity, unknown_backups
from pgbackstop_runner.storage.protocol import ByteStore, StoreError
from pgbackstop_runner.system import log, state_folder
from pgbackstop_runner.workspace import Workspace


@dataclass(frozen=True, kw_only=True)
class CopiesExpired:
    """A sentence for each copy that could not be removed, and for each that may not be yet."""

    problems: tuple[str, ...] = ()
    locked: tuple[str, ...] = ()


def of_plan(workspace: Workspace, plan_name: str, now: datetime) -> CopiesExpired:
    """Remove the plan's copies whose time is over, but for those that a lock holds still.

    Raises CatalogError.
    """
    run.close_dead(workspace, plan_name)
    verdicts = storage_retention.verdicts(workspace, plan_name, now)
    going = {(each.backup.id, each.storage) for each in verdicts if not each.kept}
    own_keep = {name for name, each in workspace.config.storages.items() if each.keep is not None}
    backups = {each.id: each for each in workspace.catalog.backups(plan_name)}
    unexpired = tuple(_unexpired(workspace, plan_name))
    leaving = (
        each
        for each in unexpired
        if (
            (each.backup, each.storage) in going
            if each.storage in own_keep
            else each.backup in backups and _has_left(backups[each.backup], now)
        )
    )
    return _remove_all(workspace, now, backups, unexpired, leaving)


def everything(workspace: Workspace, plan_name: str, now: datetime) -> CopiesExpired:
    """The same for all copies of the plan's expired backups but pinned ones, whatever their storage keeps."""
    run.close_dead(workspace, plan_name)
    backups = {each.id: each for each in workspace.catalog.backups(plan_name)}
    gone = {each.id for each in backups.values() if _has_left(each, now)}
    pinned = {each.id for each in backups.values() if each.expired_at is not None} - gone
    unexpired = tuple(_unexpired(workspace, plan_name))
    done = _remove_all(
        workspace, now, backups, unexpired, (each for each in unexpired if each.backup in gone)
    )
    staying = (
        f"The copy of {each.backup} in {each.storage} stays: it is pinned. "
        f"'pgbackstop unpin {each.backup}' lets it go."
        for each in unexpired
        if each.backup in pinned
    )
    return dataclasses.replace(done, problems=(*done.problems, *staying))


def outlived(workspace: Workspace, plan_name: str) -> frozenset[str]:
    """The ids of the plan's backups of which storages hold copies still, by a ``keep``, a lock or a child.

    Raises CatalogError.
    """
    storages = workspace.config.storages
    return frozenset(each.backup for each in _unexpired(workspace, plan_name) if each.storage in storages)


def _has_left(backup: Backup, now: datetime) -> bool:
    """Whether it has expired, and nobody pinned it since for its copies."""
    return backup.expired_at is not None and not backup.is_pinned(now)


def _unexpired(workspace: Workspace, plan_name: str) -> Iterator[Copy]:
    return (each for each in list(workspace.catalog.copies(plan_name)) if each.expired_at is None)


def _remove_all(
    workspace: Workspace,
    now: datetime,
    backups: dict[str, Backup],
    unexpired: Iterable[Copy],
    leaving: Iterable[Copy],
) -> CopiesExpired:
    """The newest first, and none before what is built on it there."""
    problems: list[str] = []
    locked: list[str] = []
    built_on = _built_on(backups, unexpired)
    unknown = functools.cache(functools.partial(_unknown, workspace))
    for copy in sorted(leaving, key=lambda each: each.backup, reverse=True):
        backup, storage = backups[copy.backup], workspace.config.storages.get(copy.storage)
        until = locks.of_copy(storage, copy, now) if storage is not None else None
        if until is not None:
            when = format_time(until)
            locked.append(f"The copy of {copy.backup} in {copy.storage} may not be deleted before {when}")
        if until is not None or built_on[copy.backup, copy.storage]:
            continue
        said = unknown(copy.storage, copy.server) if copy.backup_type == "physical" else ()
        said = said or _expire(workspace, backup, copy)
        problems += said
        if not said:
            built_on[backup.parent or "", copy.storage].discard(backup.id)
    return CopiesExpired(problems=tuple(dict.fromkeys(problems)), locked=tuple(locked))


def _built_on(backups: dict[str, Backup], unexpired: Iterable[Copy]) -> dict[tuple[str, str], set[str]]:
    """By a backup's id and a storage, the incrementals that are there, or on their way, and built on it."""
    found: dict[tuple[str, str], set[str]] = defaultdict(set)
    for copy in unexpired:
        backup = backups.get(copy.backup)
        if backup is not None and backup.parent and copy.status in {Status.SUCCEEDED, Status.RUNNING}:
            found[backup.parent, copy.storage].add(backup.id)
    return found


def _unknown(workspace: Workspace, storage: str, server: str) -> tuple[str, ...]:
    """A sentence for each base backup there that nobody speaks for; what it is built on must not go."""
    if storage not in workspace.config.storages:
        return ()
    try:
        store = identity.require(workspace, storage)
        ids = unknown_backups.among_copies(workspace.catalog, store, storage, server)
    except errors.PgbackstopError as error:
        return (f"Copies in {storage} cannot be removed: {error}",)
    return tuple(
        f"Backup {each} in {storage} is not in the catalog, or a record of it cannot be read: no copy of a "
        f"base backup is removed there. 'pgbackstop catalog rebuild --storage {storage}' mends its records."
        for each in ids
    )


def _expire(workspace: Workspace, backup: Backup, copy: Copy) -> tuple[str, ...]:
    if copy.storage not in workspace.config.storages or backup.location is None:
        return ()  # nothing says any more where it is: the person who took the storage out knows
    if PurePosixPath(backup.location).name != backup.id:
        return (f"The record of backup {backup.id} names {backup.location}, which is not its folder",)
    try:
        store = identity.require(workspace, copy.storage)
        with workspace.state.held(state_folder.lease_name(backup.id), "A restore of it"):
            if workspace.catalog.backup(backup.id).is_pinned(utc_now()):
                return (f"The copy of {backup.id} in {copy.storage} stays: it was pinned meanwhile",)
            _remove(store, backup.location)
            workspace.catalog.put(copy.evolve(expired_at=utc_now()))
            workspace.state.discard_lease(backup.id)
    except errors.Busy:
        return (f"The copy of {backup.id} in {copy.storage} is in use, and is left for the next time",)
    except errors.PgbackstopError as error:
        return (f"The copy of {backup.id} in {copy.storage} cannot be removed: {error}",)
    log.logger().info("copy expired", plan=copy.plan, backup=copy.backup, storage=copy.storage)
    return ()


def _remove(store: ByteStore, location: str) -> None:
    """The commit mark first, so that what is half removed is not taken for a copy.

    A file that cannot be removed keeps no other one; the first such error is raised at the end.
    """
    mark = str(PurePosixPath(location, layout.RECORD_NAME))
    paths = [path for path, _size in store.files(location)]
    store.remove([path for path in paths if path == mark])
    _remove_each(store, [path for path in paths if path != mark])


def _remove_each(store: ByteStore, paths: Collection[str]) -> None:
    try:
        store.remove(paths)
    except StoreError:
        for path in paths:
            with contextlib.suppress(StoreError):
                store.remove([path])
        raise
