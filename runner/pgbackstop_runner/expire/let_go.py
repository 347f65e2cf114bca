"""Lets go of a removed plan: its backups, their copies, and the WAL that only they needed."""

from __future__ import annotations

from datetime import datetime

from pgbackstop_catalog.model import utc_now
from pgbackstop_runner.copy import expire as copy_expire
from pgbackstop_runner.expire import removed_plans, wal
from pgbackstop_runner.expire import run as expire_run
from pgbackstop_runner.workspace import Workspace


def run(workspace: Workspace, name: str, *, now: datetime | None = None) -> expire_run.ExpireResult:
    """Remove all of its backups and their copies, and the WAL that only they needed; records stay.

    Raises as ``removed_plans.find`` does, Busy where it is being expired, CatalogError.
    """
    removed_plans.find(workspace, name)
    with workspace.state.held(expire_run.lock_name(name), f"Expire of plan {name}"):
        verdicts, problems = expire_run.let_go(workspace, name, now or utc_now())
        copies = copy_expire.everything(workspace, name, now or utc_now())
        problems += copies.problems
        servers = {each.backup.server for each in verdicts} & workspace.config.servers.keys()
        segments = 0
        for server in sorted(servers):
            removed, wal_problems = wal.run(workspace, server)
            segments += removed
            problems += wal_problems
    return expire_run.ExpireResult(
        verdicts=verdicts, problems=tuple(problems), locked=copies.locked, wal_segments=segments
    )
