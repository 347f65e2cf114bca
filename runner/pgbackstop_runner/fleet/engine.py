"""Procrastinate: tasks in PostgreSQL, taken by whichever worker is there first. Nothing else knows it.

A task says only that a due time waits; the row of the due time decides. So a task may be lost or doubled, and
is never tried again by the engine: each row that has waited for too long gets another one. For the same
reason the engine's own schema may be made anew when its version changes.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from importlib import metadata
from typing import Any, Final, LiteralString

import procrastinate
import psycopg
from procrastinate import exceptions, jobs, schema
from procrastinate.worker import Worker

from pgbackstop_runner.fleet.values import Key, Task

ERRORS: Final = (exceptions.ProcrastinateException, psycopg.Error)
SCHEMA: Final = "pgbackstop_queue"
_TASK: Final = "run_due"
_VERSION: Final = f"procrastinate {metadata.version('procrastinate')}"
_FOUND: Final[LiteralString] = (
    "select pg_catalog.obj_description(pg_catalog.to_regnamespace('pgbackstop_queue'), 'pg_namespace')"
)
# Beside those of migrations and of claims.
_LOCK: Final[LiteralString] = "select pg_catalog.pg_advisory_xact_lock(7235127543)"
_HERE: Final[LiteralString] = "select pg_catalog.set_config('search_path', 'pgbackstop_queue', true)"
# How long a task that no worker finished is kept: its worker died, and the row has another one by then.
_OLD_HOURS: Final = 24
_BEGINNING: Final = datetime(2026, 1, 1, tzinfo=UTC)
# Never opened: each task is deferred on a connection of ours.
_deferring = procrastinate.App(connector=procrastinate.SyncPsycopgConnector())

# What it would say we say ourselves, in our log; or nobody can do anything about it.
for _name in ("procrastinate", "psycopg.pool"):
    logging.getLogger(_name).addHandler(logging.NullHandler())
    logging.getLogger(_name).propagate = False


def prepare(connection: psycopg.Connection) -> None:
    """Make the engine's schema, where it is not there in this version. Raises psycopg's errors."""
    with connection.transaction():
        connection.execute(_LOCK)
        row = connection.execute(_FOUND).fetchone()
        if row is not None and row[0] == _VERSION:
            return
        connection.execute(
            "drop schema if exists pgbackstop_queue cascade; create schema pgbackstop_queue;"
            "revoke all on schema pgbackstop_queue from public"
        )
        connection.execute(_HERE)
        connection.execute(schema.SchemaManager.get_schema().encode())
        connection.execute(f"comment on schema pgbackstop_queue is '{_VERSION}'".encode())


def defer(connection: psycopg.Connection, task: Task, *, not_before: datetime | None = None) -> None:
    """Make a task for a due time, in the transaction of its row; nothing happens where one waits already.

    Raises psycopg's errors.
    """
    key = task.key
    with connection.transaction():
        connection.execute(_HERE)
        deferrer = _deferring.configure_task(
            _TASK,
            queue=task.queue,
            queueing_lock=f"{key.plan} {key.due.isoformat()}",
            priority=_priority(task.asked),
            schedule_at=not_before,
            connection=connection,
        )
        try:
            with connection.transaction():
                deferrer.defer(plan=key.plan, due=key.due.isoformat())
        except exceptions.AlreadyEnqueued:
            pass
        except exceptions.ConnectorException as error:
            if isinstance(error.__cause__, psycopg.Error):
                raise error.__cause__ from None  # as every other error of this connection is raised
            raise


def _priority(asked: datetime) -> int:
    """Higher the longer it has waited, in the engine's 32 bits until 2094."""
    return int((_BEGINNING - asked).total_seconds())


def tidy(connection: psycopg.Connection) -> None:
    """Remove tasks that nobody will finish any more."""
    with connection.transaction():
        connection.execute(_HERE)  # for its triggers
        connection.execute(
            "delete from procrastinate_jobs where status <> 'todo' and id in ("
            " select job_id from procrastinate_events group by job_id"
            " having max(at) < now() - make_interval(hours => %s))",
            (_OLD_HOURS,),
        )


async def pull(
    arguments: Callable[[], Awaitable[Mapping[str, Any]]],
    queues: tuple[str, ...],
    take: Callable[[Key], Awaitable[bool]],
    *,
    polling: float,
) -> None:
    """Hand over tasks one by one, until ``take`` returns that there is no room for another.

    New tasks are heard of at once by LISTEN, and else by looking each ``polling`` seconds. Raises ERRORS.
    ``arguments`` are those of a connection.
    """
    app = procrastinate.App(
        connector=procrastinate.PsycopgConnector(kwargs=arguments, min_size=1, max_size=2, timeout=10.0)
    )

    @app.task(name=_TASK)
    async def run_due(plan: str, due: str) -> None:
        if not await take(Key(plan=plan, due=datetime.fromisoformat(due))):
            worker.stop()  # type: ignore[no-untyped-call]

    worker = Worker(
        app=app,
        queues=list(queues),
        concurrency=1,
        fetch_job_polling_interval=polling,
        delete_jobs=jobs.DeleteJobCondition.ALWAYS,
        install_signal_handlers=False,
    )
    async with app.open_async():
        await worker.run()  # type: ignore[no-untyped-call]
