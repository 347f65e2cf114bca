"""Tasks in PostgreSQL: made with their row or not at all, and no more of them than needed."""

from datetime import UTC, datetime

import psycopg
import pytest

from pgbackstop_runner.fleet import engine
from pgbackstop_runner.fleet.values import Key, Task
from tests.support.databases import Database

KEY = Key(plan="shop", due=datetime(2026, 11, 22, 2, tzinfo=UTC))

TASK = Task(key=KEY, queue="default", asked=KEY.due)


def _jobs(connection: psycopg.Connection) -> list[tuple[object, ...]]:
    return connection.execute(
        "select queue_name, queueing_lock, lock from pgbackstop_queue.procrastinate_jobs"
    ).fetchall()


def test_a_task_is_of_the_transaction_of_its_row(database: Database) -> None:
    with database.connect() as connection:
        engine.prepare(connection)
        engine.prepare(connection)
        with connection.transaction(force_rollback=True):
            engine.defer(connection, TASK)
        assert _jobs(connection) == []
        with connection.transaction():
            engine.defer(connection, TASK)
            engine.defer(connection, TASK)
        assert _jobs(connection) == [("default", "shop 2026-11-22T02:00:00+00:00", None)]


def test_tasks_that_nobody_finished_go(database: Database) -> None:
    with database.connect() as connection:
        engine.prepare(connection)
        engine.defer(connection, TASK)
        connection.execute("update pgbackstop_queue.procrastinate_events set at = now() - interval '2 days'")
        engine.tidy(connection)
        assert len(_jobs(connection)) == 1
        connection.execute("set search_path to pgbackstop_queue")
        connection.execute("update procrastinate_jobs set status = 'doing'")
        engine.tidy(connection)
        assert len(_jobs(connection)) == 1  # it was taken just now
        connection.execute("update pgbackstop_queue.procrastinate_events set at = now() - interval '2 days'")
        engine.tidy(connection)
        assert _jobs(connection) == []


def test_an_error_of_the_database_is_raised_as_it_is(database: Database) -> None:
    with database.connect() as connection:
        engine.prepare(connection)
        connection.execute("drop table pgbackstop_queue.procrastinate_jobs cascade")
        with pytest.raises(psycopg.errors.UndefinedTable):
            engine.defer(connection, TASK)
