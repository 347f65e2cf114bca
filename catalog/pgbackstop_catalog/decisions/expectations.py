"""What a plan promises, in seconds: how often it runs, and how old its backups and proofs may become. Pure.

Kept by plan and Unix hour, because the exporter asks at every scrape, and intervals differ by season where
clocks change.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from pgbackstop_catalog.config.plan import Plan
from pgbackstop_catalog.config.schedule import Schedule
from pgbackstop_catalog.decisions.history import History


@dataclass(frozen=True, kw_only=True)
class Expectation:
    """What a plan promises, in seconds; ``schedule`` says when it is due."""

    schedule: Schedule
    interval: float
    max_age: float
    proof_max_age: float | None


@lru_cache(maxsize=8192)
def expectation(plan: Plan, hour: int) -> Expectation:
    """Of a plan, in that Unix hour."""
    schedule, moment = plan.effective_schedule(), datetime.fromtimestamp(hour * 3600, UTC)
    interval = schedule.interval(moment).total_seconds()
    return Expectation(
        schedule=schedule,
        interval=interval,
        max_age=plan.effective_max_age(),
        proof_max_age=plan.effective_proof_max_age(),
    )


def max_age(plan: Plan, known: History, hour: int) -> float:
    """Seconds after which the newest success is too old.

    The plan's default limit grows by what the clock was set back since the newest good run was due, however
    long that took: its last two due times are further apart.
    """
    limit = expectation(plan, hour).max_age
    if plan.max_age is not None:
        return limit
    duration = known.success.duration if known.success else 0.0
    return limit + _set_back(plan, hour, math.ceil((limit + duration) / 3600) + 1)


@lru_cache(maxsize=8192)
def _set_back(plan: Plan, hour: int, hours: int) -> float:
    """Seconds by which the clock was set back in the ``hours`` before a Unix hour: in autumn a day has 25."""
    zone, moment = ZoneInfo(plan.timezone), datetime.fromtimestamp(hour * 3600, UTC)
    before = (moment - timedelta(hours=hours)).astimezone(zone).utcoffset() or timedelta()
    return max(0.0, (before - (moment.astimezone(zone).utcoffset() or timedelta())).total_seconds())
