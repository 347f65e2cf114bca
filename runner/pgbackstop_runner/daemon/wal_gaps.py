"""When a gap in the WAL wants a base backup: once for each gap, and again only after a try failed. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from pgbackstop_catalog.records.attempt import Status
from pgbackstop_catalog.records.backup import Backup


def wants_run(
    wanted_since: datetime | None, backups: Iterable[Backup], *, now: datetime, pause: timedelta
) -> bool:
    """Whether to back up now; ``backups`` are the plan's, newest first, read no further than the gap."""
    if wanted_since is None:
        return False
    for backup in backups:
        if backup.started_at < wanted_since:
            break
        if backup.status is Status.MISSED:
            continue
        return backup.is_failure and now - (backup.finished_at or backup.started_at) >= pause
    return True
