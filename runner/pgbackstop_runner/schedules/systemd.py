"""Units of systemd: a hardened service for each job, and a timer where it has a schedule. Pure.

How little they may do is the daemon's own unit, which lies in the package.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from importlib import resources
from pathlib import Path

from pgbackstop_catalog import errors
from pgbackstop_catalog.config.schedule import Schedule
from pgbackstop_runner.schedules.jobs import Job, Target

_PLAIN = re.compile(r"[A-Za-z0-9/_.,:@+=-]+")
_DAY_NAMES = ("Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat")
_USER = re.compile(r"[a-z_][a-z0-9_-]{0,31}")
_TIMER = """\
{mark}[Unit]
Description=pgbackstop: {description}, when it is due

[Timer]
{calendar}
# A time that passed while the host was off: run inside the plan's grace, else on record as missed.
Persistent=true
AccuracySec=1s

[Install]
WantedBy=timers.target
"""
_SERVICE = """\
{mark}[Unit]
Description=pgbackstop: {description}
{unit}
[Service]
{kind}
User={user}
Group={user}
ExecStart={command}
KillMode=mixed
TimeoutStopSec=90

{rights}"""
_ENDLESS = "Restart=always\nRestartSec=5"
_INSTALL = "\n[Install]\nWantedBy=multi-user.target\n"


def units(target: Target, all_jobs: Sequence[Job], user: str) -> dict[str, str]:
    """Return the content of every unit, by its file's name. Raises ConfigError for a user that is none."""
    if _USER.fullmatch(user) is None:
        raise errors.ConfigError(f"{user!r} is no account.", remedy="Name the one that owns the backups.")
    made = {}
    for job in all_jobs:
        made[f"pgbackstop-{job.name}.service"] = _service(target, job, user)
        if job.schedule is not None:
            made[f"pgbackstop-{job.name}.timer"] = _TIMER.format(
                mark=mark(target.file),
                description=job.description,
                calendar="\n".join(f"OnCalendar={each}" for each in calendar(job.schedule)),
            )
    return made


def started(names: Sequence[str]) -> list[str]:
    """Return the units that are to be enabled: timers, and services that have none."""
    return [name for name in names if name.removesuffix(".service") + ".timer" not in names]


def mark(file: Path) -> str:
    """The first line of a unit of ours, by which an install replaces and an uninstall removes it."""
    return f"# From 'pgbackstop schedule install --systemd' for {file}\n"


def calendar(schedule: Schedule) -> Iterator[str]:
    """Yield expressions of OnCalendar that together elapse whenever the schedule is due."""
    fields = schedule.fields()
    months = "*" if len(fields.months) == 12 else _listed(fields.months)
    days = "*" if len(fields.days) == 31 else _listed(fields.days)
    named = ",".join(_DAY_NAMES[day] for day in fields.weekdays)
    week = "" if len(fields.weekdays) == 7 else f"{named} "
    hours = "*" if len(fields.hours) == 24 else _listed(fields.hours)
    minutes = "*" if len(fields.minutes) == 60 else _listed(fields.minutes)
    time = f"{hours}:{minutes}:{_listed(fields.seconds)} {schedule.timezone}"
    if not fields.either_day:
        yield f"{week}*-{months}-{days} {time}"
    elif not week or days == "*":
        yield f"*-{months}-* {time}"
    else:
        yield f"{week}*-{months}-* {time}"
        yield f"*-{months}-{days} {time}"


def _service(target: Target, job: Job, user: str) -> str:
    shipped = resources.files(__package__).joinpath("pgbackstop.service").read_text(encoding="utf-8")
    unit = shipped.partition("[Unit]\n")[2].partition("\n[Service]")[0]
    rights = "# Backups must not" + shipped.partition("# Backups must not")[2].partition("\n[Install]")[0]
    writes = f"ReadWritePaths={' '.join(_word(str(path)) for path in target.writes)}"
    text = _SERVICE.format(
        mark=mark(target.file),
        description=job.description,
        unit=re.sub(r"^Description=.*\n", "", unit, flags=re.MULTILINE),
        kind="Type=oneshot" if job.schedule is not None else _ENDLESS,
        user=user,
        command=" ".join(_word(each).replace("$", "$$") for each in target.argv(job)),
        rights=re.sub(r"^ReadWritePaths=.*$", lambda _: writes, rights, flags=re.MULTILINE),
    )
    return text if job.schedule is not None else text + _INSTALL


def _listed(values: Sequence[int]) -> str:
    return ",".join(f"{value:02d}" for value in values)


def _word(text: str) -> str:
    """One word for systemd: https://www.freedesktop.org/software/systemd/man/systemd.syntax.html"""
    doubled = text.replace("%", "%%")
    if _PLAIN.fullmatch(text):
        return doubled
    return '"' + doubled.replace("\\", "\\\\").replace('"', '\\"') + '"'
