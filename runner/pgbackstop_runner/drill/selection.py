"""What a drill is made with: the newest backup of each database, or a moment of the recovery window."""

from __future__ import annotations

import dataclasses
import re
import secrets
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from pgbackstop_catalog import errors
from pgbackstop_catalog.decisions import drills, recovery
from pgbackstop_catalog.decisions.recovery import Target
from pgbackstop_catalog.model import format_time
from pgbackstop_catalog.records.attempt import Status
from pgbackstop_catalog.records.backup import Backup
from pgbackstop_catalog.records.proof import DrillKind
from pgbackstop_runner.drill.physical import DrillTarget
from pgbackstop_runner.drill.record import Trigger
from pgbackstop_runner.recover import source
from pgbackstop_runner.storage import backup_files, sources
from pgbackstop_runner.storage.sources import Source
from pgbackstop_runner.wal import archive_reader
from pgbackstop_runner.wal.archive_reader import Archive
from pgbackstop_runner.workspace import Workspace

_ID: Final = re.compile(r"\d{8}T")


@dataclass(frozen=True, kw_only=True)
class DrillRequest:
    """What was asked for. ``kind`` None is what suits the plan; ``seed`` makes a random moment again.

    ``backup`` is the one to be restored; the newest where there is none. ``storage`` is the one whose copy is
    to be proven; the nearest where there is none. ``in_turn``: it was chosen because it was its turn.
    """

    kind: DrillKind | None = None
    databases: tuple[str, ...] = ()
    backup: Backup | None = None
    time: Target | None = None
    seed: int | None = None
    storage: str | None = None
    in_turn: bool = False
    trigger: Trigger = "manual"
    scheduled_for: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class DrillChoice:
    """One drill to be made; ``aim`` is None for a logical one, whose copy in ``storage`` is proven."""

    kind: DrillKind
    backup: Backup
    aim: DrillTarget | None = None
    storage: str | None = None


class NothingYet(errors.ValidationError):
    """The plan has never had a good backup: there is nothing that a drill could prove or disprove."""


def plans(workspace: Workspace, name: str | None, kind: DrillKind | None) -> tuple[str, ...]:
    """The plans of that name, of that server, or all that are not paused. Raises NotFound, ConfigError."""
    configured = workspace.config.plans
    if name is None:
        named = [each for each, plan in configured.items() if plan.enabled]
    elif name in configured:
        named = [name]
    else:
        named = [each for each, plan in configured.items() if plan.server == name]
    if not named:
        known = ", ".join(sorted({*configured, *workspace.config.servers}))
        raise errors.NotFound(f"There is no plan or server {name!r}.", remedy=f"There are: {known}.")
    found = [each for each in named if kind is None or configured[each].is_logical == (kind == "logical")]
    if not found:
        raise errors.ConfigError(
            f"{name or 'The configuration'} has no plan for a {kind} drill.",
            remedy="--logical is for logical plans, --physical and --pitr are for physical ones.",
        )
    return tuple(found)


def backup(workspace: Workspace, name: str | None) -> Backup | None:
    """The backup of that id, or beginning of one; None for another name. Raises NotFound, CatalogError."""
    if name is None or name in workspace.config.plans or not _ID.match(name):
        return None
    return workspace.catalog.backup(name)


def kinds(workspace: Workspace, plan_name: str, request: DrillRequest) -> tuple[DrillKind, ...]:
    """The kinds of drills that one plan gets, in their order. Raises NotFound."""
    plan = workspace.plan(plan_name)
    if request.backup is not None:
        return ("logical" if request.backup.backup_type == "logical" else "physical",)
    if plan.is_logical:
        return ("logical",)
    if request.time is not None:
        return ("pitr",)
    if request.kind is not None:
        return (request.kind,)
    return ("physical", "pitr") if workspace.server(plan.server).wal.enabled else ("physical",)


def in_turn(workspace: Workspace, plan_name: str, request: DrillRequest) -> DrillRequest:
    """The request, with the storage whose turn it is where the plan wants that and nothing was named.

    Raises NotFound, CatalogError.
    """
    plan = workspace.plan(plan_name)
    is_named = request.backup or request.time or request.storage
    if is_named or not plan.drill.copies_in_turn:
        return request
    there = backup_files.holders(workspace.catalog, list(workspace.catalog.backups(plan_name)))
    holders = [name for name in plan.copies if name in there]
    turn = drills.whose_turn((None, *holders), workspace.catalog.proofs(plan_name))
    return dataclasses.replace(request, storage=turn, in_turn=True)


def choices(
    workspace: Workspace, plan_name: str, kind: DrillKind, request: DrillRequest
) -> tuple[DrillChoice, ...]:
    """The drills of one kind. Raises NothingYet, ValidationError, NotFound, CatalogError."""
    if request.storage is not None:
        workspace.storage(request.storage)
    if request.backup is not None:
        return (_named(workspace, request.backup, request.storage),)
    if kind == "logical":
        return _logical(workspace, plan_name, request)
    if kind == "physical":
        return (_newest_physical(workspace, plan_name, request.storage),)
    return (_to_a_moment(workspace, plan_name, request),)


def about(workspace: Workspace, plan_name: str) -> Backup | None:
    """The plan's newest good backup, else the newest that once was: what it is that cannot be drilled."""
    once_good = [
        each
        for each in workspace.catalog.backups(plan_name)
        if each.status is Status.SUCCEEDED or each.verification == "failed"
    ]
    return next((each for each in once_good if each.is_available), next(iter(once_good), None))


