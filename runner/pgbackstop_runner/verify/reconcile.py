"""After a crash: the proofs that a killed verify left running are closed."""

from __future__ import annotations

import contextlib

from pgbackstop_catalog import errors
from pgbackstop_catalog.model import utc_now
from pgbackstop_catalog.records.attempt import Reason, Status
from pgbackstop_catalog.records.proof import Proof
from pgbackstop_catalog.store import atomic
from pgbackstop_runner.storage import identity, stored_backup
from pgbackstop_runner.system import files, log
from pgbackstop_runner.workspace import Workspace


def verify_lock(plan: str) -> str:
    """The lock of a plan's proofs: one verify of it at a time, beside its backups."""
    return f"verify-{plan}"


def close_proofs(workspace: Workspace, plan: str) -> None:
    """Close what a verify that was killed left; its lock is held. The backups stay as on record."""
    for proof in list(workspace.catalog.proofs(plan)):
        is_running = proof.proof == "verify" and proof.status is Status.RUNNING
        if is_running and workspace.knows_fate_of(proof):
            _close_proof(workspace, proof)


def _close_proof(workspace: Workspace, proof: Proof) -> None:
    with contextlib.suppress(errors.NotFound, identity.NotThere):
        record = workspace.catalog.backup(proof.backup)
        stored = stored_backup.find_known(workspace, record)
        if stored is not None:
            folder = stored.folder
            files.remove_tree(folder.with_name(folder.name + files.STAGING_SUFFIX))
            atomic.sweep(folder)
            stored_backup.write_beside(workspace, record)
    message = f"The process that made it (pid {proof.pid} on {proof.host}) ended without a word."
    workspace.catalog.put(
        proof.evolve(
            status=Status.INTERRUPTED, reason=Reason.INTERRUPTED, finished_at=utc_now(), message=message
        )
    )
    log.logger().warning("verify closed as interrupted", plan=proof.plan, backup=proof.backup)
