"""The table of leases on the WAL of servers: each function is one statement, by the clock of the database."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import timedelta
from typing import Final, LiteralString

import psycopg

from pgbackstop_runner.fleet.decisions import WalLease

# Locked in the order of take: a worker renews while it says what its receivers know, and others take.
_OURS: Final[LiteralString] = """
    with ours as (select server from pgbackstop.wal_lease
                   where server = any (%(servers)s) and worker = %(worker)s order by server for update)
    update pgbackstop.wal_lease as held """


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
        _OURS + "set expires_at = clock_timestamp() + %(lasts)s"
        " from ours where held.server = ours.server returning held.server",
        {"servers": list(servers), "worker": worker, "lasts": lasts},
    )
    return frozenset(server for (server,) in rows)


def say(connection: psycopg.Connection, states: Mapping[str, str], *, worker: str) -> None:
    """Let the others know what our receivers know; nothing of a lease that is another worker's now."""
    connection.execute(
        _OURS + "set state = told.state"
        " from ours join unnest(%(servers)s::text[], %(states)s::text[]) as told (server, state)"
        " using (server) where held.server = ours.server",
        {"servers": list(states), "states": list(states.values()), "worker": worker},
    )


def release(connection: psycopg.Connection, servers: Collection[str], *, worker: str) -> None:
    """Give back leases of ours: others may take them at once."""
    connection.execute(
        _OURS + "set worker = '', expires_at = clock_timestamp() from ours where held.server = ours.server",
        {"servers": list(servers), "worker": worker},
    )
