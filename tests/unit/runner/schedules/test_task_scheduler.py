"""Tasks for Windows, against the rules of the published schema, and that they start whenever it is due.

https://learn.microsoft.com/windows/win32/taskschd/task-scheduler-schema: its types are written down here as
far as our tasks use them, because the schema is not published as a file.
"""

import re
import xml.etree.ElementTree as ET
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, given

from pgbackstop_catalog import errors
from pgbackstop_catalog.config.schedule import Schedule
from pgbackstop_runner.schedules import jobs, task_scheduler
from pgbackstop_runner.schedules.jobs import Target
from tests.unit.runner.schedules.world import EXPRESSIONS, NOW, TARGET, config, expressions, job

BOOLEAN = re.compile(r"true|false")
DURATION = re.compile(r"P(?!$)(\d+D)?(T(?!$)(\d+H)?(\d+M)?(\d+S)?)?")
MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
TEXT = re.compile(r".+")
# Element: whether its children have an order, the children that may be there, and those that must.
COMPLEX: dict[str, tuple[bool, tuple[str, ...], set[str]]] = {
    "Task": (
        False,
        ("RegistrationInfo", "Triggers", "Settings", "Data", "Principals", "Actions"),
        {"Actions"},
    ),
    "RegistrationInfo": (
        False,
        ("URI", "SecurityDescriptor", "Source", "Date", "Author", "Version", "Description", "Documentation"),
        set(),
    ),
    "CalendarTrigger": (
        True,
        (
            "Enabled",
            "StartBoundary",
            "EndBoundary",
            "Repetition",
            "ExecutionTimeLimit",
            "RandomDelay",
            "ScheduleByDay",
        ),
        {"StartBoundary", "ScheduleByDay"},
    ),
    "Repetition": (False, ("Interval", "Duration", "StopAtDurationEnd"), {"Interval"}),
    "ScheduleByDay": (False, ("DaysInterval",), set()),
    "Principals": (True, ("Principal",), set()),
    "Principal": (False, ("UserId", "LogonType", "GroupId", "DisplayName", "RunLevel"), set()),
    "Settings": (
        False,
        (
            "AllowStartOnDemand",
            "RestartOnFailure",
            "MultipleInstancesPolicy",
            "DisallowStartIfOnBatteries",
            "StopIfGoingOnBatteries",
            "AllowHardTerminate",
            "StartWhenAvailable",
            "Enabled",
            "Hidden",
            "ExecutionTimeLimit",
            "Priority",
        ),
        set(),
    ),
    "Actions": (True, ("Exec",), {"Exec"}),
    "Exec": (False, ("Command", "Arguments", "WorkingDirectory"), {"Command"}),
}
SIMPLE = {
    "Author": TEXT,
    "Description": TEXT,
    "Enabled": BOOLEAN,
    "StartBoundary": MOMENT,
    "Interval": DURATION,
    "Duration": DURATION,
    "DaysInterval": re.compile(r"[1-9]\d{0,2}"),
    "RunLevel": re.compile(r"LeastPrivilege|HighestAvailable"),
    "MultipleInstancesPolicy": re.compile(r"Parallel|Queue|IgnoreNew|StopExisting"),
    "DisallowStartIfOnBatteries": BOOLEAN,
    "StopIfGoingOnBatteries": BOOLEAN,
    "StartWhenAvailable": BOOLEAN,
    "ExecutionTimeLimit": DURATION,
    "Command": TEXT,
    "Arguments": TEXT,
}
ATTRIBUTES = {"Task": {"version": "1.2"}, "Principal": {"id": "Author"}, "Actions": {"Context": "Author"}}


def name_of(element: ET.Element) -> str:
    namespace, _, name = element.tag.removeprefix("{").partition("}")
    assert namespace == task_scheduler.NAMESPACE
    return name


def validate(element: ET.Element) -> None:
    name = name_of(element)
    assert element.attrib == ATTRIBUTES.get(name, {})
    children = [name_of(child) for child in element]
    if name in SIMPLE:
        assert not children
        assert SIMPLE[name].fullmatch(element.text or ""), (name, element.text)
        return
    if name == "Triggers":
        assert set(children) <= {"CalendarTrigger"}
        assert len(children) <= 48
    else:
        ordered, allowed, needed = COMPLEX[name]
        assert set(children) <= set(allowed)
        assert needed <= set(children)
        assert len(children) == len(set(children))
        assert not ordered or children == sorted(children, key=allowed.index)
    for child in element:
        validate(child)


