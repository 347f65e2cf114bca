"""What has been proven: that backups restore, how long that takes, and how much could be lost."""

from __future__ import annotations

from typing import Final

from pgbackstop_dashboards import links, panels, promql, theme
from pgbackstop_dashboards.model import Override, Panel, Query, Row

_LABELS: Final = {"plan": "Plan", "server": "Server", "database": "Database", "backup_type": "Type"}
_NAME: Final = "{{plan}} {{database}}"


def row() -> Row:
    """Measured against the plan's own targets."""
    return Row(title="Proofs", panels=(table(), window(), recovery_time(), possible_loss()))


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
    newest = promql.each_plan(promql.plan("backup_drill_success_timestamp_seconds"))
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
        _of("backup_proof_first_due_timestamp_seconds", "First due by", is_moment=True),
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


def _columns() -> tuple[Override, ...]:
    moments = tuple(
        panels.column(name, unit="dateTimeFromNow", words=theme.NEVER)
        for name in ("Verified", "Drilled", "Drill failed", "First due by")
    )
    shares = tuple(
        panels.column(name, unit="percentunit", decimals=0, steps=theme.LIMIT)
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
        "Wall time of the newest good drill, and of the newest good restore of a live database. Dashed: the "
        "plan's target.",
        Query(expr=promql.each_plan(promql.plan("backup_drill_duration_seconds")), legend=_NAME),
        Query(expr=promql.each_plan(promql.plan("backup_rto_target_seconds")), legend=f"{_NAME} target"),
        Query(
            expr=f"max by (server, database) ({promql.database('backup_restore_duration_seconds')})",
            legend="restore of {{database}} on {{server}}",
        ),
        unit="s",
    )


def window() -> Panel:
    """How far back each server can be recovered, against what its plans promise."""
    back = f"time() - ({promql.server('backup_earliest_recoverable_timestamp_seconds')} > 0)"
    target = promql.server("backup_recovery_window_target_seconds")
    return panels.stat(
        "Recovery window against promise",
        "How far back each server can be recovered: below 1 it is not as far as its physical plan promises. "
        "A new installation begins at 0.",
        Query(expr=promql.each_server(f"({back}) / {target}"), legend="{{server}}"),
        unit="short",
        decimals=2,
        width=24,
        height=4,
        steps=theme.BELOW_IS_BAD,
        links=(links.runbook("RecoveryWindowShort", "What to do when it is short"),),
        no_value="nothing is promised",
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
