"""Stored backups and their copies read again, as ``verify`` says: the longest not read come first."""

from __future__ import annotations

from collections.abc import Iterator
from zoneinfo import ZoneInfo

from pgbackstop_catalog import errors
from pgbackstop_catalog.decisions import reread
from pgbackstop_catalog.decisions.reread import Kept, Turn, Turns
from pgbackstop_catalog.model import utc_now
from pgbackstop_runner.storage import identity
from pgbackstop_runner.system import log
from pgbackstop_runner.verify import copies, run, wal_reread
from pgbackstop_runner.verify.run import Asked, VerifyResult
from pgbackstop_runner.workspace import Workspace


def choose(workspace: Workspace, asked: Asked) -> Turns:
    """Whose turn it is at that due time, or now. Raises CatalogError."""
    catalog = workspace.catalog
    proofs = (each for plan in workspace.own_plans() for each in catalog.proofs(plan))
    due = asked.scheduled_for or utc_now()
    limits = workspace.config.verify
    day = due.astimezone(ZoneInfo(limits.timezone)).replace(hour=0, minute=0, second=0, microsecond=0)
    spent = wal_reread.spent(workspace, day)
    return reread.choose(_there(workspace), proofs, limits, due, spent=spent)


def read(workspace: Workspace, turns: Turns, asked: Asked) -> Iterator[VerifyResult]:
    """Read these. A plan that is being verified already is left for the next time.

    Raises CatalogError, Interrupted.
    """
    log.logger().info("reading again", turns=len(turns.now), left=turns.left)
    for turn in turns.now:
        plan, backup, storage = turn.backup.plan, turn.backup.id, turn.copy.storage if turn.copy else None
        log.logger().info("reading", plan=plan, backup=backup, storage=storage, reason=turn.reason)
        try:
            yield from _read(workspace, turn, asked)
        except errors.Busy as error:
            log.logger().warning("not read", plan=plan, backup=backup, storage=storage, message=str(error))


def _read(workspace: Workspace, turn: Turn, asked: Asked) -> Iterator[VerifyResult]:
    backup = turn.backup
    if turn.copy is None:
        return run.plan(workspace, backup.plan, [backup], whole=False, asked=asked)
    return copies.plan(workspace, backup.plan, [backup], turn.copy.storage, asked=asked)


def _there(workspace: Workspace) -> list[Kept]:
    """What is kept in storages that are there, or that are not configured, as its proof then says."""
    kept = [each for plan in workspace.own_plans() for each in _kept(workspace, plan)]
    away = identity.absent(workspace, {each.storage for each in kept})
    for problem in away.values():
        log.logger().warning("nothing is read there", message=problem)
    return [each for each in kept if each.storage not in away and not _is_lost(workspace, each)]


def _kept(workspace: Workspace, plan: str) -> Iterator[Kept]:
    """The plan's kept backups, and the copies that are to be read: of damaged backups as well, and of those
    that a storage keeps for longer."""
    backups = {each.id: each for each in workspace.catalog.backups(plan)}
    yield from (Kept(backup=each) for each in backups.values() if each.is_available)
    for copy in workspace.catalog.copies(plan):
        storage = workspace.config.storages.get(copy.storage)
        backup = backups.get(copy.backup)
        if storage is None or backup is None or not (storage.verify and copy.is_available):
            continue
        if backup.expired_at is None or storage.keep is not None:
            is_sealed = storage.encryption is not None and storage.encryption.is_sealed
            is_sealed = is_sealed and not copy.has_stored_digests
            yield Kept(backup=backup, copy=copy, is_sealed=is_sealed)


def _is_lost(workspace: Workspace, kept: Kept) -> bool:
    """Whether somebody has given it up with its storage."""
    stored_at = (kept.copy or kept.backup).started_at
    return kept.storage is not None and bool(identity.lost(workspace, kept.storage, stored_at))
