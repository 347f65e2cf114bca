"""Lines of a crontab, and the block of ours in it. Pure."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path

from pgbackstop_catalog.config.schedule import Fields, Schedule
from pgbackstop_runner.schedules import host_clock, jobs
from pgbackstop_runner.schedules.jobs import Job, Target


def block(
    target: Target, all_jobs: Sequence[Job], offset: Callable[[datetime], timedelta], now: datetime
) -> str:
    """Return the lines of ours between their marks; ``offset`` is the host's from UTC at a moment.

    Raises ConfigError for a schedule that cron cannot say.
    """
    begin, end = _marks(target.file)
    lines = [begin, "# From 'pgbackstop schedule install --cron', which replaces this block."]
    for job in all_jobs:
        command = shlex.join(target.argv(job)).replace("%", r"\%")
        if job.schedule is None:
            lines.append(f"# cron keeps nothing running; something else must: {command}")
        else:
            lines.append(f"{times(job, job.schedule, offset, now)} {command}")
    return "\n".join([*lines, end, ""])


def times(job: Job, schedule: Schedule, offset: Callable[[datetime], timedelta], now: datetime) -> str:
    """Return the five fields of a line that is due whenever the schedule is. Raises ConfigError."""
    fields = host_clock.fields(schedule, offset, now) if job.decides else schedule.fields()
    if fields.seconds != (0,):
        raise jobs.refusal(job, "cron knows no seconds")
    days, weekdays = _days(fields)
    return (
        f"{_listed(fields.minutes, 60)} {_listed(fields.hours, 24)} {_listed(days, 31)} "
        f"{_listed(fields.months, 12)} {_listed(weekdays, 7)}"
    )


def with_block(crontab: str, file: Path, block: str) -> str:
    """Return the crontab with our block in the place of the one it had, at its end where it had none."""
    before, after = _around(crontab, file)
    if before and not before.endswith("\n"):
        before += "\n"
    return before + block + after


def without_block(crontab: str, file: Path) -> str:
    """Return the crontab without our block."""
    return "".join(_around(crontab, file))


def _marks(file: Path) -> tuple[str, str]:
    return f"# BEGIN pgbackstop {file}", f"# END pgbackstop {file}"


def _around(crontab: str, file: Path) -> tuple[str, str]:
    """What stands before and after our block; a block without an end is only its first line."""
    begin, end = _marks(file)
    lines = crontab.splitlines(keepends=True)
    plain = [line.rstrip("\n") for line in lines]
    if begin not in plain:
        return crontab, ""
    first = plain.index(begin)
    last = plain.index(end, first) if end in plain[first:] else first
    return "".join(lines[:first]), "".join(lines[last + 1 :])


def _days(fields: Fields) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Days of the month and of the week for cron, which takes either where both are named."""
    every = tuple(range(1, 32)), tuple(range(7))
    either_is_full = fields.days == every[0] or fields.weekdays == every[1]
    return every if fields.either_day and either_is_full else (fields.days, fields.weekdays)


def _listed(values: Sequence[int], all_of_them: int) -> str:
    return "*" if len(values) == all_of_them else ",".join(map(str, values))
