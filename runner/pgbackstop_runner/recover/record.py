"""The record of a recovery: written before anything is touched, closed with what came of it."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path

from pgbackstop_catalog import errors
from pgbackstop_catalog.decisions.recovery import RecoveryPlan
from pgbackstop_catalog.model import utc_now
from pgbackstop_catalog.records.attempt import Reason, Status
from pgbackstop_catalog.records.backup import Backup
from pgbackstop_catalog.records.ids import new_id
from pgbackstop_catalog.records.restore import Restore
from pgbackstop_runner.journal.restore import Journal, here, reread
from pgbackstop_runner.notify import restore_events
from pgbackstop_runner.storage.sources import Source
from pgbackstop_runner.system import log
from pgbackstop_runner.workspace import Workspace


@contextlib.contextmanager
def recorded(workspace: Workspace, plan: RecoveryPlan, data: Path) -> Iterator[Journal]:
    """A running record, closed as succeeded or failed; whoever is notified hears of its begin and its end.

    Raises Busy where the directory is being filled.
    """
    backup, now = plan.backup, utc_now()
    record = Restore(
        id=new_id(now),
        what="recover",
        server=backup.server,
        plan=backup.plan,
        backup=backup.id,
        target=str(data),
        target_kind=plan.target.kind,
        target_value=plan.target.value,
        method="into",
        status=Status.RUNNING,
        started_at=now,
        source_size_bytes=backup.source_size_bytes,
    ).evolve(**here())
    with workspace.state.held(_lock_name(record.target), f"A recovery into {data}"):
        current = Journal(workspace=workspace, record=record)
        current.save()
        try:
            restore_events.started(workspace, current.record)
            yield current
        except BaseException as error:
            with contextlib.suppress(errors.CatalogError):  # the first error is the one to tell
                restore_events.finished(workspace, current.fail(log.as_error(error, restore=record.id)))
            raise
        restore_events.finished(workspace, current.succeed())


def reads(current: Journal, backup: Backup, source: Source, notes: Iterable[str]) -> None:
    """Put on record which backup it became, where its bytes are from and why, and what was passed over."""
    current.note(
        plan=backup.plan,
        backup=backup.id,
        copy_in=source.storage,
        source_reason=source.reason,
        source_size_bytes=backup.source_size_bytes,
    )
    for text in (*source.passed_over, *notes):
        current.warn(text)


def reconcile(workspace: Workspace) -> tuple[Restore, ...]:
    """Close the running records of dead recoveries; each says what is to be done. Raises CatalogError."""
    running = [
        restore
        for restore in list(workspace.catalog.restores())
        if restore.what == "recover"
        and restore.status is Status.RUNNING
        and workspace.is_own(restore.server)
        and workspace.knows_fate_of(restore)
    ]
    return tuple(closed for restore in running if (closed := _close(workspace, restore)) is not None)


def _close(workspace: Workspace, restore: Restore) -> Restore | None:
    """None where it is running after all, or has ended by itself since its record was read."""
    try:
        with workspace.state.held(_lock_name(restore.target), restore.target):
            now = reread(workspace, restore)
            if now.status is not Status.RUNNING:
                return None
            closed = _interrupted(now)
            workspace.catalog.put(closed)
    except errors.Busy:
        return None
    log.logger().warning("closed as interrupted", restore=closed.id, message=closed.message)
    return closed


def _interrupted(restore: Restore) -> Restore:
    return restore.evolve(
        status=Status.INTERRUPTED,
        reason=Reason.INTERRUPTED,
        step="",
        finished_at=utc_now(),
        message=f"The process that made it (pid {restore.pid} on {restore.host}) ended in step "
        f"{restore.step!r}. {_left(restore)}",
    )


def _left(restore: Restore) -> str:
    if restore.step in {"replay", "check result"}:
        return f"The server in {restore.target} may run by itself: see RECOVER.md there."
    return f"What is in {restore.target} is unfinished and does not start: empty it and recover again."


def _lock_name(target: str) -> str:
    return f"recover-{hashlib.sha256(target.encode(errors='surrogateescape')).hexdigest()[:16]}"
