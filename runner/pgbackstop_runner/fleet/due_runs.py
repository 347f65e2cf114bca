"""The table of due runs: each function is one step, within the transaction of its caller.

A change of a running row asks for its attempt: whoever lost it changes nothing, and is told so.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Final, LiteralString

import psycopg

from pgbackstop_runner.fleet.decisions import Limits, Running, Verdict, Waits, refusal
from pgbackstop_runner.fleet.values import Active, Attempt, Key, Place, Scheduled, ScheduledPlans, State, Task

# Claims come one after the other, or two of them would see the same room. Migrations have the number before.
_CLAIMS: Final[LiteralString] = "select pg_catalog.pg_advisory_xact_lock(7235127542)"
_MINE: Final[LiteralString] = "plan = %s and due_at = %s and attempt = %s and state = 'running'"
# The lines with S608 are made of such constants; values are PostgreSQL's parameters.


def now(connection: psycopg.Connection) -> datetime:
    """The database's clock: the one that all workers go by."""
    row = connection.execute("select pg_catalog.clock_timestamp()").fetchone()
    assert row is not None  # noqa: S101 - a select without a table has one row
    moment: datetime = row[0]
    return moment


def scheduled(connection: psycopg.Connection) -> ScheduledPlans:
    """What is known of every plan's schedule."""
    rows = connection.execute("select plan, schedule, handled_until from pgbackstop.scheduled_plan")
    return {plan: Scheduled(schedule=schedule, handled_until=until) for plan, schedule, until in rows}


def hold(connection: psycopg.Connection, plan: str, begun: Scheduled) -> Scheduled | None:
    """Hold the plan's row until the transaction ends, and return it; None where another worker holds it.

    ``begun`` is what a new row says.
    """
    connection.execute(
        "insert into pgbackstop.scheduled_plan values (%s, %s, %s) on conflict do nothing",
        (plan, begun.schedule, begun.handled_until),
    )
    row = connection.execute(
        "select schedule, handled_until from pgbackstop.scheduled_plan where plan = %s"
        " for update skip locked",
        (plan,),
    ).fetchone()
    return None if row is None else Scheduled(schedule=row[0], handled_until=row[1])


def handle(connection: psycopg.Connection, plan: str, known: Scheduled) -> None:
    """Say which due times of a held plan are handled."""
    connection.execute(
        "update pgbackstop.scheduled_plan set schedule = %s, handled_until = %s where plan = %s",
        (known.schedule, known.handled_until, plan),
    )


def active(connection: psycopg.Connection, plan: str) -> tuple[Active, ...]:
    """The due time of the plan that waits, which nobody claims meanwhile, and the one that runs."""
    of_state = "select due_at, state, trigger, asked_at from pgbackstop.due_run where plan = %s and state = "
    waiting = connection.execute(f"{of_state} 'queued' for update", (plan,)).fetchall()
    running = connection.execute(f"{of_state} 'running'", (plan,)).fetchall()
    return tuple(
        Active(key=Key(plan=plan, due=due), state=State(state), trigger=trigger, asked=asked)
        for due, state, trigger, asked in (*waiting, *running)
    )


def queue(connection: psycopg.Connection, order: Active, place: Place) -> bool:
    """Put a due time into the queue; whether it was not there yet."""
    made = connection.execute(
        "insert into pgbackstop.due_run"
        " (plan, due_at, server, storage, queue, trigger, state, asked_at, deferred_at)"
        " values (%s, %s, %s, %s, %s, %s, 'queued', %s, now()) on conflict (plan, due_at) do nothing",
        (
            order.key.plan,
            order.key.due,
            place.server,
            place.storage,
            place.queue,
            order.trigger,
            order.asked,
        ),
    )
    return made.rowcount == 1


def leave_out(connection: psycopg.Connection, key: Key, state: State, reason: str) -> None:
    """End a due time that waits without a run: it is missed, or withdrawn."""
    connection.execute(
        "update pgbackstop.due_run set state = %s, reason = %s, finished_at = now()"
        " where plan = %s and due_at = %s and state = 'queued'",
        (state, reason, key.plan, key.due),
    )


def pause(connection: psycopg.Connection, plan: str) -> None:
    """Let no due time of the plan count any more; what waits is withdrawn, what runs goes on."""
    connection.execute("delete from pgbackstop.scheduled_plan where plan = %s", (plan,))
    connection.execute(
        "update pgbackstop.due_run set state = 'withdrawn', reason = 'the plan was paused',"
        " finished_at = now() where plan = %s and state = 'queued'",
        (plan,),
    )


def claim(
    connection: psycopg.Connection, key: Key, *, worker: str, started: datetime, limits: Limits
) -> Attempt | str:
    """Claim a run that waits, where there is room; else why not, "" where it waits no more.

    ``started`` is by the worker's clock, as the ids of its records are.
    """
    connection.execute(_CLAIMS)
    row = connection.execute(
        "select server, storage from pgbackstop.due_run"
        " where plan = %s and due_at = %s and state = 'queued' for update",
        (key.plan, key.due),
    ).fetchone()
    if row is None:
        return ""
    why = refusal(_running(connection, key.plan, *row), limits)
    if why:
        return why
    claimed = connection.execute(
        "update pgbackstop.due_run set state = 'running', attempt = attempt + 1, worker = %s,"
        " started_at = %s, heartbeat_at = clock_timestamp(), reason = ''"
        " where plan = %s and due_at = %s returning attempt, trigger",
        (worker, started, key.plan, key.due),
    ).fetchone()
    assert claimed is not None  # noqa: S101 - it was held a line above
    number, trigger = claimed
    return Attempt(key=key, number=number, trigger=trigger, worker=worker, started=started)