def parsed(expression: str, zone: str = "UTC", target: Target = TARGET) -> ET.Element:
    made, _ = job(expression, zone)
    (text,) = task_scheduler.tasks(target, (made,), NOW).values()
    return ET.fromstring(text.encode("utf-16"))  # noqa: S314 - our own


def starts(task: ET.Element) -> set[int]:
    """Seconds of the day, in UTC, at which it is started."""
    found = set()
    names = {"t": task_scheduler.NAMESPACE}
    for trigger in task.iterfind(".//t:CalendarTrigger", names):
        start = datetime.fromisoformat(trigger.findtext("t:StartBoundary", "", names))
        first = start.hour * 3600 + start.minute * 60 + start.second
        every = trigger.findtext("t:Repetition/t:Interval", "", names)
        step = int(every[2:-1]) * 60 if every else 86400
        found |= {at % 86400 for at in range(first, first + 86400, step)}
    return found


def seconds(moment: datetime) -> int:
    return moment.hour * 3600 + moment.minute * 60 + moment.second


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "Asia/Kolkata"])
@pytest.mark.parametrize("expression", [*EXPRESSIONS, "30 15 2 * * *"])
def test_a_task_is_valid_and_starts_whenever_it_is_due(expression: str, zone: str) -> None:
    task = parsed(expression, zone)
    validate(task)
    at = starts(task)
    at_second = min(at) % 60
    schedule = Schedule(expression=expression, timezone=zone)
    minutes = schedule.fields().minutes
    for due in islice(schedule.after(NOW), 400):
        # A time that the clock leaves out in spring is due at the change; the next start finds it.
        late = 0 if due.astimezone(ZoneInfo(zone)).minute in minutes and due.second == at_second else 3600
        assert min((each - seconds(due.astimezone(UTC))) % 86400 for each in at) <= late


@given(expressions())
def test_so_is_one_of_any_expression(expression: str) -> None:
    try:
        task = parsed(expression)
    except errors.ConfigError:
        assume(False)
    validate(task)
    at = starts(task)
    assert all(seconds(due) in at for due in islice(Schedule(expression=expression).after(NOW), 20))


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ("*/10 0 2 * * *", "repeats nothing within a minute"),
        ("0,10,25 1-20 * * *", "more than 48 times in a day"),
    ],
)
def test_what_it_cannot_say_is_refused_with_a_sentence(expression: str, words: str) -> None:
    with pytest.raises(errors.ConfigError, match=words) as refused:
        parsed(expression)
    assert "backup shop" in refused.value.problem
    assert refused.value.remedy


def test_a_time_of_each_hour_needs_one_trigger() -> None:
    task = parsed("5-59/15 * * * *")
    assert len(starts(task)) == 96
    assert len(task.findall(".//{*}CalendarTrigger")) == 1


def test_names_are_kept_whatever_they_hold() -> None:
    target = Target(program=r"C:\Program Files\a&b\pgbackstop.exe", file=Path("/a <b> c.yaml"), writes=())
    task = parsed("0 2 * * *", target=target)
    validate(task)
    assert task.findtext(".//{*}Command") == target.program
    assert task.findtext(".//{*}Arguments") == '--config "/a <b> c.yaml" backup shop --scheduled'
    made, _ = job("0 2 * * *")
    (text,) = task_scheduler.tasks(target, (made,), NOW).values()
    assert task_scheduler.mark(target.file) in text


def test_every_plan_has_its_tasks_and_what_never_ends_has_none() -> None:
    made = task_scheduler.tasks(TARGET, jobs.jobs(config()), NOW)
    assert list(made) == [
        "pgbackstop-backup-shop.xml",
        "pgbackstop-drill-shop.xml",
        "pgbackstop-expire.xml",
        "pgbackstop-verify.xml",
    ]
    assert task_scheduler.task_name("pgbackstop-backup-shop.xml") == r"\pgbackstop\backup-shop"
