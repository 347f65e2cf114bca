"""How large backups are and how long they take."""

from __future__ import annotations

from pgbackstop_dashboards import panels, promql
from pgbackstop_dashboards.model import Panel, Query, Row

_NAME = "{{plan}} {{database}}"
_OF_A_FLEET = "The ten largest."


def of_one_plan() -> Row:
    """Against what is usual."""
    return Row(
        title="Size and duration",
        panels=(
            panels.lines(
                "Size of the newest backup",
                "Stored bytes of the newest success. Dashed: the median of the last ten successes of the "
                "same method, and what the size of its source lets expect. A sudden fall means that data is "
                "missing.",
                _query("backup_size_bytes"),
                _query("backup_size_baseline_bytes", " usual"),
                _query("backup_size_expected_bytes", " expected"),
                unit="decbytes",
            ),
            panels.lines(
                "Duration of the newest backup",
                "Wall time of the newest success. Dashed: the median of the last ten successes of the same "
                "method.",
                _query("backup_duration_seconds"),
                _query("backup_duration_baseline_seconds", " usual"),
                unit="s",
            ),
            _bytes("Size of what is backed up", _SOURCE, _query("backup_source_size_bytes")),
            _bytes("Stored by the plan", _KEPT, _query("backup_stored_bytes")),
        ),
    )


def of_a_fleet() -> Row:
    """The largest of many; against what is usual on the page of each plan."""
    return Row(
        title="Size and duration",
        panels=(
            _bytes(
                "Size of the newest backups",
                f"Stored bytes of the newest success. {_OF_A_FLEET}",
                _largest("backup_size_bytes"),
            ),
            panels.lines(
                "Duration of the newest backups",
                "Wall time of the newest success. The ten that take longest.",
                _largest("backup_duration_seconds"),
                unit="s",
                height=7,
            ),
            _bytes(
                "Size of what is backed up", f"{_SOURCE} {_OF_A_FLEET}", _largest("backup_source_size_bytes")
            ),
            _bytes(
                "Stored by plan",
                _KEPT,
                Query(
                    expr=f"sum by ({promql.EXPORTER_LABELS}, plan) ({promql.plan('backup_stored_bytes')})",
                    legend="{{plan}}",
                ),
            ),
        ),
    )


_SOURCE = "Size of the database or server when it was last backed up, before compression."
_KEPT = "Stored bytes of all valid backups that are kept. WAL is not in it."


def _bytes(title: str, description: str, query: Query) -> Panel:
    return panels.lines(title, description, query, unit="decbytes", height=7)


def _query(metric: str, suffix: str = "") -> Query:
    return Query(expr=promql.each_plan(promql.plan(metric)), legend=f"{_NAME}{suffix}")


def _largest(metric: str) -> Query:
    return Query(expr=promql.largest(metric), legend=_NAME)
