"""Records for the tests of the daemon's decisions."""

from datetime import UTC, datetime
from typing import Any

from pgbackstop_catalog.records.attempt import Status
from pgbackstop_catalog.records.backup import Backup
from pgbackstop_catalog.records.ids import new_id


def at(hour: int, minute: int = 0, second: int = 0, day: int = 22) -> datetime:
    return datetime(2026, 11, day, hour, minute, second, tzinfo=UTC)


def backup(started: datetime, **changes: Any) -> Backup:
    """A successful attempt of the plan ``shop``."""
    return Backup(
        id=new_id(started),
        plan="shop",
        server="main",
        backup_type="physical",
        status=Status.SUCCEEDED,
        started_at=started,
        finished_at=started,
    ).evolve(**changes)
