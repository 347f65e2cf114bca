"""Which due times become runs: every worker looks, and the database lets one of them say so.

What is due is decided as the daemon decides it, by the database's clock.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from datetime import datetime, timedelta

import psycopg

from pgbackstop_catalog.config.plan import Plan
from pgbackstop_catalog.config.schedule import Schedule
from pgbackstop_catalog.model import format_time
from pgbackstop_runner.daemon import due_times, plan_state, state_file
from pgbackstop_runner.daemon.plan_state import CREDIBLE, Observation
from pgbackstop_runner.fleet import decisions, due_runs, engine, unwritten
from pgbackstop_runner.fleet.values import Active, Key, Place, Scheduled, State
from pgbackstop_runner.system import log
from pgbackstop_runner.workspace import Workspace

_AWAY = "the daemon was not running then, or the clock jumped"
_NO_WORKER = "no worker was running then, or the clock jumped"


def look(connection: psycopg.Connection, workspace: Workspace) -> float:
    """Queue what is due, and keep the records of what was missed; returns the seconds until more is due.

    Raises CatalogError, psycopg's errors.
    """
    known, now = due_runs.scheduled(connection), due_runs.now(connection)
    for name, plan in workspace.config.plans.items():
        if not plan.enabled:
            if name in known:
                with connection.transaction():
                    due_runs.pause(connection, name)
                log.logger().info("paused", plan=name)
        elif not _is_quiet(known.get(name), plan, now):
            with connection.transaction():
                _observe(connection, workspace, name, now)
    schedules = {plan.effective_schedule() for plan in workspace.config.plans.values() if plan.enabled}
    return min(((each.next_after(now) - now).total_seconds() for each in schedules), default=math.inf)


def _is_quiet(known: Scheduled | None, plan: Plan, now: datetime) -> bool:
    """Whether nothing can be due, as far as that is known without holding the plan."""
    if known is None or known.schedule != state_file.written(plan) or known.handled_until - now > CREDIBLE:
        return False
    return _next(plan.effective_schedule(), known.handled_until) > now


@functools.lru_cache(maxsize=10_000)
def _next(schedule: Schedule, moment: datetime) -> datetime:
    return schedule.next_after(moment)


def _observe(connection: psycopg.Connection, workspace: Workspace, name: str, now: datetime) -> None:
    plan = workspace.plan(name)
    written = state_file.written(plan)
    begun = due_times.newest_due(workspace.catalog, name, now) or now
    held = due_runs.hold(connection, name, Scheduled(schedule=written, handled_until=begun))
    if held is None:
        return
    # What another schedule would have asked for was not missed.
    handled = held.handled_until if held.schedule == written else now
    state = decisions.plan_state(name, handled, due_runs.active(connection, name))
    seen = plan_state.observe(state, plan.effective_schedule(), now=now, grace=timedelta(seconds=plan.grace))
    due_runs.handle(connection, name, Scheduled(schedule=written, handled_until=seen.state.handled_until))
    _miss(connection, plan, seen, now)
    if seen.order is not None and seen.order.due is not None:
        if state.waiting is not None and state.waiting.due is not None:
            waited = Key(plan=name, due=state.waiting.due)
            due_runs.leave_out(connection, waited, State.MISSED, "the next one took its place")
        _queue(connection, workspace, plan, seen)


def _miss(connection: psycopg.Connection, plan: Plan, seen: Observation, now: datetime) -> None:
    if seen.missed is None:
        return
    missed = seen.missed
    if missed.reason == _AWAY:
        missed = dataclasses.replace(missed, reason=_NO_WORKER)
    log.logger().warning(
        "missed", plan=missed.plan, due=format_time(missed.newest), runs=missed.runs, reason=missed.reason
    )
    unwritten.keep(connection, due_times.missed(plan, missed, now))


def _queue(connection: psycopg.Connection, workspace: Workspace, plan: Plan, seen: Observation) -> None:
    order = seen.order
    assert order is not None  # noqa: S101 - the caller has seen it
    assert order.due is not None  # noqa: S101
    key = Key(plan=order.plan, due=order.due)
    place = Place(
        server=plan.server,
        storage=workspace.storage_of(plan)[0],
        queue=workspace.server(plan.server).queue,
    )
    waiting = Active(key=key, state=State.QUEUED, trigger=order.trigger, asked=order.asked)
    if due_runs.queue(connection, waiting, place):
        engine.defer(connection, due_runs.task_of(connection, key))
        log.logger().info("due", plan=key.plan, due=format_time(key.due), reason=seen.reason)
