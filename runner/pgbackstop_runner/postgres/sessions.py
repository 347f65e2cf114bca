"""Sessions of ours on a configured server, which cannot hang, and what a refusal of one means."""

from __future__ import annotations

import contextlib
import os
import re
import socket
from collections.abc import Iterator

import psycopg

from pgbackstop_catalog import errors
from pgbackstop_catalog.config import conninfo
from pgbackstop_catalog.config.server import Server
from pgbackstop_catalog.records.backup import Reason
from pgbackstop_runner.failures import AttemptFailed, DatabaseRefused
from pgbackstop_runner.postgres import session_options

APPLICATION_NAME = "pgbackstop"


@contextlib.contextmanager
def connect(
    server: Server, database: str | None = None, *, statement_timeout: float = 60.0
) -> Iterator[psycopg.Connection]:
    """A connection in autocommit, closed at the end. ``statement_timeout`` is seconds; 0 is none.

    Raises ServerUnreachable with PostgreSQL's reason.
    """
    keywords = conninfo.keywords(server, database=database, application_name=APPLICATION_NAME)
    limit = str(round(statement_timeout * 1000))
    try:
        connection = session_options.connect(
            keywords, password=conninfo.password(server), statement_timeout=limit, lock_timeout="60000"
        )
    except psycopg.Error as error:
        raise unreachable(server, database, error) from error
    with contextlib.closing(connection):
        yield connection


def hang_up(connection: psycopg.Connection) -> None:
    """Wake a thread that waits for an answer on this connection: it sees the connection lost."""
    with (
        contextlib.suppress(OSError, psycopg.Error),
        socket.socket(fileno=os.dup(connection.fileno())) as wire,
    ):
        wire.shutdown(socket.SHUT_RDWR)


def unreachable(server: Server, database: str | None, error: Exception) -> errors.ServerUnreachable:
    """The sentence for a server that does not let us in, from the words of libpq."""
    words = errors.one_line(error)
    where = f"{server.host}:{server.port}"
    name = database or server.maintenance_database
    for pattern, reason, problem, remedy in _REFUSALS:
        if re.search(pattern, words):
            sentence = problem.format(where=where, user=server.user, database=name)
            if reason is None:
                return errors.ServerUnreachable(sentence, remedy=remedy)
            return DatabaseRefused(reason, sentence, remedy=remedy)
    return errors.ServerUnreachable(
        f"PostgreSQL at {where} cannot be reached: {words}",
        remedy="Check that it runs and that host and port are right.",
    )


def broken(error: psycopg.Error) -> AttemptFailed:
    """The sentence for a statement of ours that PostgreSQL did not carry out, or did not answer."""
    words = errors.one_line(error)
    if isinstance(error, psycopg.errors.InsufficientPrivilege):
        remedy = "Grant the role what it lacks: see docs/how-to/create-the-role.md."
        return AttemptFailed(Reason.RIGHTS, f"PostgreSQL refuses: {words}.", remedy=remedy)
    remedy = "Look at PostgreSQL's log."
    if isinstance(error, psycopg.OperationalError):
        return AttemptFailed(Reason.UNREACHABLE, f"The connection was lost: {words}.", remedy=remedy)
    return AttemptFailed(Reason.TOOL, f"PostgreSQL answered with an error: {words}.", remedy=remedy)


_REFUSALS = (
    (
        r"authentication method requirement .* failed",
        None,
        "What answers at {where} asks for the password in clear text, and nothing proves what it is.",
        "Let pg_hba.conf of the server ask for scram-sha-256, or set sslmode: verify-full and sslrootcert.",
    ),
    (
        r"unsupported startup parameter",
        None,
        "What answers at {where} is a connection pooler, and backups cannot be made through one.",
        "Set host and port of the server to those of PostgreSQL itself.",
    ),
    (
        r"password authentication failed|no password supplied|empty password",
        None,
        "PostgreSQL at {where} refuses the password of role {user}.",
        "Check user and password_file of the server.",
    ),
    (
        r"database \".*\" does not exist",
        Reason.CONFIGURATION,
        "There is no database {database!r} on the server at {where}.",
        "Correct databases of the plan, or maintenance_database of the server.",
    ),
    (
        r"permission denied for database",
        Reason.RIGHTS,
        "Role {user} may not connect to database {database!r} at {where}.",
        "Grant it: see docs/how-to/create-the-role.md; or list the database under exclude_databases.",
    ),
    (
        r"not currently accepting connections",
        Reason.CONFIGURATION,
        "Database {database!r} at {where} takes no connections.",
        "Run: alter database ... allow_connections true; or list it under exclude_databases.",
    ),
    (
        r"is not permitted to log in",
        None,
        "Role {user} may not log in at {where}.",
        "Run: alter role {user} login.",
    ),
    (
        r"too many clients|too many connections|remaining connection slots",
        None,
        "PostgreSQL at {where} has no free connection.",
        "Raise max_connections, or end sessions that are idle.",
    ),
    (
        r"the database system is",
        None,
        "PostgreSQL at {where} is starting, stopping or recovering.",
        "Wait until it is up, and look at its log.",
    ),
    (
        r"role \".*\" does not exist",
        None,
        "There is no role {user!r} on the server at {where}.",
        "Create it as docs/how-to/create-the-role.md shows, or correct user of the server.",
    ),
    (
        r"could not translate host name|Name or service not known|failed to resolve",
        None,
        "The host of {where} is unknown.",
        "Correct host of the server, or the name service of this machine.",
    ),
    (
        r"no pg_hba.conf entry",
        None,
        "PostgreSQL at {where} lets role {user} not into {database!r} from here.",
        "Add a line for it to pg_hba.conf and reload.",
    ),
    (
        r"Connection refused|No such file or directory",
        None,
        "Nothing answers at {where}.",
        "Check that PostgreSQL runs and that host and port of the server are right.",
    ),
    (
        r"timeout expired|timed out",
        None,
        "PostgreSQL at {where} does not answer in time.",
        "Check the network and the server; connect_timeout of the server sets the limit.",
    ),
)
