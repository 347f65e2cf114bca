"""The end of an attempt: its records say how it went, and its row follows from them.

Records come first and the row last, in one step that may be repeated: whoever dies in between is followed by
another worker that sees the same.
"""

from __future__ import annotations

import contextlib
from datetime import datetime, timedelta

import psycopg

from pgbackstop_catalog import errors
from pgbackstop_catalog.config.plan import Plan
from pgbackstop_catalog.model import format_time, utc_now
from pgbackstop_catalog.records.attempt import Reason, Status
from pgbackstop_catalog.records.backup import Backup
from pgbackstop_catalog.store.protocol import Catalog
from pgbackstop_runner.backup import reconcile
from pgbackstop_runner.daemon import due_times
from pgbackstop_runner.daemon.plan_state import Missed
from pgbackstop_runner.fleet import decisions, due_runs, engine
from pgbackstop_runner.fleet.decisions import Ended, Verdict
from pgbackstop_runner.fleet.settings import Settings
from pgbackstop_runner.fleet.values import Attempt, State
from pgbackstop_runner.notify import backup_events
from pgbackstop_runner.system import log
from pgbackstop_runner.workspace import Workspace


def ended(
    connection: psycopg.Connection,
    workspace: Workspace,
    attempt: Attempt,
    ended: Ended,
    settings: Settings,
) -> None:
    """Follow an attempt of ours whose process has ended. Raises CatalogError, psycopg's errors."""
    with connection.transaction():
        if not due_runs.hold_attempt(connection, attempt):
            log.logger().warning("ended after it was taken from us", **_facts(attempt))
            return
        records = of_attempt(workspace.catalog, attempt)
        if any(record.status is Status.RUNNING for record in records):
            _reconcile(workspace, attempt.key.plan)
        waits = due_runs.waits(connection, attempt.key.plan)
        verdict = decisions.after_end(ended, waits, has_records=bool(records))
        if not due_times.is_told(records) and (
            record := _needed(workspace, attempt, ended, records, verdict)
        ):
            _put(workspace, record)
        pause = settings.busy_pause if ended.was_busy else 0.0
        _close(connection, attempt, verdict, pause)


def lost(connection: psycopg.Connection, workspace: Workspace, attempt: Attempt, settings: Settings) -> None:
    """Take a run from a worker that gives no sign. Raises CatalogError, psycopg's errors."""
    silent = timedelta(seconds=settings.reaped_after)
    with connection.transaction():
        if not due_runs.hold_attempt(connection, attempt, silent=silent):
            return
        message = f"The worker {attempt.worker} gave no sign for {settings.reaped_after:g} s."
        records = _explained(workspace, attempt, message)
        verdict = decisions.after_death(
            records,
            due_runs.waits(connection, attempt.key.plan),
            deaths=due_runs.count_death(connection, attempt),
            most=settings.most_deaths,
        )
        _close(connection, attempt, verdict)
    log.logger().warning(
        "taken from a lost worker", worker=attempt.worker, reason=verdict.reason, **_facts(attempt)
    )


def _close(connection: psycopg.Connection, attempt: Attempt, verdict: Verdict, pause: float = 0.0) -> None:
    due_runs.close(connection, attempt, verdict)
    if verdict.state is State.QUEUED:
        not_before = due_runs.now(connection) + timedelta(seconds=pause) if pause else None
        engine.defer(connection, due_runs.task_of(connection, attempt.key), not_before=not_before)


def _explained(workspace: Workspace, attempt: Attempt, message: str) -> tuple[Backup, ...]:
    """The records of a lost attempt, none of them running any more; one of ours where it left none."""
    if any(_runs(record) for record in _records(workspace, attempt)):
        _reconcile(workspace, attempt.key.plan)  # its worker may have been one of this host
    for record in _records(workspace, attempt):
        if _runs(record):
            _put(workspace, _interrupted(record, message))
    plan = workspace.config.plans.get(attempt.key.plan)
    if plan is not None and not due_times.is_told(_records(workspace, attempt)):
        _put(workspace, explanation(plan, attempt, utc_now(), message))
    return _records(workspace, attempt)


def explanation(plan: Plan, attempt: Attempt, now: datetime, message: str) -> Backup:
    """The record of a lost attempt that left none: of its worker's host, and not dated before it began."""
    record = due_times.abandoned(plan, attempt.order, max(now, attempt.started), message=message)
    return record.evolve(host=attempt.host)


def of_attempt(catalog: Catalog, attempt: Attempt) -> tuple[Backup, ...]:
    """The records of an attempt.

    None that another host says it made: of an attempt before it, by a clock that may be ahead of this one's.
    """
    records = due_times.of_order(catalog, attempt.order, attempt.started)
    return tuple(record for record in records if record.host in {"", attempt.host})


def _records(workspace: Workspace, attempt: Attempt) -> tuple[Backup, ...]:
    return of_attempt(workspace.catalog, attempt)


def _runs(record: Backup) -> bool:
    return record.status is Status.RUNNING


def _interrupted(record: Backup, message: str) -> Backup:
    """Its location stays, for its own host to sweep there when it is back."""
    return record.evolve(
        status=Status.INTERRUPTED,
        reason=Reason.INTERRUPTED,
        finished_at=utc_now(),
        message=message,
    )


def _needed(
    workspace: Workspace, attempt: Attempt, ended: Ended, made: tuple[Backup, ...], verdict: Verdict
) -> Backup | None:
    """The record of an attempt that does not tell of its end yet; None where there is nothing to record."""
    plan, now = workspace.plan(attempt.key.plan), utc_now()
    if not ended.was_busy:
        status, words = ended.exit_status, ended.words
        return due_times.lost(plan, attempt.order, now, made=made, exit_code=status, words=words)
    if verdict.state is State.MISSED:
        one = Missed(plan=attempt.key.plan, runs=1, newest=attempt.key.due, reason=verdict.reason)
        return due_times.missed(plan, one, now)
    return None


def _put(workspace: Workspace, record: Backup) -> None:
    workspace.catalog.put(record)
    backup_events.backup_finished(workspace, record)


def _reconcile(workspace: Workspace, plan: str) -> None:
    """Close what this host's processes left; where its disks do not let us, a later run of the plan does."""
    try:
        with contextlib.suppress(errors.Busy), workspace.state.held(reconcile.lock_name(plan), plan):
            reconcile.one_plan(workspace, plan)
    except OSError as error:
        log.logger().error("cannot be swept now", plan=plan, problem=str(error))


def _facts(attempt: Attempt) -> dict[str, object]:
    return {"plan": attempt.key.plan, "due": format_time(attempt.key.due), "attempt": attempt.number}
