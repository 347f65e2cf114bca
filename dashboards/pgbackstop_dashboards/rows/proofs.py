"""What has been proven: that backups restore, how long that takes, and how much could be lost."""

from __future__ import annotations

from typing import Final

from pgbackstop_dashboards import panels, promql, theme
from pgbackstop_dashboards.model import Override, Panel, Query, Row, Word
from pgbackstop_dashboards.rows import plans

NO_DRILLS: Final = -2
NOT_DUE: Final = -3
_NAME: Final = "{{plan}} {{database}}"
# A proof that was due and that there never was is as old as can be.
_NEVER: Final = Word(value=1000, text="never", colour=theme.BAD)


def row() -> Row:
    """Measured against the plan's own targets."""
    return Row(title="Proofs", panels=(table(),))


def graphs(*, one_plan: bool) -> Row:
    """The same over the time; of the ten worst of a fleet."""
    return Row(
        title="Proofs over the time",
        panels=(_recovery_time(one_plan=one_plan), _possible_loss(one_plan=one_plan)),
    )


def share() -> str:
    """The age of the newest proof, of what the plan allows."""
    newest = promql.plan("backup_drill_success_timestamp_seconds")
    limit = promql.plan("backup_proof_max_age_seconds")
    due = f"{promql.plan('backup_proof_first_due_timestamp_seconds')} < time()"
    never = f"{newest} == 0 and {due} and {promql.plan('backup_last_success_time')} > 0"
    return promql.each_plan(f"(time() - ({newest} > 0)) / {limit} or 0 * ({never}) + {_NEVER.value}")


def not_proven() -> str:
    """How many enabled plans and databases lack a proof that they should have, or failed their last drill."""
    enabled = promql.each_plan(f"{promql.plan('backup_enabled')} == 1")
    limits = promql.plan("backup_proof_max_age_seconds")
    none = promql.constant(NO_DRILLS, promql.any_exporter())
    proven = promql.constant(0, f"{promql.plan('backup_drill_success_timestamp_seconds')} > 0")
    success = promql.plan("backup_drill_success_timestamp_seconds")
    failure = promql.plan("backup_drill_failure_timestamp_seconds")
    failed = promql.each_plan(f"{failure} > {success} and {limits}")
    missing = f"count(({share()} > 1 or {failed}) and {enabled})"
    return promql.first_known(missing, proven, promql.constant(NOT_DUE, limits), none)


def loss() -> str:
    """Seconds of data that would be lost now: by the newest success, for physical plans by the archive."""
    enabled = f"{promql.plan('backup_enabled')} == 1"
    logical = f"time() - ({promql.plan('backup_last_success_time', promql.LOGICAL)} > 0) and {enabled}"
    physical = promql.plan("backup_enabled", promql.PHYSICAL)
    latest = promql.each_server(f"{promql.server('backup_latest_recoverable_timestamp_seconds')} > 0")
    archived = f"({physical} == 1) * 0 + on ({promql.SERVER_LABELS}) group_left () (time() - {latest})"
    return f"round({promql.each_plan(f'{logical} or {archived}')})"


def table() -> Panel:
    """Proofs of every plan, with measured times against targets."""
    rto = promql.each_plan(promql.plan("backup_rto_target_seconds"))
    rpo = promql.each_plan(promql.plan("backup_rpo_target_seconds"))
    took = promql.each_plan(promql.plan("backup_drill_duration_seconds"))
    return panels.table(
        "What is proven of every plan",
        "Drilled: when a drill last restored a backup, as in an emergency. Proof: its age, of what the plan "
        "allows; restored in: what it took, of the plan's target; would lose: how old the newest data is "
        "that can be restored now, of the plan's target. 100 % is the limit or target. Read: the "
        "age of the oldest reading of a kept backup, of what is allowed.",
        Query(expr=promql.or_silence(share(), "plan"), column="Proof"),
        plans.moment_of("backup_drill_success_timestamp_seconds", "Drilled"),
        Query(expr=took, column="Restored in"),
        plans.of("backup_rto_target_seconds", "Target"),
        Query(expr=f"{took} / {rto}", column="Of target"),
        Query(expr=loss(), column="Would lose"),
        plans.of("backup_rpo_target_seconds", "May lose"),
        Query(expr=f"{loss()} / {rpo}", column="Of that"),
        plans.moment_of("backup_drill_failure_timestamp_seconds", "Drill failed"),
        plans.moment_of("backup_verified_timestamp_seconds", "Verified"),
        Query(expr=_oldest_reading(), column="Read"),
        plans.moment_of("backup_proof_first_due_timestamp_seconds", "First due by"),
        labels=plans.LABELS,
        columns=_columns(),
        sort_by="Proof",
    )


def _oldest_reading() -> str:
    """The age of the oldest reading of what is kept, of what is allowed; nothing where none is scheduled."""
    age = f"time() - {promql.plan('backup_oldest_verification_timestamp_seconds')}"
    return promql.each_plan(f"({age}) / {promql.plan('backup_verification_max_age_seconds')}")


def _columns() -> tuple[Override, ...]:
    return (
        *plans.names(),
        panels.share("Proof", 85, words=(_NEVER, theme.NOT_KNOWN)),
        panels.moment("Drilled", 115),
        panels.column("Restored in", 100, unit="s", decimals=1),
        panels.span("Target", 155),
        panels.share("Of target", 80),
        panels.stopwatch("Would lose"),
        panels.span("May lose", 125),
        panels.share("Of that", 70),
        panels.moment("Drill failed", 105),
        panels.moment("Verified", 105),
        panels.share("Read", 75),
        panels.moment("First due by", 110),
        *plans.origin(),
    )


def _recovery_time(*, one_plan: bool) -> Panel:
    metric = "backup_drill_duration_seconds"
    took = promql.each_plan(promql.plan(metric)) if one_plan else promql.largest(metric)
    by = f"{promql.SERVER_LABELS}, database"
    restored = promql.database("backup_restore_duration_seconds")
    return panels.lines(
        "Measured time to restore",
        "Wall time of the newest good drill, and of the newest good restore of a live database. Dashed: the "
        "plan's target. Of a fleet, the ten that take longest.",
        Query(expr=took, legend=_NAME),
        Query(expr=promql.each_plan(promql.plan("backup_rto_target_seconds")), legend=f"{_NAME} target"),
        Query(expr=f"max by ({by}) ({restored})", legend="restore of {{database}} on {{server}}"),
        unit="s",
        logarithmic=True,
    )


def _possible_loss(*, one_plan: bool) -> Panel:
    rpo = promql.each_plan(promql.plan("backup_rpo_target_seconds"))
    target = Query(expr=rpo, legend=f"{_NAME} target")
    worst = loss() if one_plan else f"topk(10, {loss()})"
    return panels.lines(
        "What would be lost",
        "How old the newest data is that could be restored at that moment, of enabled plans; of a fleet, at "
        "each moment the ten that would lose most. Dashed: the plan's target.",
        Query(expr=worst, legend=_NAME),
        *((target,) if one_plan else ()),
        unit="dtdurations",
        decimals=1,
    )
