"""Copies read back from further storages, every byte compared with the record; nothing is kept of them.

The record has the hash of each file as it was when the backup itself was checked, so that what is equal is as
good as that; without an identity, what is encrypted is compared with what was sent. A damaged copy condemns
itself alone: ``copy`` makes it again while the backup is whole.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence

from pgbackstop_catalog import errors
from pgbackstop_catalog.model import utc_now
from pgbackstop_catalog.records.attempt import Reason, Status
from pgbackstop_catalog.records.backup import Backup
from pgbackstop_catalog.records.copy import Copy
from pgbackstop_catalog.records.proof import CheckResult
from pgbackstop_runner import failures
from pgbackstop_runner.notify import backup_events
from pgbackstop_runner.storage import backup_files, fetched, sources
from pgbackstop_runner.storage.protocol import Damaged, StoreError
from pgbackstop_runner.system import log, signals
from pgbackstop_runner.verify import reconcile, run
from pgbackstop_runner.verify.run import BY_HAND, Asked, VerifyResult
from pgbackstop_runner.workspace import Workspace


def plan(
    workspace: Workspace, plan_name: str, backups: Sequence[Backup], storage: str, *, asked: Asked = BY_HAND
) -> Iterator[VerifyResult]:
    """Read the copies of one plan's backups in that storage. Raises Busy, CatalogError, Interrupted.

    Where nothing on this host opens them, the encrypted bytes are compared with what was sent. Copies of
    older versions have no digests of it: then a schedule is content when every file is there and has its
    size, and no proof tells of that, because nothing was read.
    """
    with workspace.state.held(reconcile.verify_lock(plan_name), f"A verify of plan {plan_name}"):
        reconcile.close_proofs(workspace, plan_name)
        for backup in backups:
            with workspace.state.lease(backup.id):
                # Nobody lets it go from here on; of one that has expired, somebody may be removing the copy,
                # unless its storage keeps it for longer.
                current, copy = workspace.catalog.backup(backup.id), _record(workspace, backup, storage)
                outlives = workspace.config.storages[storage].keep is not None
                if copy is None or (current.expired_at is not None and not outlives):
                    continue
                if not (asked.scheduled_for and _is_sealed_whole(workspace, current, copy)):
                    yield _one(workspace, current, copy, asked)


def copied(workspace: Workspace, backups: Sequence[Backup], storage: str) -> tuple[Backup, ...]:
    """Those of one plan's backups of which the storage has a copy, good or damaged.

    Raises NotFound for a storage that is not configured, CatalogError.
    """
    workspace.storage(storage)
    return tuple(each for each in backups if _record(workspace, each, storage) is not None)


def _record(workspace: Workspace, backup: Backup, storage: str) -> Copy | None:
    """The copy of a backup, as long as there are bytes to read and nobody is making it anew."""
    return next(
        (
            each
            for each in workspace.catalog.copies(backup.plan)
            if (each.backup, each.storage) == (backup.id, storage) and _is_readable(each)
        ),
        None,
    )


def _is_readable(copy: Copy) -> bool:
    return copy.is_available or (copy.is_damaged and copy.status is not Status.RUNNING)


def _is_sealed_whole(workspace: Workspace, backup: Backup, copy: Copy) -> bool:
    """Whether the copy cannot be read here, and has every file in its size."""
    if not _is_sealed(workspace, copy):
        return False
    try:
        files = backup_files.copied(workspace, backup, copy.storage)
        problem = files.problem() or ("it can be read" if files.as_stored() else "")
    except (errors.PgbackstopError, OSError):
        return False  # to be said in its proof
    if not problem:
        log.logger().info("sizes compared", plan=backup.plan, backup=backup.id, storage=copy.storage)
    return not problem


def _is_sealed(workspace: Workspace, copy: Copy) -> bool:
    encryption = workspace.config.storages[copy.storage].encryption
    return encryption is not None and encryption.is_sealed


def _one(workspace: Workspace, backup: Backup, copy: Copy, asked: Asked) -> VerifyResult:
    why = "its turn" if asked.scheduled_for else sources.ASKED_FOR
    proof = run.begin(backup, asked).evolve(copy_in=copy.storage, source_reason=why)
    start = time.monotonic()
    workspace.catalog.put(proof)
    read: list[int] = []
    try:
        how, problem = _read(workspace, backup, copy, read.append)
    except errors.Interrupted as error:
        run.close(
            workspace, proof, start, status=Status.INTERRUPTED, reason=Reason.INTERRUPTED, message=str(error)
        )
        raise
    judged = copy
    with signals.deferred():
        if _record(workspace, backup, copy.storage) == copy:
            judged = _judged(copy, problem)
            workspace.catalog.put(judged)
        elif problem is not None:
            problem = StoreError(f"The copy in {copy.storage} was made anew while it was read.")
        closed = run.close(
            workspace,
            proof,
            start,
            status=Status.FAILED if problem else Status.SUCCEEDED,
            reason=failures.first_reason(problem) if problem else None,
            message=str(problem or ""),
            checks=(CheckResult(name="sha256", ok=problem is None, detail=how or str(problem)),),
            tool=how,
            read_bytes=sum(read),
        )
    if judged.is_damaged and not copy.is_damaged:
        backup_events.copy_damaged(workspace, backup, judged)
    return VerifyResult(proof=closed, backup=backup)


def _read(
    workspace: Workspace, backup: Backup, copy: Copy, on_bytes: Callable[[int], None]
) -> tuple[str, errors.PgbackstopError | None]:
    """What was read, or what is wrong with it. Raises Interrupted."""
    try:
        files = backup_files.copied(workspace, backup, copy.storage)
        if problem := files.problem():
            raise Damaged(f"{problem}.", remedy="Make it again: 'pgbackstop copy'.")
        as_stored = files.as_stored() if _is_sealed(workspace, copy) else None
        return fetched.read(as_stored or files, on_bytes), None
    except (errors.PgbackstopError, OSError) as error:
        return "", failures.as_error(error)


def _judged(copy: Copy, problem: errors.PgbackstopError | None) -> Copy:
    """The copy with what was found. What could not be read is what it was."""
    if problem is None:
        return copy.evolve(status=Status.SUCCEEDED, message="", damaged_at=None, verified_at=utc_now())
    if failures.first_reason(problem) is Reason.CORRUPT:
        return copy.evolve(status=Status.FAILED, message=str(problem), damaged_at=utc_now())
    return copy
