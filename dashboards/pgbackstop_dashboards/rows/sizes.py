"""How large backups are and how long they take, against what is usual."""

from __future__ import annotations

from pgbackstop_dashboards import panels, promql
from pgbackstop_dashboards.model import Panel, Query, Row

_NAME = "{{plan}} {{database}}"


def row() -> Row:
    """Size and duration with their baselines."""
    return Row(title="Size and duration", panels=(size(), duration(), source(), kept()))


def size() -> Panel:
    """Stored bytes against the median."""
    return panels.lines(
        "Size of the newest backup",
        "Stored bytes of the newest success. Dashed: the median of the last ten successes of the same "
        "method, and what the size of its source lets expect. A sudden fall means that data is missing.",
        _query("backup_size_bytes"),
        _query("backup_size_baseline_bytes", " usual"),
        _query("backup_size_expected_bytes", " expected"),
        unit="bytes",
    )


def duration() -> Panel:
    """Wall time against the median."""
    return panels.lines(
        "Duration of the newest backup",
        "Wall time of the newest success. Dashed: the median of the last ten successes of the same method.",
        _query("backup_duration_seconds"),
        _query("backup_duration_baseline_seconds", " usual"),
        unit="s",
    )


def source() -> Panel:
    """How large the databases are."""
    return panels.lines(
        "Size of what is backed up",
        "Size of the database or server when it was last backed up, before compression.",
        _query("backup_source_size_bytes"),
        unit="bytes",
        height=7,
    )


def kept() -> Panel:
    """What the kept backups take."""
    return panels.lines(
        "Stored by plan",
        "Stored bytes of all valid backups that are kept. WAL is not in it.",
        _query("backup_stored_bytes"),
        unit="bytes",
        height=7,
    )


def _query(metric: str, suffix: str = "") -> Query:
    return Query(expr=promql.each_plan(promql.plan(metric)), legend=f"{_NAME}{suffix}")
