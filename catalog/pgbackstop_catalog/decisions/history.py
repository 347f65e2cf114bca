"""Sums of the attempts of a plan: decisions that the runner and the exporter share.

Times are Unix seconds (0 = never, or not set), sizes bytes.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from heapq import nlargest
from statistics import median
from typing import Final

from pgbackstop_catalog.config.schedule import Schedule
from pgbackstop_catalog.decisions.attempts import Attempt
from pgbackstop_catalog.decisions.counts import NOTHING, Counts, count
from pgbackstop_catalog.records.attempt import Reason, Status

BASELINE_SUCCESSES: Final = 10
# Of a database that no run contains any more, how many good runs in a row must have been without it.
RUNS_WITHOUT: Final = 2
# Seconds. A clock that goes back by up to this repeats nothing. What lies further ahead was written by a
# clock that was wrong, and must not keep a plan from running until that day comes.
MOST_AHEAD: Final = 86_400.0


@dataclass(frozen=True, kw_only=True)
class History:
    """The attempts of one plan for one database or server, added up.

    ``failing``: why the newest of the failures since the newest success failed.
    """

    success: Attempt | None = None
    running: Attempt | None = None
    last_attempt: float = 0.0
    last_failure: float = 0.0
    consecutive_failures: int = 0
    failing: Reason | None = None
    last_missed: float = 0.0
    handled_until: float = 0.0
    verified: float = 0.0
    available: int = 0
    stored_bytes: int = 0
    oldest: float = 0.0
    source_size: int = -1
    size_baseline: float | None = None
    source_size_baseline: float | None = None
    duration_baseline: float | None = None
    counts: Counts = NOTHING
    vanished: tuple[Attempt, ...] = ()
    damaged: int = 0

    @property
    def last_success(self) -> float:
        """When the newest success was complete, in Unix seconds; 0.0 where there is none."""
        return self.success.finished if self.success else 0.0

    @property
    def size_expected(self) -> float | None:
        """Bytes that the newest success should have: as usual, or more where its source has grown.

        None where nothing is known, and for an incremental backup, whose size follows what was written.
        """
        newest = self.success
        if newest is None or newest.incremental or self.size_baseline is None:
            return None
        if newest.source_size < 0 or not self.source_size_baseline:
            return self.size_baseline
        return self.size_baseline * max(1.0, newest.source_size / self.source_size_baseline)


def summarise(attempts: Iterable[Attempt], *, folding: frozenset[str] = frozenset()) -> History:
    """Add up attempts in any order. Those whose id is in ``folding`` are counted by the tally already."""
    every = list(attempts)
    ended = [attempt for attempt in every if attempt.status not in {Status.RUNNING, Status.MISSED}]
    successes = [attempt for attempt in ended if attempt.status is Status.SUCCEEDED]
    # A stored backup that was found damaged is no run that failed.
    failed = [attempt for attempt in ended if attempt.is_failure and not attempt.damaged]
    kept = [attempt for attempt in successes if not attempt.expired]
    running = [attempt for attempt in every if attempt.status is Status.RUNNING]
    missed = [attempt for attempt in every if attempt.status is Status.MISSED]
    success = max(successes, key=_by_end, default=None)
    last_success = success.finished if success else 0.0
    since = [attempt for attempt in failed if attempt.finished > last_success]
    newest_failure = max(since, key=_by_end, default=None)
    return History(
        success=success,
        running=max(running, key=_by_start, default=None),
        last_attempt=max((attempt.started for attempt in (*ended, *running)), default=0.0),
        last_failure=max((attempt.finished for attempt in failed), default=0.0),
        last_missed=max((attempt.started for attempt in missed), default=0.0),
        consecutive_failures=len(since),
        failing=newest_failure.reason if newest_failure else None,
        handled_until=max((attempt.scheduled or attempt.started for attempt in every), default=0.0),
        verified=max((attempt.verified for attempt in successes), default=0.0),
        available=len(kept),
        stored_bytes=sum(max(0, attempt.size) for attempt in kept),
        oldest=min((attempt.finished for attempt in kept), default=0.0),
        source_size=success.source_size if success else -1,
        **_baselines(successes, success),
        counts=count(attempt for attempt in every if attempt.id not in folding),
        vanished=tuple(attempt for attempt in every if attempt.vanished),
        damaged=sum(attempt.is_open_damage for attempt in every),
    )


def dropped(attempts: Iterable[Attempt]) -> frozenset[str]:
    """Databases that the newest runs of a plan of all databases contain no more.

    Only scheduled runs that ended well in every database are asked, and RUNS_WITHOUT of them in a row must
    be without it: a run that was cut short, or one by hand of a single database, proves no drop, and
    to take a late database for a dropped one would silence its alert.
    """
    runs: defaultdict[float, list[Attempt]] = defaultdict(list)
    newest: dict[str, float] = {}
    for attempt in attempts:
        database = attempt.subject.database
        if attempt.scheduled:
            runs[attempt.scheduled].append(attempt)
        if database:
            newest[database] = max(newest.get(database, 0.0), attempt.started)
    complete = [
        due for due, run in runs.items() if all(attempt.status is Status.SUCCEEDED for attempt in run)
    ]
    asked = nlargest(RUNS_WITHOUT, complete)
    if len(asked) < RUNS_WITHOUT:
        return frozenset()
    present = {attempt.subject.database for due in asked for attempt in runs[due]}
    since = asked[-1]
    return frozenset(name for name, started in newest.items() if name not in present and started < since)


def credible(handled_until: float, now: float) -> float:
    """Until when due runs are handled: what is dated far ahead, by a clock that was wrong, handles none.

    The daemon goes on from now, too.
    """
    return now if handled_until - now > MOST_AHEAD else handled_until


def next_run(schedule: Schedule, *, handled_until: float, first_seen: float) -> float:
    """The first due run that nothing handled yet; in the past while it is late.

    A run that cron or a person started handles what was due before it, like a scheduled one.
    """
    return first_due(schedule, handled_until or first_seen)


# Asked for the same three moments of each plan at every look.
@lru_cache(maxsize=4096)
def first_due(schedule: Schedule, first_seen: float) -> float:
    """Return when a plan that was first seen then is due for the first time."""
    return schedule.next_after(datetime.fromtimestamp(first_seen, UTC)).timestamp()


def _baselines(successes: list[Attempt], newest: Attempt | None) -> dict[str, float | None]:
    """Medians of successes that are comparable: an incremental backup says nothing about a full one."""
    alike = [attempt for attempt in successes if newest and attempt.incremental == newest.incremental]
    last = nlargest(BASELINE_SUCCESSES, alike, key=_by_end)
    return {
        "size_baseline": _median(attempt.size for attempt in last if attempt.size >= 0),
        "source_size_baseline": _median(attempt.source_size for attempt in last if attempt.source_size >= 0),
        "duration_baseline": _median(attempt.duration for attempt in last),
    }


def _median(values: Iterable[float]) -> float | None:
    found = list(values)
    return float(median(found)) if found else None


def _by_end(each: Attempt) -> float:
    return each.finished


def _by_start(each: Attempt) -> float:
    return each.started
