"""After a crash: what a dead process left is closed and swept, before anything new begins.

Only with the plan's lock in hand: a running record of a plan that nobody holds is a dead process's.
"""

from __future__ import annotations

import contextlib
from pathlib import Path

from pgbackstop_catalog import errors
from pgbackstop_catalog.model import utc_now
from pgbackstop_catalog.records import codec
from pgbackstop_catalog.records.attempt import Reason, Status
from pgbackstop_catalog.records.backup import Backup
from pgbackstop_catalog.store import atomic, layout
from pgbackstop_runner.copy import run as copy_run
from pgbackstop_runner.notify import backup_events
from pgbackstop_runner.storage import identity, stored_backup
from pgbackstop_runner.system import log
from pgbackstop_runner.system.files import remove_tree
from pgbackstop_runner.verify import reconcile
from pgbackstop_runner.workspace import Workspace


def lock_name(plan: str) -> str:
    """The lock of a plan: one run of it at a time."""
    return f"plan-{plan}"


def everything(workspace: Workspace) -> None:
    """Reconcile every plan of this host that is not running now, configured or not. Raises CatalogError."""
    for name, problem in identity.absent(workspace, workspace.config.storages).items():
        log.logger().error("a storage is not there", storage=name, message=problem)
    for plan in workspace.own_plans():
        with contextlib.suppress(errors.Busy), workspace.state.held(lock_name(plan), plan):
            one_plan(workspace, plan)


def one_plan(workspace: Workspace, plan: str) -> tuple[Backup, ...]:
    """Close the running records of a plan whose lock is held; returns them as they are now."""
    workspace.catalog.sweep(plan)
    workspace.state.sweep()
    closed: list[Backup] = []
    for record in list(workspace.catalog.backups(plan)):
        if _left_something(record) and workspace.knows_fate_of(record):
            try:
                closed.append(_close(workspace, record))
            except identity.NotThere as error:
                # Its commit mark may stand there: it is closed when the storage is back.
                log.logger().warning("not closed", plan=plan, backup=record.id, message=str(error))
    copy_run.close_dead(workspace, plan)
    name = reconcile.verify_lock(plan)
    with contextlib.suppress(errors.Busy), workspace.state.held(name, plan):
        reconcile.close_proofs(workspace, plan)
    return tuple(closed)


def _left_something(record: Backup) -> bool:
    """Whether it says that it runs, or was taken from this host, by another one that could not sweep here."""
    return record.status is Status.RUNNING or (
        record.status is Status.INTERRUPTED and record.location is not None
    )


def _close(workspace: Workspace, record: Backup) -> Backup:
    stored = stored_backup.find_known(workspace, record)
    folder = stored.folder if stored else None
    message = (
        record.message
        or f"The process that made it (pid {record.pid} on {record.host}) ended without a word."
    )
    try:
        committed = _commit_mark(folder)
    except errors.NewerRecord:
        raise
    except errors.CatalogError as error:
        # What cannot be read may still be what somebody needs: it stays, and says so.
        message = f"{message} {error.problem}"
    else:
        if folder is not None and committed is not None:
            return _adopt(workspace, folder, committed)
        if folder is not None:
            for leftover in (folder, folder.with_name(folder.name + layout.PARTIAL_SUFFIX)):
                remove_tree(leftover)
    closed = record.evolve(
        status=Status.INTERRUPTED,
        reason=Reason.INTERRUPTED,
        finished_at=record.finished_at or utc_now(),
        location=None,
        message=message,
    )
    workspace.catalog.put(closed)
    log.logger().warning("closed as interrupted", plan=record.plan, backup=record.id)
    if record.status is Status.RUNNING:
        backup_events.backup_finished(workspace, closed)
    return closed


def _adopt(workspace: Workspace, folder: Path, committed: Backup) -> Backup:
    atomic.sweep(folder)
    workspace.catalog.put(committed)
    log.logger().info("found complete after a crash", plan=committed.plan, backup=committed.id)
    return committed


def _commit_mark(folder: Path | None) -> Backup | None:
    if folder is None or not (folder / layout.RECORD_NAME).exists():
        return None
    path = folder / layout.RECORD_NAME
    return codec.read(Backup, path)
