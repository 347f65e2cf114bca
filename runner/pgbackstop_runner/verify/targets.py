"""Which backups are to be verified. Pure but for the catalog that it reads."""

from __future__ import annotations

from collections.abc import Iterable

from pgbackstop_catalog import errors
from pgbackstop_catalog.records.attempt import Reason, Status
from pgbackstop_catalog.records.backup import Backup
from pgbackstop_runner.storage import backup_files
from pgbackstop_runner.workspace import Workspace


def select(
    workspace: Workspace, name: str | None, *, every: bool, storage: str | None = None
) -> dict[str, tuple[Backup, ...]]:
    """The backups by plan: of a plan or of all of them, the newest of each database, or every one kept.

    ``name`` is a plan, or the beginning of a backup's id. An incremental backup brings those under it,
    oldest first. In a further ``storage`` a copy may have outlived what it is of. Raises NotFound where there
    is nothing, ConfigError for ``every`` with one backup.
    """
    known = {*workspace.config.plans, *workspace.catalog.plans()}
    if name is not None and name not in known:
        return _one(workspace, name, storage, every=every)
    plans = [name] if name is not None else workspace.own_plans()
    found = {plan: _of_plan(workspace, plan, storage, every=every) for plan in plans}
    if not any(found.values()):
        whose = f"Plan {name} has" if name else "There is"
        raise errors.NotFound(f"{whose} no good backup.", remedy="Make one with 'pgbackstop backup'.")
    return {plan: backups for plan, backups in found.items() if backups}


def is_readable(backup: Backup) -> bool:
    """Whether there are bytes to read: of a good backup, or of one that was found corrupt."""
    condemned = backup.status is Status.FAILED and backup.reason is Reason.CORRUPT and bool(backup.file_count)
    return backup.is_available or (condemned and backup.location is not None and backup.expired_at is None)


def newest(backups: Iterable[Backup]) -> tuple[Backup, ...]:
    """The newest good one of each database; ``backups`` are of one plan, the newest first."""
    found: dict[str, Backup] = {}
    for backup in backups:
        if backup.is_available:
            found.setdefault(backup.database, backup)
    return tuple(found.values())


def with_parents(wanted: Iterable[Backup], backups: Iterable[Backup]) -> tuple[Backup, ...]:
    """Each backup once, after those that it is built on."""
    by_id = {backup.id: backup for backup in backups if is_readable(backup)}
    found: dict[str, Backup] = {}
    for each in wanted:
        chain = {each.id: each}
        link = each
        while link.parent in by_id and link.parent not in chain:
            link = by_id[link.parent]
            chain[link.id] = link
        found |= {backup.id: found.get(backup.id, backup) for backup in reversed(chain.values())}
    return tuple(found.values())


def _of_plan(workspace: Workspace, plan: str, storage: str | None, *, every: bool) -> tuple[Backup, ...]:
    backups = _known(workspace, plan, storage)
    wanted = [each for each in backups if each.is_available] if every else newest(backups)
    return with_parents(wanted, backups)


def _known(workspace: Workspace, plan: str, storage: str | None) -> list[Backup]:
    """The plan's attempts, those that the storage holds as they are there."""
    backups = list(workspace.catalog.backups(plan))
    if storage is None:
        return backups
    there = {each.id: each for each in backup_files.in_storage(workspace.catalog, backups, storage)}
    return [there.get(each.id, each) for each in backups]


def _one(
    workspace: Workspace, name: str, storage: str | None, *, every: bool
) -> dict[str, tuple[Backup, ...]]:
    try:
        backup = workspace.catalog.backup(name)
    except errors.NotFound as error:
        plans = ", ".join(sorted(workspace.config.plans))
        raise errors.NotFound(
            f"There is no plan and no backup {name!r}.",
            remedy=f"The plans are: {plans}; for backups see 'pgbackstop list'.",
        ) from error
    if every:
        raise errors.ConfigError("--all goes with a plan, not with one backup.", remedy="Leave it out.")
    backups = _known(workspace, backup.plan, storage)
    backup = next((each for each in backups if each.id == backup.id), backup)
    if not is_readable(backup):
        state = "has expired" if backup.expired_at else f"is {backup.status.value}"
        raise errors.NotFound(
            f"Backup {backup.id} {state}: there is nothing to read.", remedy="See 'pgbackstop list'."
        )
    return {backup.plan: with_parents([backup], backups)}
