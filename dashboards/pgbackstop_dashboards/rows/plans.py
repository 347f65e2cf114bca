"""The table of plans: one line for each plan and database."""

from __future__ import annotations

from typing import Final

from pgbackstop_dashboards import links, panels, promql, theme
from pgbackstop_dashboards.model import Override, Panel, Query, Row, Word

_LABELS: Final = {"plan": "Plan", "server": "Server", "database": "Database", "backup_type": "Type"}


def row() -> Row:
    """Everything about every plan in one line each."""
    return Row(title="Plans", panels=(table(),))


def table() -> Panel:
    """One line per plan and database, with links to the detail and to the runbooks."""
    return panels.table(
        "Every plan",
        "Age against limit: 100 % is the plan's own limit. Size against usual: the newest success against "
        "the median of the last ten. Copies behind: storages that lack the newest backup. A plan without a "
        "database backs up the whole server. The name of a plan leads to its own page, its state to the "
        "runbooks.",
        *_queries(),
        labels=_LABELS,
        height=10,
        columns=_columns(),
        sort_by=({"displayName": "State", "desc": True},),
    )


def _of(metric: str, heading: str, *, is_moment: bool = False) -> Query:
    expr = promql.each_plan(promql.plan(metric))
    return Query(expr=promql.moment(expr) if is_moment else expr, column=heading)


def _queries() -> tuple[Query, ...]:
    return (
        Query(expr=promql.state(), column="State"),
        _of("backup_last_success_time", "Last success", is_moment=True),
        Query(expr=promql.each_plan(promql.share_of_limit()), column="Age against limit"),
        _of("backup_max_age_seconds", "Limit"),
        _of("backup_size_bytes", "Size"),
        Query(expr=promql.each_plan(size_change()), column="Size against usual"),
        _of("backup_duration_seconds", "Duration"),
        _of("backup_next_run_timestamp_seconds", "Next run", is_moment=True),
        _of("backup_verified_timestamp_seconds", "Verified", is_moment=True),
        _of("backup_drill_success_timestamp_seconds", "Drilled", is_moment=True),
        Query(expr=copies_behind(), column="Copies behind"),
        _of("backup_available", "Kept"),
        _of("backup_keep_minimum", "Keeps at least"),
    )


def size_change() -> str:
    """0 is as usual, 0.5 is half as much again."""
    return f"{promql.plan('backup_size_bytes')} / {promql.plan('backup_size_baseline_bytes')} - 1"


def copies_behind() -> str:
    """Storages whose newest copy is older than the newest backup; nothing where no copies are made."""
    copied = promql.plan("backup_copy_success_timestamp_seconds")
    success = promql.plan("backup_last_success_time")
    behind = f"{copied} < bool on (job, instance, {promql.PLAN_LABELS}) group_left () {success}"
    return f"sum by ({promql.PLAN_LABELS}) ({behind})"


def _columns() -> tuple[Override, ...]:
    none = Word(value=0, text="none", colour=theme.GOOD)
    moments = ("Last success", "Next run", "Verified", "Drilled")
    return (
        panels.column("Plan", links=(links.detail_of_row(),)),
        panels.column("State", words=theme.STATES, links=links.STATE_RUNBOOKS),
        *(panels.column(name, unit="dateTimeFromNow", words=theme.NEVER) for name in moments),
        panels.column("Age against limit", unit="percentunit", decimals=0, steps=theme.LIMIT),
        panels.column("Limit", unit="s"),
        panels.column("Size", unit="bytes"),
        panels.column("Size against usual", unit="percentunit", decimals=0),
        panels.column("Duration", unit="s"),
        panels.column("Copies behind", steps=theme.NONE_IS_GOOD, words=(none,)),
    )
