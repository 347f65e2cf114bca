"""When a plan is due, above all at the two hours a year in which the clock is not one."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from itertools import islice, pairwise, takewhile
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pgbackstop_catalog.config import schedule
from pgbackstop_catalog.config.schedule import Schedule

# Changes at 02:00, at 01:00, by half an hour, on the southern half, at midnight, before midnight, none.
ZONES = (
    "Europe/Berlin",
    "America/New_York",
    "Europe/London",
    "Australia/Lord_Howe",
    "America/Santiago",
    "America/Havana",
    "Africa/Cairo",
    "Asia/Kolkata",
    "UTC",
)
HOUR = timedelta(hours=1)
zones = st.sampled_from(ZONES)
years = st.integers(2024, 2035)


def _local(year: int, month: int, day: int, zone: str) -> datetime:
    return datetime(year, month, day, tzinfo=ZoneInfo(zone)).astimezone(UTC)


def _between(expression: str, zone: str, start: datetime, end: datetime) -> list[datetime]:
    """Due times from ``start`` on, before ``end``."""
    times = Schedule(expression=expression, timezone=zone).after(start - timedelta(seconds=1))
    return list(takewhile(lambda due: due < end, times))


def _year(expression: str, zone: str, year: int) -> list[datetime]:
    return _between(expression, zone, _local(year, 1, 1, zone), _local(year + 1, 1, 1, zone))


def _wall(times: list[datetime], zone: str) -> list[str]:
    return [f"{due.astimezone(ZoneInfo(zone)):%d %H:%M %z}" for due in times]


@pytest.mark.parametrize(
    ("expression", "spring", "autumn"),
    [
        ("0 2 * * *", ["29 03:00 +0200"], ["25 02:00 +0200"]),
        ("30 2 * * *", ["29 03:00 +0200"], ["25 02:30 +0200"]),
        ("0 3 * * *", ["29 03:00 +0200"], ["25 03:00 +0100"]),
        ("0 3 * * 0", ["29 03:00 +0200"], ["25 03:00 +0100"]),
        ("*/30 2 * * *", ["29 03:00 +0200"], ["25 02:00 +0200", "25 02:30 +0200"]),
        ("0,30 2 * * *", ["29 03:00 +0200"], ["25 02:00 +0200", "25 02:30 +0200"]),
        ("0 2,3 * * *", ["29 03:00 +0200"], ["25 02:00 +0200", "25 03:00 +0100"]),
    ],
)
def test_a_fixed_time_at_both_changes(expression: str, spring: list[str], autumn: list[str]) -> None:
    zone = "Europe/Berlin"
    for month, day, expected in ((3, 29, spring), (10, 25, autumn)):
        start, end = _local(2026, month, day, zone), _local(2026, month, day + 1, zone)
        assert _wall(_between(expression, zone, start, end), zone) == expected


def test_every_second_hour_at_both_changes() -> None:
    zone = "Europe/Berlin"
    spring = _between("0 */2 * * *", zone, _local(2026, 3, 29, zone), _local(2026, 3, 30, zone))
    autumn = _between("0 */2 * * *", zone, _local(2026, 10, 25, zone), _local(2026, 10, 26, zone))
    assert [due.astimezone(ZoneInfo(zone)).hour for due in spring] == [0, 3, *range(4, 24, 2)]
    assert [due.astimezone(ZoneInfo(zone)).hour for due in autumn] == [*range(0, 24, 2)]


@pytest.mark.parametrize(
    ("zone", "expression", "day", "expected"),
    [
        ("America/New_York", "30 2 * * *", date(2026, 3, 8), ["08 03:00 -0400"]),
        ("America/New_York", "30 1 * * *", date(2026, 11, 1), ["01 01:30 -0400"]),
        ("Australia/Lord_Howe", "15 2 * * *", date(2026, 10, 4), ["04 02:30 +1100"]),
        ("Australia/Lord_Howe", "30 2 * * *", date(2026, 10, 4), ["04 02:30 +1100"]),
        ("Australia/Lord_Howe", "45 1 * * *", date(2026, 4, 5), ["05 01:45 +1100"]),
        ("America/Havana", "30 0 * * *", date(2026, 3, 8), ["08 01:00 -0400"]),
    ],
)
def test_fixed_times_elsewhere(zone: str, expression: str, day: date, expected: list[str]) -> None:
    # Not from midnight: in Havana the clock goes from 23:59 to 01:00 on that day.
    noon = datetime(day.year, day.month, day.day, 12, tzinfo=ZoneInfo(zone)).astimezone(UTC)
    assert _wall(_between(expression, zone, noon - 13 * HOUR, noon), zone) == expected


@settings(max_examples=60)
@given(zone=zones, year=years, hour=st.integers(1, 22), minute=st.integers(0, 59))
def test_a_fixed_time_is_due_once_on_each_day(zone: str, year: int, hour: int, minute: int) -> None:
    times = _year(f"{minute} {hour} * * *", zone, year)
    days = [due.astimezone(ZoneInfo(zone)).date() for due in times]
    first = date(year, 1, 1)
    assert days == [first + timedelta(days=n) for n in range((date(year + 1, 1, 1) - first).days)]
    assert all(22 * HOUR <= later - earlier <= 26 * HOUR for earlier, later in pairwise(times))


@settings(max_examples=20)
@given(
    zone=zones,
    year=years,
    expression=st.sampled_from(
        ["0 * * * *", "45 * * * *", "*/5 * * * *", "7,50 0-23 * * 1-5", "15 * 1 4,10 *"]
    ),
)
def test_every_hour_means_the_wall_clock_at_each_instant(zone: str, year: int, expression: str) -> None:
    for month, day in ((3, 5), (4, 1), (10, 1), (10, 24)):
        start = datetime(year, month, day, tzinfo=UTC)
        assert _between(expression, zone, start, start + timedelta(days=9)) == list(
            _by_looking_at_each_minute(expression, zone, start, start + timedelta(days=9))
        )


def test_a_winter_between_two_due_times_is_not_passed_over() -> None:
    """In Santiago the last hour of 1 April comes twice, and the next due time is in another summer."""
    start = datetime(2034, 4, 2, 1, tzinfo=UTC)
    found = list(islice(Schedule(expression="15 * 1 4,10 *", timezone="America/Santiago").after(start), 4))
    assert [f"{due:%m-%d %H:%M}" for due in found] == [
        "04-02 01:15",
        "04-02 02:15",
        "04-02 03:15",
        "10-01 03:15",
    ]


def _by_looking_at_each_minute(
    expression: str, zone: str, start: datetime, end: datetime
) -> Iterator[datetime]:
    minutes, _, days, months, weekdays = (
        _numbers(field, size) for field, size in zip(expression.split(), (60, 24, 32, 13, 8), strict=True)
    )
    for number in range(int((end - start) / timedelta(minutes=1))):
        moment = start + timedelta(minutes=number)
        local = moment.astimezone(ZoneInfo(zone))
        if (
            local.minute in minutes
            and local.day in days
            and local.month in months
            and local.isoweekday() in weekdays
        ):
            yield moment


def _numbers(field: str, size: int) -> set[int]:
    if field.startswith("*"):
        return set(range(0, size, int(field.partition("/")[2] or 1)))
    found: set[int] = set()
    for part in field.split(","):
        low, _, high = part.partition("-")
        found |= set(range(int(low), int(high or low) + 1))
    return found


@settings(max_examples=60)
@given(
    zone=zones,
    second=st.integers(0, 365 * 86400),
    expression=st.sampled_from(
        ["30 2 * * *", "*/20 * * * *", "0 */2 * * *", "15 1 * * 0", "10 20 2 * * *", "*/50 * 1 * * *"]
    ),
)
def test_what_follows_does_not_depend_on_where_one_starts(zone: str, second: int, expression: str) -> None:
    plan = Schedule(expression=expression, timezone=zone)
    start = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=second)
    times = list(islice(plan.after(start), 6))
    assert times[0] > start
    assert times == sorted(set(times))
    for earlier, later in pairwise(times):
        assert plan.next_after(earlier) == later
        assert plan.next_after(later - timedelta(seconds=1)) == later
        assert plan.next_after(earlier + (later - earlier) / 2) == later


def test_the_second_of_two_equal_hours_repeats_nothing() -> None:
    plan = Schedule(expression="45 2 * * *", timezone="Europe/Berlin")
    in_second = datetime(2026, 10, 25, 1, 30, tzinfo=UTC)
    assert plan.next_after(in_second) == datetime(2026, 10, 26, 1, 45, tzinfo=UTC)


@pytest.mark.parametrize("expression", ["", "0 2 * *", "61 2 * * *", "0 2 31 2 *", "tomorrow", "0 2 * * MOX"])
def test_no_cron_expression(expression: str) -> None:
    with pytest.raises(ValueError, match="is no cron expression"):
        Schedule(expression=expression).after(datetime(2026, 1, 1, tzinfo=UTC))


@pytest.mark.parametrize("hour", ["*", "2"])
def test_an_expression_without_any_time_ends(hour: str) -> None:
    # No first of the month is its third Monday, and cronsim cannot tell before it has looked.
    plan = Schedule(expression=f"0 {hour} */31 * MON#3")
    assert list(plan.after(datetime(2026, 1, 1, tzinfo=UTC))) == []


@pytest.mark.parametrize(
    ("expression", "hours"),
    [
        ("* * * * *", 1 / 60),
        ("0 * * * *", 1),
        ("0 */2 * * *", 2),
        ("0 2 * * *", 24),
        ("0 2,14 * * *", 12),
        ("0 2,3 * * *", 23),
        ("0 2 * * 1-5", 72),
        ("* 9-17 * * 1-5", 63 + 1 / 60),
        ("0 3 * * 0", 7 * 24),
        ("0 2 1 * *", 31 * 24),
        ("0 2 31 * *", 61 * 24),
        ("0 2 29 2 *", (4 * 365 + 1) * 24),
        ("0 2 1 1 *", 366 * 24),
        ("0 2 * 2 MON#5", 9 * 365 * 24 + 2 * 24),
    ],
)
def test_interval_is_the_longest_pause(expression: str, hours: float) -> None:
    pause = Schedule(expression=expression, timezone="Europe/Berlin").interval(
        datetime(2026, 10, 20, tzinfo=UTC)
    )
    assert pause / HOUR == pytest.approx(hours)


@pytest.mark.parametrize(
    ("expression", "daily"),
    [
        ("0 2 * * *", True),
        ("0 2,3 * * *", True),
        ("0 2,14 * * *", False),
        ("0 2 * * 1-5", False),
        ("0 3 * * 0", False),
        ("0 * * * *", False),
    ],
)
def test_is_daily(expression: str, daily: bool) -> None:
    assert Schedule(expression=expression, timezone="America/New_York").is_daily() is daily


DAILY = Schedule(expression="0 2 * * *")


def _at(day: int, hour: int, minute: int = 0, second: int = 0) -> datetime:
    return datetime(2026, 11, day, hour, minute, second, tzinfo=UTC)


def _decide(now: datetime, grace: timedelta = HOUR) -> schedule.Decision:
    handled_until = _at(20, 2)
    return schedule.decide(DAILY, handled_until=handled_until, now=now, grace=grace)


def test_before_the_time_nothing_is_due() -> None:
    assert _decide(_at(21, 1, 59, 59)) == schedule.Decision(
        run=None, catch_up=False, missed=(), next_due=_at(21, 2), reason="not due"
    )


def test_at_the_time_it_runs() -> None:
    assert _decide(_at(21, 2, 0, 4)) == schedule.Decision(
        run=_at(21, 2), catch_up=False, missed=(), next_due=_at(22, 2), reason="due"
    )


@pytest.mark.parametrize("grace", [timedelta(), timedelta(seconds=5), HOUR])
def test_a_short_delay_is_no_catching_up_whatever_the_grace(grace: timedelta) -> None:
    decision = _decide(_at(21, 2, 1), grace=grace)
    assert (decision.run, decision.catch_up) == (_at(21, 2), False)


def test_late_inside_the_grace_it_catches_up() -> None:
    decision = _decide(_at(21, 2, 59))
    assert (decision.run, decision.catch_up, decision.missed) == (_at(21, 2), True, ())


def test_after_the_grace_it_is_missed() -> None:
    decision = _decide(_at(21, 3, 0, 1))
    assert (decision.run, decision.missed, decision.next_due) == (None, (_at(21, 2),), _at(22, 2))
    assert "2026-11-21 02:00 UTC" in decision.reason


def test_of_several_only_the_newest_runs() -> None:
    decision = _decide(_at(23, 2, 30))
    assert (decision.run, decision.catch_up) == (_at(23, 2), True)
    assert decision.missed == (_at(21, 2), _at(22, 2))


def test_a_clock_that_went_back_runs_nothing_again() -> None:
    decision = _decide(_at(20, 1))
    assert (decision.run, decision.missed, decision.next_due) == (None, (), _at(21, 2))


def test_a_year_of_minutes_is_counted_from_its_end() -> None:
    each_minute = Schedule(expression="* * * * *")
    due = schedule.past(each_minute, handled_until=_at(1, 0) - timedelta(days=365), now=_at(1, 0))
    assert len(due) == 10_000
    assert due[-1] == _at(1, 0)
    assert due[0] == _at(1, 0) - timedelta(minutes=9_999)
