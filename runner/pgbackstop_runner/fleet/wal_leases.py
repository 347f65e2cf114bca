"""The table of leases on the WAL of servers: each function is one statement, by the clock of the database."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import timedelta

import psycopg

from pgbackstop_runner.fleet.decisions import WalLease


def known(connection: psycopg.Connection) -> tuple[WalLease, ...]:
    """Every lease that was ever taken."""
    rows = connection.execute(
        "select server, worker, expires_at <= clock_timestamp(), state from pgbackstop.wal_lease"
    )
    return tuple(
        WalLease(server=server, worker=worker, is_over=over, state=state or "")
        for server, worker, over, state in rows
    )


def take(
    connection: psycopg.Connection, servers: Collection[str], *, worker: str, lasts: timedelta
) -> frozenset[str]:
    """Take those leases that nobody has, in the order in which everybody does; returns them."""
    rows = connection.execute(
        "insert into pgbackstop.wal_lease as held (server, worker, taken_at, expires_at)"
        " select server, %s, clock_timestamp(), clock_timestamp() + %s"
        " from unnest(%s::text[]) as wanted (server) order by server"
        " on conflict (server) do update set worker = excluded.worker, taken_at = excluded.taken_at,"
        " expires_at = excluded.expires_at where held.expires_at <= clock_timestamp() returning server",
        (worker, lasts, list(servers)),
    )
    return frozenset(server for (server,) in rows)


def renew(
    connection: psycopg.Connection, servers: Collection[str], *, worker: str, lasts: timedelta
) -> frozenset[str]:
    """Let leases last from now on; returns those that are still ours."""
    rows = connection.execute(
        "update pgbackstop.wal_lease set expires_at = clock_timestamp() + %s"
        " where server = any (%s) and worker = %s returning server",
        (lasts, list(servers), worker),
    )
    return frozenset(server for (server,) in rows)


def say(connection: psycopg.Connection, states: Mapping[str, str], *, worker: str) -> None:
    """Let the others know what our receivers know; nothing of a lease that is another worker's now."""
    connection.execute(
        "update pgbackstop.wal_lease as held set state = told.state"
        " from unnest(%s::text[], %s::text[]) as told (server, state)"
        " where held.server = told.server and held.worker = %s",
        (list(states), list(states.values()), worker),
    )


def release(connection: psycopg.Connection, servers: Collection[str], *, worker: str) -> None:
    """Give back leases of ours: others may take them at once."""
    connection.execute(
        "update pgbackstop.wal_lease set worker = '', expires_at = clock_timestamp()"
        " where server = any (%s) and worker = %s",
        (list(servers), worker),
    )
