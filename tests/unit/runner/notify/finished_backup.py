"""A backup that has just finished, and what is looked at in the alerts that tell of it."""

from datetime import UTC, datetime, timedelta
from typing import Any

from pgbackstop_catalog.records.backup import Backup
from tests.support import factories

NOW = datetime(2026, 11, 22, 2, 3, 4, tzinfo=UTC)


def finished(**changes: Any) -> Backup:
    """A good one, unless a test says otherwise."""
    facts: dict[str, Any] = {
        "id": "20261122T020000Z-5f3a9c",
        "plan": "shop-daily",
        "started_at": NOW - timedelta(minutes=3),
        "duration_seconds": 185.0,
        "size_bytes": 4_200_000,
    }
    return factories.backup(1, NOW, **facts).evolve(**changes)


def labels_of(alerts: list[dict[str, Any]]) -> list[tuple[str, str, str | None]]:
    """Name, severity and database of each."""
    return [
        (alert["labels"]["alertname"], alert["labels"]["severity"], alert["labels"].get("database"))
        for alert in alerts
    ]
