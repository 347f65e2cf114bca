"""A plan's copies in further storages."""

from __future__ import annotations

from pgbackstop_dashboards import panels, promql, theme
from pgbackstop_dashboards.model import Panel, Query, Row

_LABELS = {"plan": "Plan", "server": "Server", "database": "Database", "storage": "Storage"}


def row() -> Row:
    """Empty for plans without copies."""
    return Row(title="Copies", panels=(_table(), _failures()))


def _table() -> Panel:
    by = ", ".join(_LABELS)
    copied = promql.plan("backup_copy_success_timestamp_seconds")
    success = promql.plan("backup_last_success_time")
    behind = f"{copied} < bool on (job, instance, {promql.PLAN_LABELS}) group_left () {success}"
    failures = promql.plan("backup_copy_failures_total")
    return panels.table(
        "Copies by storage",
        "When the newest copy in each storage was complete, whether it is that of the newest backup, and "
        "how many tries failed a second.",
        Query(expr=promql.moment(f"max by ({by}) ({copied})"), column="Newest copy"),
        Query(expr=f"max by ({by}) ({behind})", column="Newest backup"),
        Query(expr=f"sum by ({by}) (rate({failures}[$__rate_interval]))", column="Failed tries"),
        labels=_LABELS,
        width=14,
        columns=(
            panels.column("Newest copy", unit="dateTimeFromNow", words=theme.NEVER),
            panels.column("Newest backup", words=theme.answers(yes="is missing", no="is there", bad=1)),
            panels.column("Failed tries", unit="cps"),
        ),
        no_value="no copies are made",
    )


def _failures() -> Panel:
    failures = promql.plan("backup_copy_failures_total")
    return panels.bars(
        "Failed tries to copy",
        "Tries to copy to a storage that failed. Each is tried again.",
        Query(expr=f"sum by (storage) (increase({failures}[$__rate_interval]))", legend="{{storage}}"),
        width=10,
        height=8,
    )
