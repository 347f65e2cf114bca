"""Ending connections and exchanging two databases by name, so that no moment has none or half.

Everything is one transaction. Its first rename takes PostgreSQL's lock on the database itself, which makes
new connections wait; those that are there are ended meanwhile. A crash at any point ends the transaction,
and the live database is open under its name as before: there is no fence that somebody must take down.
https://www.postgresql.org/docs/current/sql-alterdatabase.html (RenameDatabase in dbcommands.c has the lock)
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import psycopg

from pgbackstop_catalog import errors, units
from pgbackstop_catalog.config.server import Server
from pgbackstop_runner.restore import target_database

# How often those who are in the database are told to leave.
_ROUND_SECONDS = 0.05


@dataclass(frozen=True, kw_only=True)
class Rename:
    """One of the renames; ``opened``: whether it takes connections afterwards, None leaves that as it is."""

    old: str
    new: str
    opened: bool | None = None


def exchange(
    server: Server,
    renames: tuple[Rename, ...],
    *,
    timeout: float,
    last: Callable[[psycopg.Connection], None] = lambda _connection: None,
) -> float:
    """Rename the databases, in this order, ending who is in them; returns the seconds from the first ending.

    ``last`` is done in the same transaction, when they have their names. Raises PgbackstopError where
    somebody cannot be ended within ``timeout`` seconds; nothing is changed then.
    """
    start = time.monotonic()
    away = tuple(name for each in renames for name in (each.old, each.new))
    with target_database.connect(server, away_from=away) as connection:
        oids = [found.oid for each in renames if (found := target_database.find(connection, each.old))]
        while not _try(server, connection, renames, oids, last):
            if time.monotonic() - start > timeout:
                raise _stuck(connection, oids, timeout)
    return time.monotonic() - start


def _try(
    server: Server,
    connection: psycopg.Connection,
    renames: tuple[Rename, ...],
    oids: list[int],
    last: Callable[[psycopg.Connection], None],
) -> bool:
    """One attempt. PostgreSQL itself waits five seconds for the others to leave."""
    away = tuple(name for each in renames for name in (each.old, each.new))
    try:
        with _others_ended(server, away, oids), connection.transaction():
            for each in renames:
                target_database.run(connection, "alter database {} rename to {}", each.old, each.new)
            last(connection)
            for each in renames:
                if each.opened is not None:
                    word = "true" if each.opened else "false"
                    target_database.run(connection, _OPEN[word], each.new)
    except (psycopg.errors.ObjectInUse, psycopg.errors.LockNotAvailable):
        return False
    return True


_OPEN = {
    "true": "alter database {} with allow_connections true",
    "false": "alter database {} with allow_connections false",
}


@contextlib.contextmanager
def _others_ended(server: Server, away: tuple[str, ...], oids: list[int]) -> Iterator[None]:
    """End who is in the databases, again and again, on a connection of its own."""
    over = threading.Event()
    with target_database.connect(server, away_from=away) as connection:
        terminate(connection, oids)

        def work() -> None:
            # A lost connection shows in the other one too, which says so.
            with contextlib.suppress(psycopg.Error):
                while not over.wait(_ROUND_SECONDS):
                    terminate(connection, oids)

        thread = threading.Thread(target=work, name="ending-connections", daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()


def terminate(connection: psycopg.Connection, oids: list[int]) -> None:
    """Tell everybody in the databases to leave, but superusers where we are none: that is an error."""
    connection.execute(
        """select pg_terminate_backend(a.pid)
           from pg_stat_activity a left join pg_roles r on r.oid = a.usesysid
           where a.datid = any(%s) and a.pid <> pg_backend_pid()
             and (not coalesce(r.rolsuper, true) or current_setting('is_superuser')::bool)""",
        (oids,),
    )


def _stuck(connection: psycopg.Connection, oids: list[int], timeout: float) -> errors.PgbackstopError:
    left = target_database.sessions(connection, oids)
    who = ", ".join(map(str, left[:3])) or "somebody who has left by now"
    return errors.PgbackstopError(
        f"A connection does not end within {units.format_duration(timeout)}: {who}.",
        remedy="End it on the server, and restore again. The live database was not touched.",
    )
