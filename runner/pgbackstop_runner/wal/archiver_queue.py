"""What a server that archives by archive_command still has to send, by its own pg_wal."""

from __future__ import annotations

import psycopg

from pgbackstop_catalog import errors
from pgbackstop_catalog.config.server import Server
from pgbackstop_runner.postgres import sessions

_TIMEOUT = 10.0  # seconds
# A segment that is archived may lie there until it is recycled, and has a name of its own beside it then.
_QUERY = """
select exists (
    select from pg_ls_waldir() w
    where w.name collate "C" between %s and %s
      and not exists (select from pg_ls_archive_statusdir() s where s.name = w.name || '.done'))"""


def holds(server: Server, first: str, last: str) -> bool:
    """Whether one of the segments from ``first`` to ``last`` is still to be sent.

    A server that does not answer may have them: nobody knows before it does. One that does not let us look
    (pg_monitor) is taken for one that has sent them.
    """
    try:
        with sessions.connect(server, statement_timeout=_TIMEOUT) as connection:
            row = connection.execute(_QUERY, (first, last)).fetchone()
    except errors.ServerUnreachable:
        return True
    except psycopg.Error as error:
        return not isinstance(error, psycopg.errors.InsufficientPrivilege)
    return row is not None and bool(row[0])
