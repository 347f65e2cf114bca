"""Due times of plans: decisions over cron expressions, right at both daylight-saving changes.

cronsim finds the matching wall-clock times; what they mean when the clock changes is decided here.
cronsim's own rule is Debian's cron's, which turns on whether a field begins with a star: ``*/30 2 * * *``
would not run at all on the spring day and four times on the autumn day, ``0 */2 * * *`` twice in autumn.
That is no way to make backups, so:

* an expression for some hours of the day means wall-clock times, each once: a time that the spring change
  skips happens at the first instant after it (several skipped ones are one run), one that comes twice in
  autumn happens the first time;
* an expression for every hour means a pause, so it follows the clock that the wall shows at each instant:
  it runs in both of the autumn's equal hours and has none to run in spring's missing one.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise, takewhile
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

# An expression of five fields says no seconds, so a due time is noticed late by the daemon's own pace.
ON_TIME = timedelta(minutes=1)
# How many due times are counted one by one: a week of a plan that runs each minute.
_MOST_MISSED = 10_000
# Two clock changes are never this close.
_STRIDE = timedelta(days=7)
_SECOND = timedelta(seconds=1)
_EVERY_DAY, _EVERY_WEEKDAY = tuple(range(1, 32)), tuple(range(7))
# Long enough for two leap days, whatever the century.
_HORIZON_YEARS = 9


@dataclass(frozen=True, kw_only=True)
class Fields:
    """What an expression matches, field by field, for those who keep schedules themselves.

    Days are more than enough where the expression counts them (``L``, ``5#2``). With ``either_day`` a day of
    the month or one of the week will do, else it must be both. Sunday is 0.
    """

    seconds: tuple[int, ...]
    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    days: tuple[int, ...]
    months: tuple[int, ...]
    weekdays: tuple[int, ...]
    either_day: bool = False


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """A cron expression in a time zone; a sixth field in front, if there is one, is the seconds."""

    expression: str
    timezone: str = "UTC"

    def after(self, moment: datetime) -> Iterator[datetime]:
        """Due times later than ``moment``, ascending, in UTC. Raises ValueError for a bad expression."""
        zone = ZoneInfo(self.timezone)
        if len(_parse(self.expression, moment).hours) == 24:
            return _at_each_instant(self.expression, zone, moment)
        return _at_wall_times(self.expression, zone, moment)

    def next_after(self, moment: datetime) -> datetime:
        """The first due time later than ``moment``."""
        return next(self.after(moment))

    def interval(self, moment: datetime) -> timedelta:
        """The longest pause between due times by the wall clock, in the years from ``moment`` on."""
        return _longest_pause(self.expression, moment.year)

    def fields(self) -> Fields:
        """Return the fields of the expression; they are in the schedule's time zone."""
        parsed = _parse(self.expression, datetime(2026, 1, 1, tzinfo=UTC))
        weekdays = {day % 7 for day in parsed.weekdays if isinstance(day, int)}
        counts = min(parsed.days) < 1 or any(not isinstance(day, int) for day in parsed.weekdays)
        return Fields(
            seconds=tuple(sorted(parsed.seconds)),
            minutes=tuple(sorted(parsed.minutes)),
            hours=tuple(sorted(parsed.hours)),
            days=_EVERY_DAY if counts else tuple(sorted(parsed.days)),
            months=tuple(sorted(parsed.months)),
            weekdays=_EVERY_WEEKDAY if counts else tuple(sorted(weekdays)),
            either_day=not (counts or parsed.day_and),
        )

    def is_daily(self) -> bool:
        """Return whether its longest pause is about a day: due on every day, once or within an hour."""
        interval = self.interval(datetime(2026, 1, 1, tzinfo=UTC))
        return timedelta(hours=23) <= interval <= timedelta(hours=25)


@dataclass(frozen=True, kw_only=True)
class Decision:
    """The decision about a plan at one moment, and why."""

    run: datetime | None
    catch_up: bool
    missed: tuple[datetime, ...]
    next_due: datetime
    reason: str


def decide(schedule: Schedule, *, handled_until: datetime, now: datetime, grace: timedelta) -> Decision:
    """Decide which due time to run now, and which ones to record as missed.

    ``handled_until`` is the newest due time on record, or when the plan was first seen. Of several past
    due times only the newest may still run, when it is at most ``grace`` old (and never less than
    ON_TIME, or a grace of 0 would miss every run); the others are missed.
    """
    due = past(schedule, handled_until=handled_until, now=now)
    next_due = schedule.next_after(max(now, handled_until))
    if not due:
        return Decision(run=None, catch_up=False, missed=(), next_due=next_due, reason="not due")
    newest = due[-1]
    if now - newest > max(grace, ON_TIME):
        reason = f"due {newest:%Y-%m-%d %H:%M} UTC, more than the grace ago"
        return Decision(run=None, catch_up=False, missed=due, next_due=next_due, reason=reason)
    late = now - newest > ON_TIME
    reason = "catching up inside the grace" if late else "due"
    return Decision(run=newest, catch_up=late, missed=due[:-1], next_due=next_due, reason=reason)


def past(schedule: Schedule, *, handled_until: datetime, now: datetime) -> tuple[datetime, ...]:
    """Due times later than ``handled_until``, up to ``now``, ascending.

    Looks back further and further, so that the newest ones are always there and a plan of every minute
    behind a daemon that was away for a year is not counted to the end: then they are the newest 10,000.
    """
    window = timedelta(hours=1)
    while True:
        start = max(handled_until, now - window)
        due = tuple(takewhile(lambda moment: moment <= now, schedule.after(start)))
        if start == handled_until or len(due) >= _MOST_MISSED:
            return due[-_MOST_MISSED:]
        window *= 4


def _parse(expression: str, moment: datetime) -> CronSim:
    """cronsim on naive times: it then knows of no clock change."""
    try:
        return CronSim(expression, moment.replace(tzinfo=None))
    except CronSimError as error:
        msg = f"{expression!r} is no cron expression ({error})"
        raise ValueError(msg) from error


def _at_wall_times(expression: str, zone: ZoneInfo, moment: datetime) -> Iterator[datetime]:
    newest = moment.astimezone(UTC)
    for wall in _parse(expression, moment.astimezone(zone)):
        due = _instant(wall, zone)
        # Not later: skipped times that fall together in spring, and in the second of autumn's equal
        # hours what happened in the first.
        if due > newest:
            newest = due
            yield due


def _instant(wall: datetime, zone: ZoneInfo) -> datetime:
    """The first instant at which the clock shows ``wall``, or the first after it where it never does."""
    due = wall.replace(tzinfo=zone).astimezone(UTC)
    if due.astimezone(zone).replace(tzinfo=None) == wall:
        return due
    # fold=1 reads a skipped time with the offset after the change: an instant before it (PEP 495).
    before = wall.replace(tzinfo=zone, fold=1).astimezone(UTC)
    return _change(zone, before, due)


def _at_each_instant(expression: str, zone: ZoneInfo, moment: datetime) -> Iterator[datetime]:
    """Stretch by stretch of one offset from UTC, because cronsim counts wrong across half-hour changes."""
    position = start = moment.astimezone(UTC)
    offset = _offset(zone, position)
    while True:
        for wall in _parse(expression, start + offset):
            due = wall.replace(tzinfo=UTC) - offset
            change = _first_change(zone, position, due)
            if change is not None:
                position = change
                # The change itself may be due, and cronsim begins after the time it is given.
                start, offset = position - _SECOND, _offset(zone, position)
                break
            position = due
            yield due
        else:
            return


def _first_change(zone: ZoneInfo, before: datetime, after: datetime) -> datetime | None:
    """The first instant later than ``before``, up to ``after``, with another offset; None without one.

    It looks at every stride: from one summer to the next both ends have the same offset.
    """
    offset = _offset(zone, before)
    while before < after:
        end = min(before + _STRIDE, after)
        if _offset(zone, end) != offset:
            return _change(zone, before, end)
        before = end
    return None


def _change(zone: ZoneInfo, before: datetime, after: datetime) -> datetime:
    """The first instant with another offset than ``before``; ``after`` has one, at most a stride later."""
    offset = _offset(zone, before)
    low, high = int(before.timestamp()), int(after.timestamp())
    while high - low > 1:
        middle = (low + high) // 2
        if _offset(zone, datetime.fromtimestamp(middle, UTC)) == offset:
            low = middle
        else:
            high = middle
    return datetime.fromtimestamp(high, UTC)


def _offset(zone: ZoneInfo, moment: datetime) -> timedelta:
    return moment.astimezone(zone).utcoffset() or timedelta()


@functools.lru_cache(maxsize=16384)
def _longest_pause(expression: str, year: int) -> timedelta:
    fields = _parse(expression, datetime(year, 1, 1, tzinfo=UTC))
    times = sorted(
        hour * 3600 + minute * 60 + second
        for hour in fields.hours
        for minute in fields.minutes
        for second in fields.seconds
    )
    within = max((later - earlier for earlier, later in pairwise(times)), default=0)
    days = _most_days(" ".join(expression.split()[-3:]), year)
    return timedelta(seconds=max(within, days * 86400 - (times[-1] - times[0])))


@functools.lru_cache(maxsize=1024)
def _most_days(days_of: str, year: int) -> int:
    """The most days from one to the next that the last three fields match.

    Apart from the times: the plans of a fleet have a thousand of these, and few kinds of days.
    """
    if days_of == "* * *":  # as most have it; to look at each day takes 15 ms
        return 1
    fields = _parse(f"0 0 {days_of}", datetime(year, 1, 1, tzinfo=UTC))
    first = date(year, 1, 1).toordinal()
    horizon = range(first, date(year + _HORIZON_YEARS, 1, 1).toordinal())
    days = [day for day in horizon if _matches(fields, date.fromordinal(day))]
    return max((later - earlier for earlier, later in pairwise(days)), default=len(horizon))


def _matches(fields: CronSim, day: date) -> bool:
    return day.month in fields.months and fields.match_day(day)
