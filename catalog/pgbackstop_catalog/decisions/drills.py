"""Drills: which moment is recovered to, and what heartbeats say of the result.

A heartbeat is a row that says when it was written and when the one before it was, so that a lost row shows
inside of what was recovered, and a pause of the daemon does not look like one. Moments are of the server's
clock, which recovery goes by.
"""

from __future__ import annotations

import random
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from operator import attrgetter
from typing import Final

from pgbackstop_catalog import units
from pgbackstop_catalog.config.plan import Plan
from pgbackstop_catalog.decisions.windows import Window
from pgbackstop_catalog.model import format_time
from pgbackstop_catalog.records.proof import CheckResult, Proof

# From the clock's reading in a heartbeat to its commit: the writer's statement timeout, in seconds.
TOLERANCE = 5.0
CHECK = "heartbeats"
# As heartbeat.sql creates it; plain, so it needs no quotes.
TABLE: Final = "pgbackstop.heartbeat"


def outlived(name: str, plan: Plan, now: datetime) -> str | None:
    """What is wrong with a plan whose backups are gone before the next drill, in a sentence; None if nothing.

    Of such a plan, for some of the time, none of what is kept was proven.
    """
    if not plan.drill.enabled:
        return None
    pause = plan.effective_schedule().interval(now).total_seconds()
    kept = plan.effective_keep().reach(pause) + pause
    between = plan.drill_schedule().interval(now).total_seconds()
    if kept >= between:
        return None
    return (
        f"Plan {name} keeps a backup for {units.format_duration(kept)} and is drilled every "
        f"{units.format_duration(between)}: for a part of that time, none of what is kept was drilled. "
        "Drill it more often (drill.schedule), or keep more."
    )


def whose_turn(storages: Sequence[str | None], proofs: Iterable[Proof]) -> str | None:
    """The storage whose last drill, good or bad, began the longest ago; None is the backup itself.

    Of those that never had one, the first comes first.
    """
    last: dict[str | None, datetime] = {}
    for each in proofs:
        if each.proof == "drill":
            last[each.copy_in] = max(each.started_at, last.get(each.copy_in, each.started_at))
    return min(storages, key=lambda name: (name in last, last.get(name, datetime.min.replace(tzinfo=UTC))))


@dataclass(frozen=True, kw_only=True)
class Moment:
    """A moment of a window, and why it is that one."""

    at: datetime
    reason: str


@dataclass(frozen=True, kw_only=True)
class Heartbeat:
    """One heartbeat; ``previous`` is None in the first that was ever written."""

    written_at: datetime
    previous: datetime | None


@dataclass(frozen=True, kw_only=True)
class LiveHeartbeats:
    """The heartbeats that the live server still has: the oldest, and the newest before a moment."""

    oldest: datetime | None
    newest_before: datetime | None


@dataclass(frozen=True, kw_only=True)
class HeartbeatCheck:
    """The check, and how far behind the moment the newest heartbeat is, in seconds; None is unknown."""

    check: CheckResult
    rpo_seconds: float | None = None


def choose_moment(windows: Sequence[Window], seed: int) -> Moment:
    """A moment of the windows, each as likely as any other; the same one for the same seed.

    Raises ValueError where there is no window.
    """
    if not windows:
        msg = "no window"
        raise ValueError(msg)
    apart = _apart(windows)
    lengths = [(end - start).total_seconds() for start, end in apart]
    reason = f"a random moment of the recovery window, seed {seed}"
    distance = random.Random(seed).random() * sum(lengths)  # noqa: S311 - a sample, not a secret
    for (start, end), length in zip(apart, lengths, strict=True):
        if distance <= length:
            return Moment(at=min(end, start + timedelta(seconds=distance)), reason=reason)
        distance -= length
    return Moment(at=apart[-1][1], reason=reason)  # what rounding left over


def _apart(windows: Sequence[Window]) -> list[tuple[datetime, datetime]]:
    """The same moments as spans that do not overlap: windows of two timelines may."""
    spans: list[tuple[datetime, datetime]] = []
    for window in sorted(windows, key=attrgetter("start")):
        if spans and window.start <= spans[-1][1]:
            spans[-1] = (spans[-1][0], max(spans[-1][1], window.end))
        else:
            spans.append((window.start, window.end))
    return spans


def judge(
    moment: datetime,
    beats: Collection[Heartbeat],
    interval: float,
    live: LiveHeartbeats | None,
    *,
    exact: bool,
) -> HeartbeatCheck:
    """Judge whether the heartbeats of a recovered server are those that its moment must have.

    ``exact``: nothing after the moment may be there; else the moment is what the window claims at least.
    ``live`` is what the server itself has, None where it could not be asked.
    """
    newest = max((beat.written_at for beat in beats), default=None)
    if newest is None:
        return _without_any(moment, live)
    if exact and newest > moment:
        return _bad(f"{format_time(newest)} is after the moment that was asked for, {format_time(moment)}")
    lost = _lost(beats)
    if lost is not None:
        return _bad(f"the one at {format_time(lost)} is lost, and later ones are there")
    behind = max(0.0, (moment - newest).total_seconds())
    words = f"{len(beats)}, the newest {units.format_duration(behind)} before {format_time(moment)}"
    if behind <= interval + TOLERANCE:
        return HeartbeatCheck(check=_result(ok=True, detail=words), rpo_seconds=behind)
    return _late(words, newest, behind, live)


def _without_any(moment: datetime, live: LiveHeartbeats | None) -> HeartbeatCheck:
    if live is not None and (live.oldest is None or live.oldest > moment - timedelta(seconds=TOLERANCE)):
        return HeartbeatCheck(check=_result(ok=True, detail="none was written before that moment"))
    return _bad("there is none" if live is None else "there is none, and the live server has older ones")


def _late(words: str, newest: datetime, behind: float, live: LiveHeartbeats | None) -> HeartbeatCheck:
    """Too old: either the daemon did not write, or what it wrote is lost. The live server knows."""
    if live is None:
        return _bad(f"{words}; whether one was written since cannot be asked")
    if live.newest_before is not None and live.newest_before > newest:
        return _bad(f"{words}, and the live server has one at {format_time(live.newest_before)}", behind)
    return HeartbeatCheck(
        check=_result(ok=True, detail=f"{words}; none was written since"), rpo_seconds=behind
    )


def _lost(beats: Collection[Heartbeat]) -> datetime | None:
    """The time of a heartbeat that another one names as the one before it, and that is not there.

    The oldest names one that was removed for its age.
    """
    ordered = sorted(beats, key=lambda beat: beat.written_at)
    for before, beat in pairwise(ordered):
        if beat.previous is not None and before.written_at < beat.previous < beat.written_at:
            return beat.previous
    return None


def _bad(detail: str, behind: float | None = None) -> HeartbeatCheck:
    return HeartbeatCheck(check=_result(ok=False, detail=detail), rpo_seconds=behind)


def _result(*, ok: bool, detail: str) -> CheckResult:
    return CheckResult(name=CHECK, ok=ok, detail=detail)
