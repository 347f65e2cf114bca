"""Stored backups read again, as ``verify`` of the configuration says: the longest not read come first."""

from __future__ import annotations

from collections.abc import Iterator
from zoneinfo import ZoneInfo

from pgbackstop_catalog import errors
from pgbackstop_catalog.decisions import reread
from pgbackstop_catalog.decisions.reread import Turns
from pgbackstop_catalog.model import utc_now
from pgbackstop_catalog.records.backup import Backup
from pgbackstop_runner.storage import identity
from pgbackstop_runner.system import log
from pgbackstop_runner.verify import run, wal_reread
from pgbackstop_runner.verify.run import Asked, VerifyResult
from pgbackstop_runner.workspace import Workspace


def choose(workspace: Workspace, asked: Asked) -> Turns:
    """Whose turn it is at that due time, or now. Raises CatalogError."""
    catalog = workspace.catalog
    proofs = (each for plan in catalog.plans() for each in catalog.proofs(plan))
    due = asked.scheduled_for or utc_now()
    limits = workspace.config.verify
    day = due.astimezone(ZoneInfo(limits.timezone)).replace(hour=0, minute=0, second=0, microsecond=0)
    spent = wal_reread.spent(workspace, day)
    return reread.choose(_kept(workspace), proofs, limits, due, spent=spent)


def read(workspace: Workspace, turns: Turns, asked: Asked) -> Iterator[VerifyResult]:
    """Read these. A plan that is being verified already is left for the next time.

    Raises CatalogError, Interrupted.
    """
    log.logger().info("reading again", backups=len(turns.now), left=turns.left)
    for turn in turns.now:
        backup = turn.backup
        log.logger().info("reading", plan=backup.plan, backup=backup.id, reason=turn.reason)
        try:
            yield from run.plan(workspace, backup.plan, [backup], whole=False, asked=asked)
        except errors.Busy as error:
            log.logger().warning("not read", plan=backup.plan, backup=backup.id, message=str(error))


def _kept(workspace: Workspace) -> list[Backup]:
    """Every kept backup of a storage that is there, or that is not configured, as its proof then says."""
    kept = [
        each
        for plan in workspace.catalog.plans()
        for each in workspace.catalog.backups(plan)
        if each.is_available
    ]
    away = identity.absent(workspace, {each.storage for each in kept})
    for problem in away.values():
        log.logger().warning("nothing is read there", message=problem)
    return [each for each in kept if each.storage not in away and not _is_lost(workspace, each)]


def _is_lost(workspace: Workspace, backup: Backup) -> bool:
    """Whether somebody has given it up with its storage."""
    return backup.storage is not None and bool(identity.lost(workspace, backup.storage, backup.started_at))
