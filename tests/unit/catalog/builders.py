"""Records for tests: a good backup unless a test says otherwise."""

from datetime import UTC, datetime, timedelta
from typing import Any

from pgbackstop_catalog.records.attempt import Status
from pgbackstop_catalog.records.backup import Backup
from pgbackstop_catalog.records.source import ServerFacts

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)  # a Sunday
DAY = timedelta(days=1)


def backup(number: int, ended: datetime, **changes: Any) -> Backup:
    """A logical backup of ``shop`` that took a minute; ``number`` makes its id its own."""
    started = changes.pop("started_at", ended - timedelta(minutes=1))
    backup_id = f"{started:%Y%m%dT%H%M%SZ}-{number:06x}"
    facts: dict[str, Any] = {
        "id": backup_id,
        "plan": "main-logical",
        "server": "main",
        "database": "shop",
        "backup_type": "logical",
        "status": Status.SUCCEEDED,
        "started_at": started,
        "finished_at": ended,
        "storage": "disk",
        "location": f"backups/logical/main/shop/{backup_id}",
    }
    return Backup.model_validate({**facts, **changes})


def physical(number: int, ended: datetime, *, parent: Backup | None = None, **changes: Any) -> Backup:
    """A physical backup, incremental where it has a parent."""
    facts: dict[str, Any] = {
        "plan": "main-physical",
        "database": "",
        "backup_type": "physical",
        "server_facts": ServerFacts(version="17.5", version_number=170005, system_identifier="7"),
        "method": "incremental" if parent else "full",
        "parent": parent.id if parent else None,
    }
    made = backup(number, ended, **{**facts, **changes})
    return made.evolve(location=f"backups/physical/main/{made.id}")