def _running(connection: psycopg.Connection, plan: str, server: str, storage: str) -> Running:
    row = connection.execute(
        "select count(*) filter (where plan = %s), count(*) filter (where server = %s),"
        " count(*) filter (where storage = %s) from pgbackstop.due_run where state = 'running'",
        (plan, server, storage),
    ).fetchone()
    assert row is not None  # noqa: S101 - an aggregate has one row
    return Running(of_plan=row[0], of_server=row[1], into_storage=row[2])


def beat(connection: psycopg.Connection, attempts: Collection[Attempt]) -> frozenset[Attempt]:
    """Say that attempts live; returns those that are still theirs who hold them."""
    kept = set()
    for each in attempts:
        mine = connection.execute(
            f"update pgbackstop.due_run set heartbeat_at = clock_timestamp() where {_MINE}",  # noqa: S608
            _mine(each),
        )
        if mine.rowcount == 1:
            kept.add(each)
    return frozenset(kept)


def close(connection: psycopg.Connection, attempt: Attempt, verdict: Verdict) -> bool:
    """Say how a due time stands after an attempt; whether it was still the one."""
    changed = connection.execute(
        "update pgbackstop.due_run set state = %s, reason = %s, deferred_at = clock_timestamp(),"  # noqa: S608
        f" finished_at = case when %s then null else clock_timestamp() end where {_MINE}",
        (verdict.state, verdict.reason, verdict.state is State.QUEUED, *_mine(attempt)),
    )
    return changed.rowcount == 1


def task_of(connection: psycopg.Connection, key: Key) -> Task:
    """Word of a due time that waits."""
    row = connection.execute(
        "select queue, asked_at from pgbackstop.due_run where plan = %s and due_at = %s", (key.plan, key.due)
    ).fetchone()
    assert row is not None  # noqa: S101 - its row is held
    return Task(key=key, queue=row[0], asked=row[1])


def _mine(attempt: Attempt) -> tuple[str, datetime, int]:
    return attempt.key.plan, attempt.key.due, attempt.number


def lost(connection: psycopg.Connection, silent: timedelta) -> tuple[Attempt, ...]:
    """Attempts whose workers have been silent for so long; hold each before anything is done about it."""
    rows = connection.execute(
        "select plan, due_at, attempt, trigger, worker, started_at from pgbackstop.due_run"
        " where state = 'running' and heartbeat_at < clock_timestamp() - %s order by heartbeat_at",
        (silent,),
    )
    return tuple(
        Attempt(key=Key(plan=plan, due=due), number=number, trigger=trigger, worker=worker, started=started)
        for plan, due, number, trigger, worker, started in rows
    )


def hold_attempt(
    connection: psycopg.Connection, attempt: Attempt, *, silent: timedelta = timedelta()
) -> bool:
    """Hold an attempt's row; whether it is still the one, and its worker has been silent for so long.

    The plan is held first: whoever changes what waits does so in this order.
    """
    connection.execute(
        "select from pgbackstop.scheduled_plan where plan = %s for update", (attempt.key.plan,)
    )
    row = connection.execute(
        f"select from pgbackstop.due_run where {_MINE} and heartbeat_at <= clock_timestamp() - %s for update",
        (*_mine(attempt), silent),
    )
    return row.fetchone() is not None


def waits(connection: psycopg.Connection, plan: str) -> Waits:
    """Whether the plan of a held attempt is scheduled, and whether a newer run of it waits."""
    row = connection.execute(
        "select exists (select from pgbackstop.scheduled_plan where plan = %s),"
        " exists (select from pgbackstop.due_run where plan = %s and state = 'queued')",
        (plan, plan),
    ).fetchone()
    assert row is not None  # noqa: S101 - a select without a table has one row
    return Waits(is_scheduled=row[0], newer=row[1])


def count_death(connection: psycopg.Connection, attempt: Attempt) -> int:
    """Count a death under a held attempt; returns how many there were."""
    row = connection.execute(
        f"update pgbackstop.due_run set deaths = deaths + 1 where {_MINE} returning deaths",  # noqa: S608
        _mine(attempt),
    ).fetchone()
    assert row is not None  # noqa: S101 - it is held
    deaths: int = row[0]
    return deaths


def forgotten(connection: psycopg.Connection, after: timedelta) -> tuple[Task, ...]:
    """Word of the due times that have waited for so long; it counts as given now."""
    rows = connection.execute(
        "update pgbackstop.due_run set deferred_at = now() where (plan, due_at) in ("
        " select plan, due_at from pgbackstop.due_run where state = 'queued' and deferred_at < now() - %s"
        " for update skip locked) returning plan, due_at, queue, asked_at",
        (after,),
    )
    return tuple(
        Task(key=Key(plan=plan, due=due), queue=queue, asked=asked) for plan, due, queue, asked in rows
    )


def forget(connection: psycopg.Connection, older: timedelta) -> None:
    """Remove what ended long ago, or waits for a plan that nobody has any more."""
    connection.execute(
        "delete from pgbackstop.due_run"
        " where state <> 'running' and coalesce(finished_at, asked_at) < now() - %s",
        (older,),
    )
