"""A proof of a stored backup: every byte read back, the result on record.

After a backup it comes behind the commit, because reading takes its time and the backup must count meanwhile.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from pgbackstop_catalog import errors
from pgbackstop_catalog.model import utc_now
from pgbackstop_catalog.records.attempt import Reason, Status
from pgbackstop_catalog.records.backup import Backup
from pgbackstop_catalog.records.proof import Proof
from pgbackstop_runner.notify import backup_events
from pgbackstop_runner.storage import stored_backup
from pgbackstop_runner.system import log, origin, signals
from pgbackstop_runner.verify import reconcile
from pgbackstop_runner.verify.checks import VerifyRun
from pgbackstop_runner.workspace import Workspace


@dataclass(frozen=True, kw_only=True)
class Asked:
    """Who asks for a verify, and the due time that it is for; None where no schedule asked."""

    trigger: Literal["manual", "schedule", "catch-up"] = "manual"
    scheduled_for: datetime | None = None


BY_HAND = Asked()


@dataclass(frozen=True, kw_only=True)
class VerifyResult:
    """A proof, and the backup as it is after it."""

    proof: Proof
    backup: Backup

    @property
    def passed(self) -> bool:
        """Whether every check was made, and none found anything wrong."""
        return self.proof.status is Status.SUCCEEDED

    @property
    def is_damaged(self) -> bool:
        """Whether bytes were found wrong: the backup's own, or of the WAL archive."""
        return not self.passed and self.proof.reason in {Reason.CORRUPT, Reason.INCOMPLETE}


def after(workspace: Workspace, backups: Sequence[Backup]) -> tuple[Backup, ...]:
    """Verify what a plan has just made, if it wants that; the backups as they are then.

    What keeps a backup from being read is logged, and the backup stays as it is. Raises Interrupted.
    """
    made = [each for each in backups if each.status is Status.SUCCEEDED]
    if not made or not workspace.plan(made[0].plan).verify:
        return tuple(backups)
    now = {each.id: each for each in backups}
    try:
        for outcome in plan(workspace, made[0].plan, made, whole=False):
            now[outcome.backup.id] = outcome.backup
    except errors.PgbackstopError as error:
        log.logger().error("not verified", plan=made[0].plan, message=str(error))
    return tuple(now.values())


def plan(
    workspace: Workspace, plan_name: str, backups: Sequence[Backup], *, whole: bool, asked: Asked = BY_HAND
) -> Iterator[VerifyResult]:
    """Verify backups of one plan, one after the other. Raises Busy, CatalogError, Interrupted."""
    name = reconcile.verify_lock(plan_name)
    with workspace.state.held(name, f"A verify of plan {plan_name}"):
        reconcile.close_proofs(workspace, plan_name)
        read_before: set[str] = set()
        for backup in backups:
            with _leased(workspace, backup) as current:
                if current is not None:
                    found = VerifyRun(
                        workspace=workspace, backup=current, whole=whole, read_before=read_before
                    )
                    yield _one(workspace, found, asked)


@contextlib.contextmanager
def _leased(workspace: Workspace, backup: Backup) -> Iterator[Backup | None]:
    """The backup as it is now, kept from being expired with those under it; None where it has expired."""
    with contextlib.ExitStack() as leases:
        leases.enter_context(workspace.state.lease(backup.id))
        current = workspace.catalog.backup(backup.id)
        for parent in _parents(workspace, current):
            leases.enter_context(workspace.state.lease(parent))
        yield current if current.expired_at is None else None


def _parents(workspace: Workspace, backup: Backup) -> list[str]:
    parents: list[str] = []
    while backup.parent is not None and backup.parent not in parents:
        parents.append(backup.parent)
        try:
            backup = workspace.catalog.backup(backup.parent)
        except errors.NotFound:
            break
    return parents


def _one(workspace: Workspace, found: VerifyRun, asked: Asked) -> VerifyResult:
    backup = found.backup
    proof, start = begin(backup, asked), time.monotonic()
    workspace.catalog.put(proof)
    try:
        found.run()
    except errors.Interrupted as error:
        close(
            workspace, proof, start, status=Status.INTERRUPTED, reason=Reason.INTERRUPTED, message=str(error)
        )
        raise
    verdict, problem = _judge(backup, found), found.failure
    # The catalog first: what it says is believed, and it must not call a bad backup good for a moment longer.
    with signals.deferred():
        workspace.catalog.put(verdict)
        stored_backup.write_beside(workspace, verdict)
        closed = close(
            workspace,
            proof,
            start,
            status=Status.FAILED if problem else Status.SUCCEEDED,
            reason=problem.reason if problem else None,
            message=str(problem) if problem else "",
            checks=tuple(found.checks),
            tool=found.tool,
            read_bytes=found.read_bytes,
        )
    if verdict.status is Status.FAILED and backup.status is not Status.FAILED:
        backup_events.backup_finished(workspace, verdict)
    return VerifyResult(proof=closed, backup=verdict)


def begin(backup: Backup, asked: Asked) -> Proof:
    """A running proof of the backup, which is not on record yet."""
    begun = Proof.of(backup, "verify", started_at=utc_now())
    return begun.evolve(**origin.here(), trigger=asked.trigger, scheduled_for=asked.scheduled_for)


def close(workspace: Workspace, proof: Proof, start: float, **changes: object) -> Proof:
    """Put the proof on record as it ended; ``start`` is when it began, by the monotonic clock."""
    seconds = round(time.monotonic() - start, 3)
    done = proof.evolve(finished_at=utc_now(), duration_seconds=seconds, **changes)
    workspace.catalog.put(done)
    level = log.logger().info if done.status is Status.SUCCEEDED else log.logger().error
    level(
        f"verify {done.status}",
        plan=done.plan,
        database=done.database or None,
        backup=done.backup,
        storage=done.copy_in,
        duration_seconds=seconds,
        bytes=done.read_bytes,
        reason=done.reason,
        message=done.message or None,
    )
    return done


def _judge(backup: Backup, found: VerifyRun) -> Backup:
    """The backup with what was found. One that was condemned and is whole again is a good one again."""
    problem = found.own_failure
    if problem is None:
        return backup.evolve(
            status=Status.SUCCEEDED, reason=None, message="", verified_at=utc_now(), verification=found.tool
        )
    if found.condemns:
        # What somebody took note of before was something else.
        seen = backup.acknowledged if backup.is_damaged else None
        return backup.evolve(
            status=Status.FAILED,
            reason=Reason.CORRUPT,
            message=str(problem),
            verification="failed",
            acknowledged=seen,
        )
    if backup.verified_at is not None or backup.status is Status.FAILED:
        return backup  # what was known of it still is
    return backup.evolve(verification=f"not verified: {problem}")
