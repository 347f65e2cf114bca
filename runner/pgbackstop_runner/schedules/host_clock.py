"""Schedules by the clock of a host that knows its own time zone alone. Pure.

Where a plan has another zone, its job is started in each hour, at every minute that can be the plan's:
``--scheduled`` runs only what is due, so more than enough is right, at the changes of the clock too.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from pgbackstop_catalog.config.schedule import Fields, Schedule

# A change of the clock that is announced further ahead is for the next install.
_DAYS_AHEAD = 800
_ALWAYS = Schedule(expression="* * * * *").fields()


def fields(schedule: Schedule, offset: Callable[[datetime], timedelta], now: datetime) -> Fields:
    """Return fields that match, by the host's clock, whenever the schedule is due.

    ``offset`` is the host's from UTC at a moment.
    """
    wanted = schedule.fields()
    shifts = _shifts(schedule.timezone, offset, now)
    if shifts == {0}:
        return wanted
    minutes = {(minute + shift) % 60 for minute in wanted.minutes for shift in shifts}
    return dataclasses.replace(_ALWAYS, seconds=wanted.seconds, minutes=tuple(sorted(minutes)))


def in_utc(_moment: datetime) -> timedelta:
    """The offset of a host whose clock shows UTC."""
    return timedelta()


def _shifts(zone: str, offset: Callable[[datetime], timedelta], now: datetime) -> set[int]:
    """How many minutes the host's clock is ahead of the zone's, at any day to come."""
    there = ZoneInfo(zone)
    found = set()
    for day in range(_DAYS_AHEAD):
        moment = now.astimezone(UTC) + timedelta(days=day)
        ahead = offset(moment) - (moment.astimezone(there).utcoffset() or timedelta())
        found.add(round(ahead.total_seconds() / 60))
    return found
