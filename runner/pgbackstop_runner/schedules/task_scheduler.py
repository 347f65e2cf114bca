"""Tasks of Windows' Task Scheduler, as XML that ``schtasks /Create /XML`` takes. Pure.

A trigger names a time of the day, in UTC, and every day: Windows does not say of which zone the days of a
trigger in UTC are, and ``--scheduled`` starts only what is due. What is to run all the time is left out.
https://learn.microsoft.com/windows/win32/taskschd/task-scheduler-schema
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from xml.sax.saxutils import escape

from pgbackstop_catalog.config.schedule import Fields, Schedule
from pgbackstop_runner.schedules import host_clock, jobs
from pgbackstop_runner.schedules.jobs import Job, Target

NAMESPACE = "http://schemas.microsoft.com/windows/2004/02/mit/task"
# What the Task Scheduler takes for one task.
_MOST_TRIGGERS = 48
_FIRST_DAY = "2026-01-01"
_SETTINGS = {
    "MultipleInstancesPolicy": "IgnoreNew",
    "DisallowStartIfOnBatteries": "false",
    "StopIfGoingOnBatteries": "false",
    "StartWhenAvailable": "true",
    "ExecutionTimeLimit": "PT0S",
}


def tasks(target: Target, all_jobs: Sequence[Job], now: datetime) -> dict[str, str]:
    """Return the XML of every task by its file's name. Raises ConfigError for a schedule it cannot say."""
    scheduled = ((job, job.schedule) for job in all_jobs if job.schedule is not None)
    return {f"pgbackstop-{job.name}.xml": _task(target, job, when, now) for job, when in scheduled}


def task_name(file_name: str) -> str:
    """Return the task that a file of ``tasks`` is for, in a folder of the Task Scheduler of its own."""
    return "\\pgbackstop\\" + file_name.removeprefix("pgbackstop-").removesuffix(".xml")


def mark(file: Path) -> str:
    """The line of a task of ours, by which an install replaces and an uninstall removes it."""
    return f"<Author>{escape(_author(file))}</Author>"


def _author(file: Path) -> str:
    return f"pgbackstop schedule, for {file}"


def _task(target: Target, job: Job, schedule: Schedule, now: datetime) -> str:
    task = ET.Element("Task", version="1.2", xmlns=NAMESPACE)
    information = ET.SubElement(task, "RegistrationInfo")
    _text(information, "Author", _author(target.file))
    _text(information, "Description", f"pgbackstop: {job.description}")
    triggers = ET.SubElement(task, "Triggers")
    for clock, every in _times(job, host_clock.fields(schedule, host_clock.in_utc, now)):
        _trigger(triggers, clock, every)
    principal = ET.SubElement(ET.SubElement(task, "Principals"), "Principal", id="Author")
    _text(principal, "RunLevel", "LeastPrivilege")
    settings = ET.SubElement(task, "Settings")
    for name, value in _SETTINGS.items():
        _text(settings, name, value)
    action = ET.SubElement(ET.SubElement(task, "Actions", Context="Author"), "Exec")
    command, *arguments = target.argv(job)
    _text(action, "Command", command)
    _text(action, "Arguments", " ".join(map(_quoted, arguments)))
    ET.indent(task)
    return ET.tostring(task, encoding="unicode") + "\n"


def _trigger(triggers: ET.Element, clock: str, every: str) -> None:
    """A time of each day, in the order of the schema's sequence."""
    trigger = ET.SubElement(triggers, "CalendarTrigger")
    _text(trigger, "Enabled", "true")
    _text(trigger, "StartBoundary", f"{_FIRST_DAY}T{clock}Z")
    if every:
        repetition = ET.SubElement(trigger, "Repetition")
        _text(repetition, "Interval", every)
        _text(repetition, "Duration", "P1D")
    _text(ET.SubElement(trigger, "ScheduleByDay"), "DaysInterval", "1")


def _times(job: Job, fields: Fields) -> Iterator[tuple[str, str]]:
    """Times of the day, and the interval at which the rest of the day repeats one, if it does."""
    if len(fields.seconds) > 1:
        raise jobs.refusal(job, "the Task Scheduler repeats nothing within a minute")
    (second,), first = fields.seconds, fields.minutes[0]
    step = 60 // len(fields.minutes)
    if len(fields.hours) == 24 and fields.minutes == tuple(range(first, 60, step)):
        yield f"00:{first:02d}:{second:02d}", f"PT{step}M"
        return
    if len(fields.hours) * len(fields.minutes) > _MOST_TRIGGERS:
        raise jobs.refusal(
            job, f"it has more than {_MOST_TRIGGERS} times in a day, and no equal pauses between them"
        )
    for hour in fields.hours:
        for minute in fields.minutes:
            yield f"{hour:02d}:{minute:02d}:{second:02d}", ""


def _text(parent: ET.Element, name: str, text: str) -> None:
    ET.SubElement(parent, name).text = text


def _quoted(argument: str) -> str:
    """An argument as Windows' programs take their command line apart; no name of ours holds a quote."""
    return f'"{argument}"' if " " in argument or not argument else argument
