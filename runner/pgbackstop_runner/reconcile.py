"""After a crash: what a dead process left is closed and swept, before anything new begins.

Only with the plan's lock in hand: a running record of a plan that nobody holds is a dead process's.
"""

from __future__ import annotations

import contextlib
from pathlib import Path

from pgbackstop_catalog import atomic, codec, errors, layout
from pgbackstop_catalog.records import Backup, Proof, Reason, Status
from pgbackstop_catalog.values import utc_now
from pgbackstop_runner import locks, log, notify
from pgbackstop_runner.attempt import STAGING_SUFFIX, remove_tree
from pgbackstop_runner.workspace import Workspace


def lock_name(plan: str) -> str:
    """The lock of a plan: one run of it at a time."""
    return f"plan-{plan}"


def verify_lock(plan: str) -> str:
    """The lock of a plan's proofs: one verify of it at a time, beside its backups."""
    return f"verify-{plan}"


def everything(workspace: Workspace) -> None:
    """Reconcile every plan that is not running now, configured or not. Raises CatalogError."""
    for plan in sorted({*workspace.config.plans, *workspace.catalog.plans()}):
        with contextlib.suppress(errors.Busy), locks.held(workspace.catalog.root, lock_name(plan), plan):
            one_plan(workspace, plan)


def one_plan(workspace: Workspace, plan: str) -> tuple[Backup, ...]:
    """Close the running records of a plan whose lock is held; returns them as they are now."""
    for kind in ("backups", "proofs"):
        sweep_temporary(workspace.catalog.root / kind / plan)
    closed: list[Backup] = []
    for record in list(workspace.catalog.backups(plan)):
        if record.status is Status.RUNNING:
            closed.append(_close(workspace, record))
    name = verify_lock(plan)
    with contextlib.suppress(errors.Busy), locks.held(workspace.catalog.root, name, plan):
        close_proofs(workspace, plan)
    return tuple(closed)


def close_proofs(workspace: Workspace, plan: str) -> None:
    """Close what a verify that was killed left; its lock is held. The backups stay as on record."""
    for proof in list(workspace.catalog.proofs(plan)):
        if proof.proof == "verify" and proof.status is Status.RUNNING:
            _close_proof(workspace, proof)


def _close_proof(workspace: Workspace, proof: Proof) -> None:
    with contextlib.suppress(errors.NotFound):
        record = workspace.catalog.backup(proof.backup)
        folder = _folder(workspace, record)
        if folder is not None:
            remove_tree(folder.with_name(folder.name + STAGING_SUFFIX))
            sweep_temporary(folder)
            write_beside(workspace, record)
    message = f"The process that made it (pid {proof.pid} on {proof.host}) ended without a word."
    workspace.catalog.put(
        proof.but(
            status=Status.INTERRUPTED, reason=Reason.INTERRUPTED, finished_at=utc_now(), message=message
        )
    )
    log.logger().warning("verify closed as interrupted", plan=proof.plan, backup=proof.backup)


def write_beside(workspace: Workspace, record: Backup) -> None:
    """Let the record beside the bytes say what the catalog says; where that is not possible, it is logged."""
    folder = _folder(workspace, record)
    if folder is None or not folder.is_dir():
        return
    try:
        atomic.write(folder / layout.RECORD_NAME, codec.encode(record))
    except OSError as error:
        log.logger().warning(
            "the verdict is in the catalog only", backup=record.id, message=str(error.strerror or error)
        )


def _close(workspace: Workspace, record: Backup) -> Backup:
    folder = _folder(workspace, record)
    message = f"The process that made it (pid {record.pid} on {record.host}) ended without a word."
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
    closed = record.but(
        status=Status.INTERRUPTED,
        reason=Reason.INTERRUPTED,
        finished_at=utc_now(),
        location=None,
        message=message,
    )
    workspace.catalog.put(closed)
    log.logger().warning("closed as interrupted", plan=record.plan, backup=record.id)
    notify.backup_finished(workspace, closed)
    return closed


def _adopt(workspace: Workspace, folder: Path, committed: Backup) -> Backup:
    sweep_temporary(folder)
    workspace.catalog.put(committed)
    log.logger().info("found complete after a crash", plan=committed.plan, backup=committed.id)
    return committed


def _folder(workspace: Workspace, record: Backup) -> Path | None:
    if record.storage is None or record.location is None:
        return None
    try:
        storage = workspace.config.folder(record.storage)
    except (KeyError, TypeError):
        return None  # the storage was taken out of the configuration
    return storage.path / record.location


def _commit_mark(folder: Path | None) -> Backup | None:
    if folder is None or not (folder / layout.RECORD_NAME).exists():
        return None
    path = folder / layout.RECORD_NAME
    return codec.decode(Backup, path.read_bytes(), where=str(path))


def sweep_temporary(folder: Path) -> None:
    """Remove what a crash left of atomic writes in a folder."""
    for path in folder.glob(f".*{atomic.TEMPORARY_SUFFIX}"):
        if atomic.is_temporary(path):
            path.unlink(missing_ok=True)
