"""The first row of one plan's page: how it is now."""

from __future__ import annotations

from pgbackstop_dashboards import links, panels, promql, theme
from pgbackstop_dashboards.model import Panel, Query, Row, Word

_NAME = "{{plan}} {{database}}"


def row() -> Row:
    """State, age, what runs, and what is due."""
    first = (_state(), _age(), _success(), _attempt(), _failure(), _next_run())
    second = (_in_a_row(), _missed(), _last_missed(), _kept(), _oldest(), _since(), _progress())
    return Row(title="Now", panels=(*first, *second))


def _query(metric: str) -> Query:
    return Query(expr=promql.each_plan(promql.plan(metric)), legend=_NAME)


def _moment(title: str, description: str, metric: str, no_value: str = "") -> Panel:
    return panels.stat(
        title,
        description,
        Query(expr=promql.moment(promql.each_plan(promql.plan(metric))), legend=_NAME),
        unit="dateTimeFromNow",
        words=theme.NEVER,
        no_value=no_value,
    )


def _state() -> Panel:
    return panels.stat(
        "State",
        "Late: the newest success is older than the plan allows, or a due run did not start. Stuck: it runs"
        " and does not get on. The links lead to what to do.",
        Query(expr=promql.state(), legend=_NAME),
        unit="short",
        words=theme.STATES,
        links=links.STATE_RUNBOOKS,
        no_value="nothing is known",
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
        no_value="never succeeded",
    )


def _success() -> Panel:
    return _moment("Last success", "When the newest good backup was complete.", "backup_last_success_time")


def _attempt() -> Panel:
    return _moment(
        "Last attempt", "When the newest attempt started.", "backup_last_attempt_timestamp_seconds"
    )


def _failure() -> Panel:
    return _moment(
        "Last failure", "When the newest failed attempt ended.", "backup_last_failure_timestamp_seconds"
    )


def _next_run() -> Panel:
    return _moment(
        "Next run",
        "The first due run that is not handled yet; in the past while it is late.",
        "backup_next_run_timestamp_seconds",
    )


def _in_a_row() -> Panel:
    return panels.stat(
        "Failures in a row",
        "Failed attempts since the newest success. From two on it will not mend itself.",
        _query("backup_consecutive_failures"),
        unit="short",
        decimals=0,
        steps=theme.NONE_IS_GOOD,
        links=(links.runbook("BackupFailed", "What to do when it failed"),),
    )


def _missed() -> Panel:
    return panels.stat(
        "Missed lately",
        "Runs that were due and did not start, in the last interval of the page.",
        Query(
            expr=promql.each_plan(f"increase({promql.plan('backup_missed_runs_total')}[$__rate_interval])"),
            legend=_NAME,
        ),
        unit="short",
        decimals=0,
        steps=theme.NONE_IS_GOOD,
        links=(links.runbook("BackupScheduleMissed", "What to do when it did not start"),),
    )


def _last_missed() -> Panel:
    return _moment(
        "Last missed",
        "When it was last found that due runs had not started.",
        "backup_last_missed_timestamp_seconds",
    )


def _kept() -> Panel:
    return panels.stat(
        "Backups kept",
        "Valid backups that can be restored.",
        _query("backup_available"),
        unit="short",
        decimals=0,
    )


def _oldest() -> Panel:
    return _moment(
        "Oldest backup kept",
        "When the oldest backup that is kept was complete.",
        "backup_oldest_timestamp_seconds",
        no_value="none is kept",
    )


def _since() -> Panel:
    return _moment(
        "Running since",
        "When the running backup started.",
        "backup_running_start_timestamp_seconds",
        no_value="none runs",
    )


def _progress() -> Panel:
    written, expected = promql.plan("backup_progress_bytes"), promql.plan("backup_progress_expected_bytes")
    return panels.stat(
        "Progress",
        "Bytes that the running backup has written, as a share of what it expects to write.",
        Query(expr=promql.each_plan(f"{written} / {expected}"), legend=_NAME),
        unit="percentunit",
        decimals=0,
        words=(Word(value=0, text="nothing yet", colour=theme.QUIET),),
        no_value="none runs",
    )
