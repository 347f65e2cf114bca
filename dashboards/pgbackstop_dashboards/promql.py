"""The expressions that more than one panel needs. Every metric is one of the exporter's contract.

Two exporters may know plans, servers and disks of equal names, so whatever is joined or summed up keeps the
labels of the scrape, ``job`` and ``instance``.
"""

from __future__ import annotations

from typing import Final

LOGICAL: Final = 'backup_type="logical"'
PHYSICAL: Final = 'backup_type="physical"'
EXPORTER_LABELS: Final = "job, instance"
PLAN_LABELS: Final = f"{EXPORTER_LABELS}, plan, server, database, backup_type"
SERVER_LABELS: Final = f"{EXPORTER_LABELS}, server"
DISK_LABELS: Final = f"{EXPORTER_LABELS}, path"
_EXPORTER: Final = 'instance=~"$instance"'
_SERVER: Final = f'{_EXPORTER},server=~"$server"'
_DATABASE: Final = f'{_SERVER},database=~"$database"'
_PLAN: Final = f'{_DATABASE},plan=~"$plan",backup_type=~"$backup_type"'

# By how bad it is, so that the maximum of several is their worst.
OK: Final = 0
RUNNING: Final = 1
NEW: Final = 2
PAUSED: Final = 3
UNKNOWN: Final = 4
FAILED: Final = 5
LATE: Final = 6
NEVER: Final = 7
STUCK: Final = 8
SILENT: Final = 9  # no exporter answers: of no plan, but of all of them
NEEDS_SOMEBODY: Final = UNKNOWN  # and all that is worse

INFO: Final = 1
WARNING: Final = 2
CRITICAL: Final = 3

NOT_KNOWN: Final = -1
# Reasons that are not the runner's.
FILES_GONE: Final = "files gone"
DAMAGED: Final = "found damaged"
NOT_STARTED: Final = "not started"
HANGS: Final = "hangs"


def plan(metric: str, *matchers: str, at: str = "") -> str:
    """The series of a plan's metric that the reader has chosen; ``at``: a modifier behind them."""
    return f"{metric}{{{','.join((_PLAN, *matchers))}}}{at}"


def server(metric: str) -> str:
    """The series of a server's metric that the reader has chosen."""
    return f"{metric}{{{_SERVER}}}"


def database(metric: str) -> str:
    """The series of a server's and database's metric that the reader has chosen."""
    return f"{metric}{{{_DATABASE}}}"


def exporter(metric: str, *matchers: str) -> str:
    """The series of what an exporter says of itself or of its disks."""
    return f"{metric}{{{','.join((_EXPORTER, *matchers))}}}"


def each_plan(expr: str) -> str:
    """Only the labels that all metrics of a plan have, so that columns of a table meet."""
    return f"max by ({PLAN_LABELS}) ({expr})"


def each_server(expr: str) -> str:
    """The same for what belongs to a server."""
    return f"max by ({SERVER_LABELS}) ({expr})"


def each_disk(expr: str) -> str:
    """The same for a disk."""
    return f"max by ({DISK_LABELS}) ({expr})"


def largest(metric: str, *matchers: str) -> str:
    """A metric over the time of those ten plans and databases whose newest value is the largest."""
    newest = each_plan(plan(metric, *matchers, at=" @ end()"))
    return f"{each_plan(plan(metric, *matchers))} and on ({PLAN_LABELS}) topk(10, {newest})"


def moment(timestamp: str) -> str:
    """Grafana's units of time want milliseconds; 0 stays 0, which is shown as never."""
    return f"{timestamp} * 1000"


def steps(counter: str) -> str:
    """By how much a counter of the catalog grew in each interval that is drawn.

    Such a counter survives restarts and rises by whole numbers, which ``increase`` would extrapolate and,
    where scrapes are slower than Grafana thinks, lose.
    """
    return f"clamp_min({counter} - {counter} offset $__interval, 0)"


def when(condition: str, number: int) -> str:
    """That number for each series of the condition."""
    return f"({condition}) * 0 + {number}"


def constant(number: float, known_by: str) -> str:
    """That number where there is any series of ``known_by``, else nothing."""
    return f"0 * count({known_by}) + {number}"


