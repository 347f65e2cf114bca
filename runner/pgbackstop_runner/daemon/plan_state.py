"""What is due, waits, runs or was missed of one plan. Pure.

A due time is handled when it is on record: by the run that it started, or as missed. One that waits, for
the run before, for its turn or for a run by hand, is the newest of its plan: when the next becomes due it
takes the place, and the one that waited is missed. So a daemon that is killed forgets no due time.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal

from pgbackstop_catalog.config import schedule as schedules
from pgbackstop_catalog.config.schedule import Schedule
from pgbackstop_catalog.decisions import history

Trigger = Literal["schedule", "catch-up", "wal-gap"]
CREDIBLE = timedelta(seconds=history.MOST_AHEAD)


@dataclass(frozen=True, kw_only=True)
class Order:
    """A run to be started; ``due`` is None where no schedule asked for it.

    ``asked`` is its place in the queue: a newer due time that takes the place of the one that waited does
    not go to the end, or plans that are due often would keep the last of them from ever running.
    """

    plan: str
    trigger: Trigger
    asked: datetime
    due: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Missed:
    """Due times that did not start and will not: how many, the newest, and why."""

    plan: str
    runs: int
    newest: datetime
    reason: str


@dataclass(frozen=True, kw_only=True)
class PlanState:
    """``handled_until`` is the newest due time that was run, missed, or waits."""

    plan: str
    handled_until: datetime
    running: Order | None = None
    waiting: Order | None = None

    def next_run(self, schedule: Schedule) -> datetime:
        """The next due time that is not handled yet: in the past while a run waits."""
        if self.waiting is not None and self.waiting.due is not None:
            return self.waiting.due
        return schedule.next_after(self.handled_until)


@dataclass(frozen=True, kw_only=True)
class Observation:
    """A plan's new state, what became due, and what was missed."""

    state: PlanState
    order: Order | None = None
    missed: Missed | None = None
    reason: str = ""


def observe(state: PlanState, schedule: Schedule, *, now: datetime, grace: timedelta) -> Observation:
    """Look at the clock. The grace is for a daemon that was away; behind a run that is going it waits."""
    if state.handled_until - now > CREDIBLE:
        reason = "the newest due time on record lies more than a day ahead: the clock was or is wrong"
        return Observation(state=replace(state, handled_until=now), reason=reason)
    busy = state.running is not None or state.waiting is not None
    decision = schedules.decide(
        schedule,
        handled_until=state.handled_until,
        now=now,
        grace=timedelta.max if busy else grace,
    )
    lost = decision.missed
    if decision.run is None:
        return _only_missed(state, lost)
    if state.waiting is not None and state.waiting.due is not None:
        lost = (state.waiting.due, *lost)
    trigger: Trigger = "catch-up" if decision.catch_up and not busy else "schedule"
    asked = state.waiting.asked if state.waiting is not None else decision.run
    order = Order(plan=state.plan, trigger=trigger, asked=asked, due=decision.run)
    return Observation(
        state=replace(state, handled_until=decision.run, waiting=order),
        order=order,
        missed=_missed(state.plan, lost, _cause(state)),
        reason=_why(state, decision.reason),
    )


def demand(state: PlanState, now: datetime) -> PlanState:
    """A base backup is wanted for a gap in the WAL; any run that waits will do."""
    if state.waiting is not None:
        return state
    return replace(state, waiting=Order(plan=state.plan, trigger="wal-gap", asked=now))


def started(state: PlanState) -> PlanState:
    """What waited runs."""
    return replace(state, running=state.waiting, waiting=None)


def ended(state: PlanState) -> PlanState:
    """The run is over and on record."""
    return replace(state, running=None)


def put_back(state: PlanState) -> Observation:
    """The run could not begin because the plan runs by hand: it waits again, unless a newer one does."""
    order = state.running
    if order is None or state.waiting is None:
        return Observation(state=replace(state, running=None, waiting=order))
    lost = (order.due,) if order.due is not None else ()
    return Observation(
        state=ended(state), missed=_missed(state.plan, lost, "a run started by hand was still going")
    )


def _only_missed(state: PlanState, lost: tuple[datetime, ...]) -> Observation:
    if not lost:
        return Observation(state=state)
    missed = _missed(state.plan, lost, "the daemon was not running then, or the clock jumped")
    return Observation(state=replace(state, handled_until=lost[-1]), missed=missed)


def _missed(plan: str, lost: tuple[datetime, ...], reason: str) -> Missed | None:
    return Missed(plan=plan, runs=len(lost), newest=lost[-1], reason=reason) if lost else None


def _cause(state: PlanState) -> str:
    if state.running is not None:
        return "the run before was still going"
    if state.waiting is not None:
        return "the run before was still waiting for its turn"
    return "the daemon was not running then, or the clock jumped"


def _why(state: PlanState, reason: str) -> str:
    if state.running is not None:
        return "due, waits for the run before"
    return "due, takes the place of the one that waited" if state.waiting is not None else reason
