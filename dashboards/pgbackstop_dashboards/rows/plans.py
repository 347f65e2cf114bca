"""The tables of plans: one line for each plan and database."""

from __future__ import annotations

from typing import Final

from pgbackstop_dashboards import links, panels, promql, theme
from pgbackstop_dashboards.model import Override, Panel, Query, Row, Word

LABELS: Final = {
    "plan": "Plan",
    "database": "Database",
    "server": "Server",
    "backup_type": "Type",
    "instance": "Exporter",
}


def row() -> Row:
    """Everything about every plan in one line each."""
    return Row(title="Plans", panels=(_table(),))


def names() -> tuple[Override, ...]:
    """The first columns. A whole server has no database: its cell stays empty, and leads nowhere."""
    return (
        panels.column("Plan", 160, links=(links.plan_of_row(),)),
        panels.column("Database", 110, links=(links.database_of_row(),), no_value=""),
        panels.column("Server", 100),
    )


def origin() -> tuple[Override, ...]:
    """The last columns: what tells plans of equal names apart."""
    return (panels.column("Type", 70), panels.column("Exporter", 110))


def _why() -> Override:
    return panels.column("Why", 140, words=theme.REASONS)


def _state() -> Override:
    return panels.column("State", 95, words=theme.STATES, links=links.STATE_RUNBOOKS)


def _table() -> Panel:
    return panels.table(
        "Every plan",
        "Age: of the plan's limit, which is at 100 %. Change: the size of the newest success against the "
        "median of the last ten. Behind: storages that lack the newest backup. A plan without a database "
        "backs up the whole server. The name of a plan leads to its own page, its state to the runbooks.",
        *_queries(),
        labels={**LABELS, "reason": "Why"},
        height=10,
        columns=_columns(),
        sort_by="State",
    )


def of(metric: str, heading: str) -> Query:
    """A column of one metric."""
    return Query(expr=promql.each_plan(promql.plan(metric)), column=heading)


def moment_of(metric: str, heading: str) -> Query:
    """A column of one timestamp."""
    return Query(expr=promql.moment(promql.each_plan(promql.plan(metric))), column=heading)


def _queries() -> tuple[Query, ...]:
    return (
        Query(expr=promql.or_silence(promql.state(), "plan", promql.SILENT), column="State"),
        Query(expr=promql.reason()),
        moment_of("backup_last_success_time", "Last success"),
        Query(expr=promql.each_plan(promql.share_of_limit()), column="Age"),
        of("backup_max_age_seconds", "Limit"),
        of("backup_size_bytes", "Size"),
        Query(expr=promql.each_plan(_size_change()), column="Change"),
        of("backup_duration_seconds", "Took"),
        moment_of("backup_next_run_timestamp_seconds", "Next run"),
        moment_of("backup_verified_timestamp_seconds", "Verified"),
        moment_of("backup_drill_success_timestamp_seconds", "Drilled"),
        Query(expr=f"sum by ({promql.PLAN_LABELS}) ({copies_behind()})", column="Behind"),
        of("backup_available", "Kept"),
        of("backup_keep_minimum", "At least"),
    )


def _size_change() -> str:
    """0 is as usual, 0.5 is half as much again."""
    return f"{promql.plan('backup_size_bytes')} / {promql.plan('backup_size_baseline_bytes')} - 1"


def copies_behind() -> str:
    """1 for each storage whose newest copy is older than the newest backup; nothing where no copies are "
    "made."""
    copied = promql.plan("backup_copy_success_timestamp_seconds")
    success = promql.plan("backup_last_success_time")
    return f"{copied} < bool on ({promql.PLAN_LABELS}) group_left () {success}"


def _columns() -> tuple[Override, ...]:
    none = Word(value=0, text="none", colour=theme.GOOD)
    return (
        *names(),
        _state(),
        _why(),
        panels.moment("Last success", 110),
        panels.share("Age", 60),
        panels.span("Limit", 115),
        panels.column("Size", 75, unit="decbytes", decimals=1),
        panels.share("Change", 76, steps=()),
        panels.column("Took", 80, unit="s", decimals=1),
        panels.moment("Next run", 100),
        panels.moment("Verified", 100),
        panels.moment("Drilled", 100),
        panels.column("Behind", 74, steps=theme.NONE_IS_GOOD, words=(none,)),
        panels.column("Kept", 50),
        panels.column("At least", 75),
        *origin(),
    )
