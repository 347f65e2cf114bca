"""Which workers there are, for exporters: a row of each says when it last lived, and goes when it stops."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import psycopg


@dataclass(frozen=True, kw_only=True)
class Presence:
    """A worker, what it is there for, and how long it may be silent before it is taken for dead."""

    name: str
    host: str
    queues: tuple[str, ...]
    lost_after: timedelta


def beat(connection: psycopg.Connection, name: str) -> bool:
    """Say that a worker lives; whether it has a row."""
    found = connection.execute(
        "update pgbackstop.worker set heartbeat_at = clock_timestamp() where name = %s", (name,)
    )
    return found.rowcount == 1


def begin(connection: psycopg.Connection, worker: Presence) -> None:
    """Make a worker's row."""
    connection.execute(
        "insert into pgbackstop.worker values (%s, %s, %s, clock_timestamp(), clock_timestamp(), %s)"
        " on conflict do nothing",
        (worker.name, worker.host, list(worker.queues), worker.lost_after),
    )


def stop(connection: psycopg.Connection, name: str) -> None:
    """Take a worker's row away: it takes no runs any more."""
    connection.execute("delete from pgbackstop.worker where name = %s", (name,))


def forget(connection: psycopg.Connection, older: timedelta) -> None:
    """Remove the dead that others on their hosts have taken the place of, or that are dead for so long."""
    connection.execute(
        "delete from pgbackstop.worker where name in ("
        " select dead.name from pgbackstop.worker as dead"
        " where dead.heartbeat_at < clock_timestamp() - dead.lost_after"
        " and (dead.heartbeat_at < clock_timestamp() - %s or exists ("
        "  select from pgbackstop.worker as follower where follower.host = dead.host"
        "  and follower.queues = dead.queues and follower.started_at > dead.heartbeat_at))"
        " for update of dead skip locked)",
        (older,),
    )
