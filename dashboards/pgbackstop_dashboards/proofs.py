"""What has been proven: that backups restore, how long that takes, and how much could be lost."""

from __future__ import annotations

from typing import Final

from pgbackstop_dashboards import looks, panels, promql
from pgbackstop_dashboards.values import Override, Panel, Query, Row

_LABELS: Final = {"plan": "Plan", "server": "Server", "database": "Database", "backup_type": "Type"}
_NAME: Final = "{{plan}} {{database}}"


def row() -> Row:
    """Measured against the plan's own targets."""
    return Row(title="Proofs", panels=(table(), recovery_time(), possible_loss()))


def loss() -> str:
    """Seconds of data that would be lost now: by the newest success, for physical plans by the archive."""
    logical = f"time() - ({promql.plan('backup_last_success_time', promql.LOGICAL)} > 0)"
    physical = promql.plan("backup_enabled", promql.PHYSICAL)
    latest = promql.each_server(f"{promql.server('backup_latest_recoverable_timestamp_seconds')} > 0")
    archived = f"{physical} * 0 + on (server) group_left () (time() - {latest})"
    return promql.each_plan(f"{logical} or {archived}")


def _of(metric: str, heading: str, *, is_moment: bool = False) -> Query:
    expr = promql.each_plan(promql.plan(metric))
    return Query(expr=promql.moment(expr) if is_moment else expr, column=heading)


def table() -> Panel:
    """Proofs of every plan, with measured times against targets."""
    newest = _newer("backup_verified_timestamp_seconds", "backup_drill_success_timestamp_seconds")
    limit = promql.each_plan(promql.plan("backup_proof_max_age_seconds"))
    rto = promql.each_plan(promql.plan("backup_rto_target_seconds"))
    rpo = promql.each_plan(promql.plan("backup_rpo_target_seconds"))
    took = promql.each_plan(promql.plan("backup_drill_duration_seconds"))
    return panels.table(
        "Proofs of every plan",
        "Against limit and against target: 100 % is the plan's own limit or target. Restored in is what the"
        " last good drill took; would lose is how old the newest data is that can be restored now.",
        _of("backup_verified_timestamp_seconds", "Verified", is_moment=True),
        _of("backup_drill_success_timestamp_seconds", "Drilled", is_moment=True),
        _of("backup_drill_failure_timestamp_seconds", "Drill failed", is_moment=True),
        Query(expr=f"(time() - ({newest} > 0)) / {limit}", column="Proof against limit"),
        Query(expr=took, column="Restored in"),
        _of("backup_rto_target_seconds", "Target"),
        Query(expr=f"{took} / {rto}", column="Time against target"),
        Query(expr=loss(), column="Would lose"),
        _of("backup_rpo_target_seconds", "May lose"),
        Query(expr=f"{loss()} / {rpo}", column="Loss against target"),
        labels=_LABELS,
        columns=_columns(),
    )


def _newer(one: str, other: str) -> str:
    first, second = (promql.each_plan(promql.plan(metric)) for metric in (one, other))
    return f"({first} > {second} or {second})"


def _columns() -> tuple[Override, ...]:
    moments = tuple(
        panels.column(name, unit="dateTimeFromNow", words=looks.NEVER)
        for name in ("Verified", "Drilled", "Drill failed")
    )
    shares = tuple(
        panels.column(name, unit="percentunit", decimals=0, steps=looks.LIMIT)
        for name in ("Proof against limit", "Time against target", "Loss against target")
    )
    spans = tuple(
        panels.column(name, unit="s") for name in ("Restored in", "Target", "Would lose", "May lose")
    )
    return moments + shares + spans


def recovery_time() -> Panel:
    """What drills took, against the target."""
    return panels.lines(
        "Measured time to restore",
        "Wall time of the newest good drill. Dashed: the plan's target.",
        Query(expr=promql.each_plan(promql.plan("backup_drill_duration_seconds")), legend=_NAME),
        Query(expr=promql.each_plan(promql.plan("backup_rto_target_seconds")), legend=f"{_NAME} target"),
        unit="s",
    )


def possible_loss() -> Panel:
    """How old the newest restorable data is, against the target."""
    return panels.lines(
        "What would be lost",
        "How old the newest data is that could be restored at that moment. Dashed: the plan's target.",
        Query(expr=loss(), legend=_NAME),
        Query(expr=promql.each_plan(promql.plan("backup_rpo_target_seconds")), legend=f"{_NAME} target"),
        unit="s",
    )
