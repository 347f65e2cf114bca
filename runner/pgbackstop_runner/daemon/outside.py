"""Runs that cron or a timer starts: which due time each is for, and the records of those never started.

Without a daemon nobody looks at the clock in between, so each run looks back to the one before. What is due
is decided as the daemon decides it; a run that is started too often, or by both, finds nothing due.
"""

from __future__ import annotations

import dataclasses
from datetime import datetime, timedelta
from pathlib import Path
from typing import Literal

from pgbackstop_catalog import errors
from pgbackstop_catalog.config import schedule as schedules
from pgbackstop_catalog.config.plan import Plan
from pgbackstop_catalog.config.schedule import Schedule
from pgbackstop_catalog.model import format_time
from pgbackstop_catalog.records import codec
from pgbackstop_catalog.records.scheduler import Counted
from pgbackstop_catalog.store import atomic
from pgbackstop_runner.daemon import drill_runs, due_times, plan_state
from pgbackstop_runner.daemon.plan_state import CREDIBLE, Missed, Order, PlanState
from pgbackstop_runner.daemon.settings import DrillOrder
from pgbackstop_runner.notify import backup_events
from pgbackstop_runner.system import log
from pgbackstop_runner.workspace import Workspace

_MOMENT = timedelta(seconds=1)
_NEVER_STARTED = "nothing started it: cron, the timer or this host was not running then, or the clock jumped"


def begin(workspace: Workspace, now: datetime) -> None:
    """Let the due times of every plan count from now on, where they do not yet. Raises CatalogError.

    So the first run that is not started is on record, too.
    """
    for name, plan in workspace.config.plans.items():
        schedules_of: dict[Literal["backups", "drills"], Schedule] = {
            "backups": plan.effective_schedule(),
            "drills": plan.drill_schedule(),
        }
        for what, schedule in schedules_of.items():
            file = workspace.state.schedule(what, name)
            counted = _counted(workspace, file)
            if counted is None or counted.schedule != _written(schedule):
                _count(workspace, file, schedule, since=now)


def due_backup(workspace: Workspace, name: str, now: datetime) -> Order | None:
    """Return the run of the plan that is to start now, None where none is; record what was missed before.

    Raises NotFound for an unknown plan, CatalogError.
    """
    plan = workspace.plan(name)
    if workspace.config.workers.enabled:
        log.logger().info("left to workers, which run what is due", plan=name)
        return None
    file = workspace.state.schedule("backups", name)
    with workspace.state.turn(f"schedule-{name}"):
        if not plan.enabled:
            _count(workspace, file, plan.effective_schedule(), since=now)
            return None
        schedule, grace = plan.effective_schedule(), timedelta(seconds=plan.grace)
        newest = due_times.newest_due(workspace.catalog, name, now)
        handled = _handled(workspace, file, schedule, grace=grace, newest=newest, now=now)
        state = PlanState(plan=name, handled_until=handled)
        seen = plan_state.observe(state, schedule, now=now, grace=grace)
        if seen.missed is not None:
            _miss(workspace, plan, dataclasses.replace(seen.missed, reason=_NEVER_STARTED), now)
    log.logger().debug("decided", plan=name, reason=seen.reason or "not due")
    return seen.order


def due_drill(workspace: Workspace, name: str, now: datetime) -> DrillOrder | None:
    """Return the drill of the plan that is to start now, None where none is.

    One that was missed is in the log, as with the daemon. Raises NotFound, CatalogError.
    """
    plan = workspace.plan(name)
    schedule, grace = plan.drill_schedule(), timedelta(seconds=plan.grace)
    file = workspace.state.schedule("drills", name)
    with workspace.state.turn(f"schedule-{name}"):
        if not (plan.enabled and plan.drill.enabled):
            _count(workspace, file, schedule, since=now)
            return None
        newest = drill_runs.newest_due(workspace, name, now)
        handled = _handled(workspace, file, schedule, grace=grace, newest=newest, now=now)
    decision = schedules.decide(schedule, handled_until=handled, now=now, grace=grace)
    if decision.missed:
        due = format_time(decision.missed[-1])
        log.logger().warning("drill left out", plan=name, due=due, runs=len(decision.missed))
        _count(workspace, file, schedule, since=decision.missed[-1])
    if decision.run is None:
        return None
    return DrillOrder(plan=name, due=decision.run, catch_up=decision.catch_up)


def _handled(
    workspace: Workspace,
    file: Path,
    schedule: Schedule,
    *,
    grace: timedelta,
    newest: datetime | None,
    now: datetime,
) -> datetime:
    """The newest due time that is on record, or from when on they count; never one of a clock ahead."""
    counted = _counted(workspace, file)
    if counted is None or counted.schedule != _written(schedule):
        # What another schedule would have asked for was not missed; what is due now is.
        since = now - max(grace, schedules.ON_TIME)
        due = schedules.past(schedule, handled_until=since, now=now)
        counted = _count(workspace, file, schedule, since=due[-1] - _MOMENT if due else now)
    handled = max(counted.since, newest or counted.since)
    return now if handled - now > CREDIBLE else handled


def _counted(workspace: Workspace, file: Path) -> Counted | None:
    try:
        return workspace.said(Counted, file)
    except OSError as error:
        raise errors.CatalogError(
            f"The catalog cannot be read: {file}: {error.strerror}.",
            remedy="Check the folder's owner, mode and mount.",
        ) from error


def _count(workspace: Workspace, file: Path, schedule: Schedule, *, since: datetime) -> Counted:
    """Let due times count from then on. Raises CatalogError."""
    counted = Counted(schedule=_written(schedule), since=since)
    try:
        workspace.state.make(file.parent)
        atomic.write(file, codec.encode(counted), durable=True, shared=True)
    except OSError as error:
        raise errors.CatalogError(
            f"The catalog cannot be written: {file}: {error.strerror}.",
            remedy="Check free space, the folder's owner and mode, and that it is not mounted read-only.",
        ) from error
    return counted


def _written(schedule: Schedule) -> str:
    return f"{schedule.expression} {schedule.timezone}"


def _miss(workspace: Workspace, plan: Plan, missed: Missed, now: datetime) -> None:
    due = format_time(missed.newest)
    log.logger().warning("missed", plan=missed.plan, due=due, runs=missed.runs, reason=missed.reason)
    record = due_times.missed(plan, missed, now)
    workspace.catalog.put(record)
    backup_events.backup_finished(workspace, record)