def any_exporter() -> str:
    """Present while an exporter answers."""
    return exporter("backup_exporter_build_info")


def first_known(*alternatives: str) -> str:
    """The first that has an answer; where none has, that nothing is known."""
    return " or ".join((*alternatives, f"vector({NOT_KNOWN})"))


def or_silence(expr: str, label: str, value: int = NOT_KNOWN) -> str:
    """With one series more, so labelled, while no exporter answers: an empty table looks as if all were "
    "well."""
    silence = f"vector({value}) unless on () {any_exporter()}"
    return f'{expr} or label_replace({silence}, "{label}", "no exporter", "", "")'


def age() -> str:
    """Seconds since the newest success; nothing where there is none."""
    return f"time() - ({plan('backup_last_success_time')} > 0)"


def share_of_limit() -> str:
    """The age against the plan's own limit: 1 is the limit."""
    return f"({age()}) / {plan('backup_max_age_seconds')}"


def state() -> str:
    """One number per plan and database; the first that is true wins, as the alerts inhibit each other."""
    success = plan("backup_last_success_time")
    return each_plan(
        " or ".join(
            (
                when(f"{plan('backup_enabled')} == 0", PAUSED),
                when(_stuck(), STUCK),
                when(f"{share_of_limit()} > 1", LATE),
                when(_never(), NEVER),
                when(f"{plan('backup_last_failure_timestamp_seconds')} > {success}", FAILED),
                when(f"{plan('backup_missing')} > 0", FAILED),
                when(f"{plan('backup_damaged')} > 0", FAILED),
                when(overdue(), LATE),
                when(f"{plan('backup_running')} == 1", RUNNING),
                when(f"{success} == 0", NEW),
                when(success, OK),
                when(plan("backup_enabled"), UNKNOWN),
            )
        )
    )


def needs_somebody() -> str:
    """The states of plans that are not well."""
    return f"({state()} >= {NEEDS_SOMEBODY})"


def reason() -> str:
    """Why a plan is not well, as the label ``reason``."""
    by = f"on ({PLAN_LABELS})"
    gone = _because(f"{plan('backup_missing')} > 0", FILES_GONE)
    damaged = _because(f"{plan('backup_damaged')} > 0", DAMAGED)
    not_started = _because(f"({overdue()}) and {plan('backup_enabled')} == 1", NOT_STARTED)
    hangs = _because(_stuck(), HANGS)
    because = f" or {by} ".join((hangs, gone, damaged, plan("backup_failing_info"), not_started))
    return f"max by ({PLAN_LABELS}, reason) ({because})"


def _because(condition: str, word: str) -> str:
    return f'label_replace({condition}, "reason", "{word}", "", "")'


def _stuck() -> str:
    """As in the alert BackupStuck: no byte, or running, for longer than the plan allows.

    The runner itself ends such a run, so this is one that nobody watches any more.
    """
    silent_for = f"time() - {plan('backup_progress_timestamp_seconds')}"
    nearly_done = f"{plan('backup_progress_bytes')} >= 0.9 * {plan('backup_progress_expected_bytes')}"
    running_for = f"time() - {plan('backup_running_start_timestamp_seconds')}"
    silent = f"{silent_for} > {plan('backup_stall_timeout_seconds')} unless {nearly_done}"
    return f"({silent}) or {running_for} > {plan('backup_max_duration_seconds')}"


def _never() -> str:
    """As in the alert BackupNeverSucceeded: the first due time and its grace have passed."""
    grace = f"clamp_min({plan('backup_max_age_seconds')} - {plan('backup_schedule_interval_seconds')}, 3600)"
    since_due = f"time() - {plan('backup_first_due_timestamp_seconds')}"
    return f"{plan('backup_last_success_time')} == 0 and {since_due} > {grace}"


def overdue() -> str:
    """As in the alert BackupScheduleMissed: due for 15 min, and no run of the plan is under way."""
    labels = f"{EXPORTER_LABELS}, plan, server"
    late = f"time() - {plan('backup_next_run_timestamp_seconds')} > 900"
    return f"{late} unless on ({labels}) max by ({labels}) ({plan('backup_running')}) == 1"
