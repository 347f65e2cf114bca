"""A configuration whose schedules are installed, and expressions of every kind."""

from datetime import UTC, datetime
from pathlib import Path

from hypothesis import strategies as st

from pgbackstop_catalog.config.configuration import Config
from pgbackstop_catalog.config.schedule import Schedule
from pgbackstop_runner.schedules.jobs import Job, Target

NOW = datetime(2026, 11, 27, 4, 0, tzinfo=UTC)
TARGET = Target(
    program="/opt/pg backstop/100%/pgbackstop",
    file=Path("/etc/pgbackstop/main.yaml"),
    writes=(Path("/srv/back ups/$1"), Path("/var/lib/pgbackstop")),
)
EXPRESSIONS = (
    "0 2 * * *",
    "*/15 * * * *",
    "7,37 */6 * * *",
    "0 3 * * 0",
    "0 3 * * 7",
    "30 1 1,15 * *",
    "0 4 13 * 5",
    "0 4 */2 * 1-5",
    "0 4 1-31 * MON",
    "15 22 * JAN-MAR 2,4",
    "0 5 L * *",
    "0 5 LW * *",
    "0 5 * * 5#2",
    "0 5 * * 5L",
)


def config(**plan: object) -> Config:
    return Config.model_validate(
        {
            "servers": {"main": {}},
            "storages": {"disk": {"kind": "folder", "path": "/var/lib/pgbackstop"}},
            "plans": {
                "shop": {"server": "main", "backup_type": "logical", **plan},
                "off": {"server": "main", "backup_type": "logical", "enabled": False},
            },
        }
    )


def job(expression: str, timezone: str = "UTC", *, decides: bool = True) -> tuple[Job, Schedule]:
    schedule = Schedule(expression=expression, timezone=timezone)
    arguments = ("backup", "shop", "--scheduled")
    made = Job(
        name="backup-shop",
        description="backup shop",
        arguments=arguments,
        schedule=schedule,
        decides=decides,
    )
    return made, schedule


def _fields(low: int, high: int) -> st.SearchStrategy[str]:
    one = st.integers(low, high).map(str)
    step = st.integers(2, 20).map(lambda every: f"*/{every}")
    pair = st.tuples(st.integers(low, high), st.integers(low, high)).map(
        lambda each: "-".join(map(str, sorted(each)))
    )
    return st.one_of(st.just("*"), one, step, pair, st.tuples(one, one).map(",".join))


def expressions() -> st.SearchStrategy[str]:
    """Cron expressions of five fields that are due in every month."""
    return st.tuples(_fields(0, 59), _fields(0, 23), _fields(1, 28), st.just("*"), _fields(0, 7)).map(
        " ".join
    )
