"""What the tests of the daemon wait for in the catalog."""

from datetime import datetime, timedelta

import psutil

from pgbackstop_catalog.records.attempt import Status
from pgbackstop_catalog.records.backup import Backup
from tests.integration.daemon.conftest import Daemons, until

EACH_SECOND = "* * * * * *"
SELDOM = "0 2 29 2 *"


def finished(daemons: Daemons, plan: str, number: int = 1) -> list[Backup]:
    """Wait for so many attempts that are over; the newest first."""

    def enough() -> list[Backup]:
        over = [record for record in daemons.records(plan) if record.finished_at is not None]
        return over if len(over) >= number else []

    found: list[Backup] = until(enough, f"{number} finished attempts of {plan}")
    return found


def succeeded(daemons: Daemons, plan: str) -> list[Backup]:
    """Attempts that went well."""
    return [record for record in daemons.records(plan) if record.status is Status.SUCCEEDED]


def failed(daemons: Daemons, plan: str) -> Backup:
    """Wait for one that failed."""

    def one() -> list[Backup]:
        return [record for record in daemons.records(plan) if record.status is Status.FAILED]

    found: Backup = until(one, f"a failed attempt of {plan}")[0]
    return found


def running(daemons: Daemons, plan: str) -> Backup:
    """Wait for one that runs."""

    def one() -> list[Backup]:
        return [record for record in daemons.records(plan) if record.status is Status.RUNNING]

    found: Backup = until(one, f"a running attempt of {plan}")[0]
    return found


def next_run(daemons: Daemons, plan: str) -> datetime:
    """When the plan is due next."""
    state = daemons.state()
    assert state is not None
    return state.next_runs[plan]


def is_gone(pid: int | None) -> bool:
    """Whether no process has that number."""
    return pid is not None and not psutil.pid_exists(pid)


def daily(now: datetime) -> str:
    """A daily schedule that was due half an hour ago."""
    due = now - timedelta(minutes=30)
    return f"{due.minute} {due.hour} * * *"
