"""The table of heartbeats: in which database it is, on the live server and in a recovered one."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager

import psycopg

from pgbackstop_catalog import errors
from pgbackstop_catalog.config import maintenance
from pgbackstop_catalog.config.server import Server
from pgbackstop_catalog.decisions import drills
from pgbackstop_runner.postgres import sessions

# Opens a session in that database; in one for maintenance where none is named.
Opens = Callable[[str | None], AbstractContextManager[psycopg.Connection]]


def live_database(server: Server) -> str:
    """Where the heartbeats of a server are. Raises NotFound, ServerUnreachable, psycopg.Error."""
    found = find(server, lambda name: sessions.connect(server, name, statement_timeout=30))
    if found is None:
        raise errors.NotFound(
            f"No database of the server has the table {drills.TABLE}.",
            remedy="Run heartbeat.sql in one of them.",
        )
    return found


def find(server: Server, opened: Opens) -> str | None:
    """The database that has their table; None where none has it. Raises what opening one raises."""
    if server.heartbeat.database is not None:
        return server.heartbeat.database
    with opened(None) as connection:
        names = [str(name) for (name,) in connection.execute(maintenance.DATABASES)]
    for name in maintenance.heartbeat_databases(server, names):
        with opened(name) as connection:
            if is_there(connection):
                return name
    return None


def is_there(connection: psycopg.Connection) -> bool:
    """Whether the session's database has their table."""
    row = connection.execute("select to_regclass(%s) is not null", (drills.TABLE,)).fetchone()
    return bool(row and row[0])
