"""A plan's copies in further storages."""

from __future__ import annotations

from typing import Final

from pgbackstop_dashboards import panels, promql, theme
from pgbackstop_dashboards.model import Panel, Query, Row

_BY: Final = f"{promql.PLAN_LABELS}, storage"


def row() -> Row:
    """Empty for plans without copies."""
    return Row(title="Copies", panels=(_table(), _failures()))


def _table() -> Panel:
    copied = promql.plan("backup_copy_success_timestamp_seconds")
    success = promql.plan("backup_last_success_time")
    behind = f"{copied} < bool on ({promql.PLAN_LABELS}) group_left () {success}"
    return panels.table(
        "Copies by storage",
        "Whether each storage has a copy of the newest backup, of when its newest one is, when a copy there "
        "was last read back and last restored by a drill, how many are damaged, and how many tries to copy "
        "have failed since the plan began.",
        Query(expr=promql.or_silence(f"max by ({_BY}) ({behind})", "storage"), column="Newest backup"),
        Query(expr=promql.moment(f"max by ({_BY}) ({copied})"), column="Newest copy"),
        Query(expr=promql.moment(_each("verified_timestamp_seconds")), column="Read back"),
        Query(expr=promql.moment(_each("drill_success_timestamp_seconds")), column="Drilled"),
        Query(expr=_each("damaged"), column="Damaged"),
        Query(expr=_each("failures_total"), column="Failed tries"),
        labels={
            "storage": "Storage",
            "plan": "Plan",
            "database": "Database",
            "server": "Server",
            "instance": "Exporter",
        },
        columns=(
            panels.column("Storage", 140),
            panels.column("Plan", 145),
            panels.column("Database", 110, no_value=""),
            panels.column("Server", 100),
            panels.column("Newest backup", 125, words=theme.answers(yes="is missing", no="is there", bad=1)),
            panels.moment("Newest copy", 130),
            panels.moment("Read back", 130),
            panels.moment("Drilled", 130),
            panels.column("Damaged", 90, steps=theme.NONE_IS_GOOD),
            panels.column("Failed tries", 100),
            panels.column("Exporter", 130),
        ),
        sort_by="Newest backup",
        no_value="no copies are made",
    )


def _each(name: str) -> str:
    return f"max by ({_BY}) ({promql.plan(f'backup_copy_{name}')})"


def _failures() -> Panel:
    failures = promql.steps(promql.plan("backup_copy_failures_total"))
    return panels.bars(
        "Failed tries to copy",
        "Tries to copy to a storage that failed. Each is tried again.",
        Query(expr=f"sum by (storage) ({failures})", legend="{{storage}}"),
        width=24,
    )
