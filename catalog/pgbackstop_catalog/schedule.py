"""When a plan is due: pure decisions over cron expressions, right at both daylight-saving changes.

cronsim follows Debian's cron: a run at a fixed hour that the spring change skips happens at the first
minute after it, and one whose hour comes twice in autumn happens once.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

# Enough to see the longest pause of any usual expression: a fortnight of days, a year of months.
_LOOK_AHEAD = 16
# A plan that runs each minute, behind a daemon that was away for weeks.
_MOST_MISSED = 10_000


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """A cron expression in a time zone."""

    expression: str
    timezone: str = "UTC"

    def after(self, moment: datetime) -> Iterator[datetime]:
        """Due times later than ``moment``, ascending, in UTC. Raises ValueError for a bad expression."""
        try:
            times = CronSim(self.expression, moment.astimezone(ZoneInfo(self.timezone)))
        except CronSimError as error:
            msg = f"{self.expression!r} is no cron expression ({error})"
            raise ValueError(msg) from error
        return (due.astimezone(UTC) for due in times)

    def next_after(self, moment: datetime) -> datetime:
        """The first due time later than ``moment``."""
        return next(self.after(moment))

    def interval(self, moment: datetime) -> timedelta:
        """The longest pause between neighbouring due times after ``moment``."""
        times = list(islice(self.after(moment), _LOOK_AHEAD))
        return max((later - earlier for earlier, later in pairwise(times)), default=timedelta(days=366))

    def is_daily(self) -> bool:
        """Whether it is due at one or more fixed times every day."""
        interval = self.interval(datetime(2026, 1, 1, tzinfo=UTC))
        return timedelta(hours=23) <= interval <= timedelta(hours=25)


@dataclass(frozen=True, kw_only=True)
class Decision:
    """What to do now about a plan, and why."""

    run: datetime | None
    catch_up: bool
    missed: tuple[datetime, ...]
    next_due: datetime
    reason: str


def decide(schedule: Schedule, *, handled_until: datetime, now: datetime, grace: timedelta) -> Decision:
    """Which due time to run now, which ones to record as missed.

    ``handled_until`` is the newest due time on record, or when the plan was first seen. Of several past
    due times only the newest may still run, when it is at most ``grace`` old; the others are missed.
    """
    due = _past(schedule, handled_until, now)
    next_due = schedule.next_after(max(now, handled_until))
    if not due:
        return Decision(run=None, catch_up=False, missed=(), next_due=next_due, reason="not due")
    newest = due[-1]
    if now - newest > grace:
        reason = f"due {newest:%Y-%m-%d %H:%M} UTC, more than the grace ago"
        return Decision(run=None, catch_up=False, missed=tuple(due), next_due=next_due, reason=reason)
    late = now - newest > timedelta(minutes=1)
    reason = "catching up inside the grace" if late else "due"
    return Decision(run=newest, catch_up=late, missed=tuple(due[:-1]), next_due=next_due, reason=reason)


def _past(schedule: Schedule, handled_until: datetime, now: datetime) -> list[datetime]:
    due: list[datetime] = []
    for moment in islice(schedule.after(handled_until), _MOST_MISSED):
        if moment > now:
            break
        due.append(moment)
    return due
