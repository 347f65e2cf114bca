"""Stories that tests of alerts are made of: the samples that come in, and what fires when.

Time 0 is the beginning of Unix time, and minutes count from there, so a moment of 60 is one minute later.
A value may be promtool's shorthand: `0+60x20` rises by 60 twenty times, `_x5` is five times nothing.
"""

from dataclasses import dataclass, field

HOUR = 60
DAY = 24 * HOUR
WEEK = 7 * DAY
HELD = "x3000"  # as long as any story that counts in minutes
PLAN = {"plan": "daily", "server": "main", "database": "shop", "backup_type": "logical"}
WEEKLY = {"plan": "weekly", "server": "main", "database": "", "backup_type": "physical"}
EXPORTER = {"job": "pgbackstop", "instance": "backup:9853"}
SERVER = {"server": "main"}
DISK = {"path": "/srv/backups"}


@dataclass(frozen=True, kw_only=True)
class Case:
    """One story. `at` maps minutes to the severity that fires then, or None where nothing does.

    A series may have labels of its own beside those of the story: `name{storage="offsite"}`.
    """

    alert: str
    story: str
    series: dict[str, str | float]
    at: dict[int, str | None]
    labels: dict[str, str] = field(default_factory=dict)


def lossy(value: float, pause: int, times: int = 40) -> str:
    """The same value each minute, but for a scrape that is lost after each ``pause``."""
    return " ".join([f"{value}x{pause - 1} _"] * times)


def daily(**changed: str | float) -> dict[str, str | float]:
    """A daily plan that first was due after an hour and that succeeds at minute 1, unless changed."""
    return {
        "backup_last_success_time": 60,
        "backup_last_failure_timestamp_seconds": 0,
        "backup_consecutive_failures": 0,
        "backup_max_age_seconds": 90000,
        "backup_schedule_interval_seconds": 86400,
        "backup_first_due_timestamp_seconds": 3600,
        "backup_next_run_timestamp_seconds": 60 + 86400,
        "backup_last_missed_timestamp_seconds": 0,
        "backup_enabled": 1,
        "backup_running": 0,
        **changed,
    }


def weekly(**changed: str | float) -> dict[str, str | float]:
    """A weekly plan with the limit that follows from its schedule: a week, 6 h to run, 1 h of grace."""
    return daily(
        **{
            "backup_max_age_seconds": 630000,
            "backup_schedule_interval_seconds": 604800,
            "backup_next_run_timestamp_seconds": 60 + 604800,
            **changed,
        }
    )


def plan(alert: str, story: str, series: dict[str, str | float], at: dict[int, str | None]) -> Case:
    return Case(alert=alert, story=story, series=series, at=at, labels=PLAN)


def server(alert: str, story: str, series: dict[str, str | float], at: dict[int, str | None]) -> Case:
    return Case(alert=alert, story=story, series=series, at=at, labels=SERVER)
