"""Reading a physical backup back after it is safe, and putting the result on record as a proof.

It comes after the commit, because a big backup takes as long to read as to make, and must count meanwhile.
"""

from __future__ import annotations

import time
from datetime import datetime
from pathlib import Path

from pgbackstop_catalog import atomic, codec, errors, layout
from pgbackstop_catalog.records import Backup, Proof, Reason, Status, new_id
from pgbackstop_catalog.values import utc_now
from pgbackstop_runner import attempt, binaries, log, notify, validate, verify
from pgbackstop_runner.failure import AttemptFailed
from pgbackstop_runner.workspace import Workspace


def after(workspace: Workspace, backup: Backup) -> Backup:
    """Verify what the plan wants verified; a backup that does not pass is turned into a failed one."""
    plan = workspace.plan(backup.plan)
    if backup.status is not Status.SUCCEEDED or plan.is_logical or not plan.verify:
        return backup
    storage = workspace.storage_of(plan)[1]
    folder = storage / (backup.location or "")
    started, start = utc_now(), time.monotonic()
    verdict, passed = _verdict(workspace, backup, folder)
    seconds = round(time.monotonic() - start, 3)
    log.logger().info(
        "read back",
        plan=backup.plan,
        backup=backup.id,
        duration_seconds=seconds,
        passed=passed,
        how=verdict.verification,
    )
    # The catalog first: what it says is believed, and it must not call a bad backup good for a moment longer.
    workspace.catalog.put(verdict)
    workspace.catalog.put(_proof(verdict, passed=passed, started=started, seconds=seconds))
    try:
        with attempt.storage_errors(storage):
            atomic.write(folder / layout.RECORD_NAME, codec.encode(verdict))
    except AttemptFailed as error:
        log.logger().warning("the verdict is in the catalog only", backup=backup.id, message=str(error))
    if verdict.status is Status.FAILED:
        notify.backup_finished(workspace, verdict)
    return verdict


def _verdict(workspace: Workspace, backup: Backup, folder: Path) -> tuple[Backup, bool]:
    """The backup with what was found, and whether it passed."""
    server = workspace.server(backup.server)
    major = (backup.server_facts.version_number if backup.server_facts else 0) // 10000
    try:
        tools = binaries.find(major, server.bin_dir)
        how = verify.whole_server(folder, backup, tools, free=validate.free_bytes(folder) or 0)
    except AttemptFailed as error:
        if error.reason is not Reason.CORRUPT:
            return backup.but(verification=f"not verified: {error}"), False
        failed = backup.but(
            status=Status.FAILED, reason=Reason.CORRUPT, message=str(error), verification="failed"
        )
        return failed, False
    except errors.ConfigError as error:
        return backup.but(verification=f"not verified: {error}"), False
    if how.startswith("not verified"):
        return backup.but(verification=how), False
    return backup.but(verified_at=utc_now(), verification=how), True


def _proof(backup: Backup, *, passed: bool, started: datetime, seconds: float) -> Proof:
    return Proof(
        id=new_id(started),
        proof="verify",
        backup=backup.id,
        plan=backup.plan,
        server=backup.server,
        database=backup.database,
        backup_type=backup.backup_type,
        status=Status.SUCCEEDED if passed else Status.FAILED,
        started_at=started,
        finished_at=utc_now(),
        duration_seconds=seconds,
        tool=backup.verification,
        message=backup.message,
    )
