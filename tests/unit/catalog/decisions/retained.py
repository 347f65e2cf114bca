"""Backups for tests of retention, and what it decided of them."""

from pgbackstop_catalog.decisions import retention
from pgbackstop_catalog.records.backup import Backup
from tests.support.factories import DAY, NOW, backup


def daily(count: int, **changes: object) -> list[Backup]:
    """One backup a day, the newest first."""
    return [backup(number, NOW - number * DAY, **changes) for number in range(count)]


def kept(decision: retention.Retention) -> list[str]:
    return [each.id for each in decision.kept]


def reasons(decision: retention.Retention, of: Backup) -> tuple[str, ...]:
    return next(each.reasons for each in decision.verdicts if each.backup.id == of.id)


def ids(backups: list[Backup]) -> list[str]:
    return [each.id for each in backups]
