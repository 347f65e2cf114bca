"""The first rows of one plan's page: how it is now."""

from __future__ import annotations

from typing import Final

from pgbackstop_dashboards import links, panels, promql, theme
from pgbackstop_dashboards.model import Panel, Query, Row, Word
from pgbackstop_dashboards.rows import plans, proofs

_NAME: Final = "{{plan}} {{database}}"


def row() -> Row:
    """What matters, large; all else in one line."""
    return Row(
        title="",
        panels=(_state(), _age(), _success(), _next_run(), _proof(), _took(), _facts()),
    )


def _state() -> Panel:
    return panels.stat(
        "State",
        "Late: the newest success is older than the plan allows, or a due run did not start. Stuck: it runs"
        " and does not get on. The links lead to what to do.",
        Query(expr=promql.or_silence(promql.state(), "plan", promql.SILENT), legend=_NAME),
        unit="short",
        words=theme.STATES,
        links=links.STATE_RUNBOOKS,
        no_value="no such plan",
    )


def _age() -> Panel:
    return panels.stat(
        "Age of the limit",
        "Age of the newest success as a share of the plan's limit: at 100 % it is too old.",
        Query(expr=promql.each_plan(promql.share_of_limit()), legend=_NAME),
        unit="percentunit",
        decimals=0,
        steps=theme.LIMIT,
        links=(links.runbook("BackupTooOld", "What to do when it is too old"),),
    )


def _moment(title: str, description: str, metric: str) -> Panel:
    return panels.stat(
        title,
        description,
        Query(expr=promql.moment(promql.each_plan(promql.plan(metric))), legend=_NAME),
        unit="dateTimeFromNow",
        words=theme.NEVER,
    )


def _success() -> Panel:
    return _moment("Last success", "When the newest good backup was complete.", "backup_last_success_time")


def _next_run() -> Panel:
    return _moment(
        "Next run",
        "The first due run that is not handled yet; in the past while it is late.",
        "backup_next_run_timestamp_seconds",
    )


def _proof() -> Panel:
    return panels.stat(
        "Proof of the limit",
        "Age of the newest restore by a drill as a share of what the plan allows: at 100 % it is too old.",
        Query(expr=promql.or_silence(proofs.share(), "plan"), legend=_NAME),
        unit="percentunit",
        decimals=0,
        steps=theme.LIMIT,
        words=(Word(value=1000, text="never", colour=theme.BAD), theme.NOT_KNOWN),
        links=(links.runbook("BackupNotProven", "What to do when it is too old"),),
        no_value="none is due",
    )


def _took() -> Panel:
    took = promql.plan("backup_drill_duration_seconds")
    return panels.stat(
        "Restored in",
        "What the newest good drill took, and the plan's target for a restore.",
        Query(expr=promql.each_plan(took), legend="measured"),
        Query(expr=promql.each_plan(promql.plan("backup_rto_target_seconds")), legend="target"),
        unit="dtdurations",
        decimals=0,
    )


def _facts() -> Panel:
    written = promql.plan("backup_progress_bytes")
    expected = promql.plan("backup_progress_expected_bytes")
    return panels.table(
        "Attempts and backups",
        "The newest attempt and failure with its reason, runs that did not start, what is kept, gone or cut, "
        "or damaged, tables whose rows vanished, and how far a running backup is.",
        plans.of("backup_consecutive_failures", "In a row"),
        Query(expr=promql.reason()),
        plans.moment_of("backup_last_attempt_timestamp_seconds", "Last attempt"),
        plans.moment_of("backup_last_failure_timestamp_seconds", "Last failure"),
        plans.of("backup_missed_runs_total", "Missed"),
        plans.moment_of("backup_last_missed_timestamp_seconds", "Last missed"),
        plans.of("backup_available", "Kept"),
        plans.of("backup_missing", "Gone"),
        plans.of("backup_damaged", "Damaged"),
        plans.of("backup_vanished_tables", "Vanished"),
        plans.moment_of("backup_oldest_timestamp_seconds", "Oldest"),
        plans.moment_of("backup_running_start_timestamp_seconds", "Running since"),
        Query(expr=promql.each_plan(f"{written} / {expected}"), column="Written"),
        labels={**plans.LABELS, "reason": "Why"},
        height=4,
        columns=(
            *plans.names(),
            panels.column("In a row", 75, steps=theme.NONE_IS_GOOD),
            panels.column("Why", 140, words=theme.REASONS),
            panels.moment("Last attempt", 112),
            panels.moment("Last failure", 112),
            panels.column("Missed", 75),
            panels.moment("Last missed"),
            panels.column("Kept", 60),
            panels.column("Gone", 60, steps=theme.NONE_IS_GOOD),
            panels.column(
                "Damaged",
                88,
                steps=theme.NONE_IS_GOOD,
                links=(links.runbook("BackupDamaged", "What to do when a stored backup is damaged"),),
            ),
            panels.column(
                "Vanished",
                88,
                steps=theme.NONE_IS_GOOD,
                links=(links.runbook("BackupDataVanished", "What to do when rows vanished"),),
            ),
            panels.moment("Oldest"),
            panels.moment("Running since", no_value="does not run"),
            panels.share("Written", 80, steps=()),
            *plans.origin(),
        ),
        sort_by="In a row",
    )