def _kept(workspace: Workspace, plan_name: str, storage: str | None) -> list[Backup]:
    """The plan's good backups, of which that storage has the bytes. Raises NothingYet, NotFound."""
    every = list(workspace.catalog.backups(plan_name))
    own = [each for each in every if each.is_available]
    if storage is None and own:
        return own
    there = backup_files.in_storage(workspace.catalog, every, storage) if storage is not None else []
    found = [each for each in there if each.is_available]
    if not own and not found:
        raise _none(workspace, plan_name)
    if not found:
        raise errors.NotFound(
            f"The storage {storage} holds no good backup of plan {plan_name}.",
            remedy="'pgbackstop copy' makes the copies that a plan lacks.",
        )
    return found


def _logical(workspace: Workspace, plan_name: str, request: DrillRequest) -> tuple[DrillChoice, ...]:
    newest: dict[str, Backup] = {}
    for backup in _kept(workspace, plan_name, request.storage):
        if backup.backup_type == "logical":
            newest.setdefault(backup.database, backup)
    if not newest:
        raise _none(workspace, plan_name)
    databases = request.databases
    if missing := [name for name in databases if name not in newest]:
        raise errors.NotFound(
            f"Plan {plan_name} has no good backup of {', '.join(missing)}.", remedy="See 'pgbackstop list'."
        )
    return tuple(
        DrillChoice(kind="logical", backup=backup, storage=request.storage)
        for name, backup in sorted(newest.items())
        if not databases or name in databases
    )


def _named(workspace: Workspace, chosen: Backup, storage: str | None) -> DrillChoice:
    if chosen.expired_at is not None and backup_files.having_copies(workspace.catalog)(chosen):
        storage = storage or sources.of_backup(workspace, chosen)[0].storage
    elif not chosen.is_available:
        state = "expired" if chosen.expired_at else chosen.status.value
        raise errors.ValidationError(
            f"Backup {chosen.id} cannot be drilled: it is {state}.", remedy="Drill one that is available."
        )
    if chosen.backup_type == "logical":
        return DrillChoice(kind="logical", backup=chosen, storage=storage)
    return _physical(workspace, chosen, storage, "the backup was asked for")


def _newest_physical(workspace: Workspace, plan_name: str, storage: str | None) -> DrillChoice:
    newest = _kept(workspace, plan_name, storage)[0]
    return _physical(workspace, newest, storage, "the plan's newest backup")


def _physical(workspace: Workspace, chosen: Backup, storage: str | None, reason: str) -> DrillChoice:
    """That backup, with all WAL that follows it."""
    archived = workspace.server(chosen.server).wal.enabled
    target = Target(kind="latest" if archived else "immediate")
    read = _archive(workspace, chosen.server, storage)
    aim = _aim(workspace, chosen.server, target, reason, read, backup_id=chosen.id)
    return DrillChoice(kind="physical", backup=aim.backup, aim=aim)


def _to_a_moment(workspace: Workspace, plan_name: str, request: DrillRequest) -> DrillChoice:
    server = workspace.plan(plan_name).server
    read = _archive(workspace, server, request.storage)
    if request.time is not None:
        aim = _aim(workspace, server, request.time, "the moment was asked for", read)
        return DrillChoice(kind="pitr", backup=aim.backup, aim=aim)
    windows = archive_reader.windows(workspace, server, read.archive)
    seed = request.seed if request.seed is not None else secrets.randbelow(2**32)
    try:
        moment = drills.choose_moment(windows, seed)
    except ValueError:
        if about(workspace, plan_name) is None:
            raise _none(workspace, plan_name) from None
        raise errors.ValidationError(
            f"Server {server} has no recovery window: there is no physical backup to begin from.",
            remedy="Make one: 'pgbackstop backup PLAN'.",
        ) from None
    target = recovery.parse_time(moment.at.isoformat())
    aim = _aim(workspace, server, target, moment.reason, read)
    return DrillChoice(kind="pitr", backup=aim.backup, aim=aim)


@dataclass(frozen=True, kw_only=True)
class _Read:
    """An archive that could be read, from the first of the sources."""

    archive: Archive
    sources: tuple[Source, ...]


def _archive(workspace: Workspace, server: str, wanted: str | None) -> _Read:
    """The nearest archive that can be read, or the one in that storage."""
    candidates = source.candidates(workspace, server, wanted)
    used, found = source.archive(workspace, server, wanted)
    further = candidates[[each.storage for each in candidates].index(used.storage) + 1 :]
    return _Read(archive=found, sources=(used, *further))


def _aim(
    workspace: Workspace,
    server: str,
    target: Target,
    reason: str,
    read: _Read,
    *,
    backup_id: str | None = None,
) -> DrillTarget:
    known = archive_reader.known(workspace, server, read.archive)
    chosen = recovery.choose(target, known, backup_id=backup_id)
    words = f"{reason}: {format_time(target.moment)}" if target.moment else reason
    return DrillTarget(target=target, chosen=chosen, reason=words, sources=read.sources)


def _none(workspace: Workspace, plan_name: str) -> errors.ValidationError:
    kind = NothingYet if about(workspace, plan_name) is None else errors.ValidationError
    return kind(
        f"Plan {plan_name} has no good backup to drill with.",
        remedy=f"Make one: 'pgbackstop backup {plan_name}'.",
    )
