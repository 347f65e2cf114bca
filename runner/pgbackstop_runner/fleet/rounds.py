"""What every worker looks at again and again, in short transactions that any other could make instead."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from datetime import timedelta

import psycopg

from pgbackstop_catalog import errors
from pgbackstop_runner.fleet import due_runs, engine, presence, schedule, settle, unwritten
from pgbackstop_runner.fleet.settings import Settings
from pgbackstop_runner.fleet.values import Key
from pgbackstop_runner.notify import backup_events
from pgbackstop_runner.system import log
from pgbackstop_runner.workspace import Workspace

# A due time is looked at a little after it has come, not before.
_SLACK = 0.01


def go(connection: psycopg.Connection, workspace: Workspace, settings: Settings) -> float:
    """Make one round; returns the seconds until the next. Raises psycopg's errors."""
    next_due = settings.heartbeat
    with _apart():
        next_due = schedule.look(connection, workspace)
    with _apart():
        _take_over(connection, workspace, settings)
    with _apart():
        _write(connection, workspace)
    _remember(connection, settings)
    return min(settings.heartbeat, next_due + _SLACK)


@contextlib.contextmanager
def _apart() -> Iterator[None]:
    """Let what cannot be done now, and is tried again in the next round, not keep us from the rest."""
    try:
        yield
    except (errors.PgbackstopError, OSError) as error:
        log.logger().error("a round was cut short", problem=str(error))


def look_again(connection: psycopg.Connection, key: Key, settings: Settings) -> None:
    """Give a run that has no room another task, a little later."""
    later = due_runs.now(connection) + timedelta(seconds=settings.room_pause)
    engine.defer(connection, due_runs.task_of(connection, key), not_before=later)


def _take_over(connection: psycopg.Connection, workspace: Workspace, settings: Settings) -> None:
    for attempt in due_runs.lost(connection, timedelta(seconds=settings.reaped_after)):
        settle.lost(connection, workspace, attempt, settings)


def _write(connection: psycopg.Connection, workspace: Workspace) -> None:
    while (record := unwritten.write_one(connection, workspace.catalog)) is not None:
        backup_events.backup_finished(workspace, record)


def _remember(connection: psycopg.Connection, settings: Settings) -> None:
    """Give runs that wait without a task another one, and remove what is old."""
    with connection.transaction():
        for task in due_runs.forgotten(connection, timedelta(seconds=settings.forgotten_after)):
            engine.defer(connection, task)
    engine.tidy(connection)
    due_runs.forget(connection, settings.kept)
    presence.forget(connection, settings.dead_kept)
