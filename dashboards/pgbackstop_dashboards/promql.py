"""The expressions that more than one panel needs. Every metric is one of the exporter's contract."""

from __future__ import annotations

from typing import Final

LOGICAL: Final = 'backup_type="logical"'
PHYSICAL: Final = 'backup_type="physical"'
PLAN_LABELS: Final = "plan, server, database, backup_type"
_PLAN: Final = 'server=~"$server",database=~"$database",plan=~"$plan",backup_type=~"$backup_type"'
_SERVER: Final = 'server=~"$server"'

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


def plan(metric: str, *matchers: str) -> str:
    """The series of a plan's metric that the reader has chosen."""
    return f"{metric}{{{','.join((_PLAN, *matchers))}}}"


def server(metric: str) -> str:
    """The series of a server's metric that the reader has chosen."""
    return f"{metric}{{{_SERVER}}}"


def database(metric: str) -> str:
    """The series of a server's and database's metric that the reader has chosen."""
    return f'{metric}{{server=~"$server",database=~"$database"}}'


def each_plan(expr: str) -> str:
    """Without the labels of the scrape, so that columns of a table meet."""
    return f"max by ({PLAN_LABELS}) ({expr})"


def each_server(expr: str) -> str:
    """The same for what belongs to a server."""
    return f"max by (server) ({expr})"


def each_disk(expr: str) -> str:
    """The same for a disk."""
    return f"max by (path) ({expr})"


def moment(timestamp: str) -> str:
    """Grafana's units of time want milliseconds; 0 stays 0, which is shown as never."""
    return f"{timestamp} * 1000"


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
                _when(f"{plan('backup_enabled')} == 0", PAUSED),
                _when(_stuck(), STUCK),
                _when(f"{share_of_limit()} > 1", LATE),
                _when(_never(), NEVER),
                _when(f"{plan('backup_last_failure_timestamp_seconds')} > {success}", FAILED),
                _when(f"{plan('backup_missing')} > 0", FAILED),
                _when(_overdue(), LATE),
                _when(f"{plan('backup_running')} == 1", RUNNING),
                _when(f"{success} == 0", NEW),
                _when(success, OK),
                _when(plan("backup_enabled"), UNKNOWN),
            )
        )
    )


def _when(condition: str, number: int) -> str:
    return f"({condition}) * 0 + {number}"


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


def _overdue() -> str:
    """As in the alert BackupScheduleMissed: due for 15 min, and no run of the plan is under way."""
    late = f"time() - {plan('backup_next_run_timestamp_seconds')} > 900"
    return f"{late} unless on (plan, server) max by (plan, server) ({plan('backup_running')}) == 1"
