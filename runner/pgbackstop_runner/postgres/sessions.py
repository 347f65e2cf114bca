"""Sessions of ours on a configured server, which cannot hang, and what a refusal of one means."""

from __future__ import annotations

import contextlib
import os
import select
import socket
import time
from collections.abc import Callable, Collection, Iterator

import psycopg
from psycopg.pq import TransactionStatus

from pgbackstop_catalog import errors
from pgbackstop_catalog.config import conninfo, maintenance
from pgbackstop_catalog.config.server import USUAL_DATABASE, Server
from pgbackstop_catalog.records.attempt import Reason
from pgbackstop_runner import failures
from pgbackstop_runner.failures import AttemptFailed, DatabaseRefused
from pgbackstop_runner.postgres import error_messages, refusals, session_options, shared_names
from pgbackstop_runner.postgres.refusal_states import Refusal

APPLICATION_NAME = "pgbackstop"
_CANCEL_SECONDS = 5.0
# The maintenance databases of servers that have no database postgres.
_instead: dict[session_options.Place, str] = {}


@contextlib.contextmanager
def connect(
    server: Server,
    database: str | None = None,
    *,
    statement_timeout: float = 60.0,
    away_from: Collection[str] = (),
) -> Iterator[psycopg.Connection]:
    """A connection in autocommit, closed at the end. ``statement_timeout`` is seconds; 0 is none.

    Without a ``database`` it is one for maintenance, and none of those in ``away_from``.
    Raises ServerUnreachable with PostgreSQL's reason.
    """

    def opened(name: str) -> psycopg.Connection:
        keywords = conninfo.keywords(server, database=name, application_name=APPLICATION_NAME)
        limit = str(round(statement_timeout * 1000))
        return session_options.connect(
            keywords, password=conninfo.password(server), statement_timeout=limit, lock_timeout="60000"
        )

    try:
        connection = opened(database) if database is not None else _maintaining(server, opened, away_from)
    except psycopg.Error as error:
        raise unreachable(server, database, error) from error
    with contextlib.closing(connection):
        try:
            yield connection
        except BaseException:
            _cancel(connection)
            raise


def _cancel(connection: psycopg.Connection) -> None:
    """End the statement that a signal interrupted: it would go on, and make what is being cleaned up.

    Returns when the server is done with it, which has a few seconds for that.
    """
    wire = connection.pgconn
    if wire.transaction_status != TransactionStatus.ACTIVE:
        return
    deadline = time.monotonic() + _CANCEL_SECONDS
    with contextlib.suppress(OSError, psycopg.Error):
        connection.cancel_safe(timeout=_CANCEL_SECONDS)
        while wire.is_busy() and (left := deadline - time.monotonic()) > 0:
            select.select([wire.socket], [], [], left)
            wire.consume_input()


def _maintaining(
    server: Server, opened: Callable[[str], psycopg.Connection], away_from: Collection[str]
) -> psycopg.Connection:
    """The configured database, the one that was found instead of it, or another. Raises psycopg's errors."""
    place = (server.host, str(server.port), server.user)
    usual = [name for name in (server.maintenance_database, USUAL_DATABASE) if name not in away_from]
    known = _instead.get(place, "")
    if known and known not in away_from:
        with contextlib.suppress(psycopg.OperationalError):
            return opened(known)
        del _instead[place]  # it may be gone in its turn
    refusal: psycopg.OperationalError | None = None
    if usual:
        try:
            return opened(usual[0])
        except psycopg.OperationalError as error:
            if not maintenance.is_missing(usual[0], str(error)):
                raise
            refusal = error
    return _another(opened, away_from, place, refusal)


def _another(
    opened: Callable[[str], psycopg.Connection],
    away_from: Collection[str],
    place: session_options.Place,
    refusal: psycopg.OperationalError | None,
) -> psycopg.Connection:
    """The next database that exists, which the template can tell."""
    try:
        template = opened(maintenance.TEMPLATE)
    except psycopg.OperationalError as error:
        raise refusal or error from error
    with contextlib.ExitStack() as leaving:
        leaving.callback(template.close)
        names = shared_names.of(template, maintenance.DATABASES).said
        found = maintenance.another(names, away_from)
        if found == maintenance.TEMPLATE:
            leaving.pop_all()
            return template
    connection = opened(found)
    _instead[place] = found
    return connection


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
    where = server.address
    name = database or server.maintenance_database
    found = error_messages.meaning(words, refusals.SESSIONS)
    if found is None and isinstance(error, Refusal):
        found = refusals.STATES.get(error.sqlstate or "")
    if found is not None:
        answer = words.rpartition(" failed: ")[2].rstrip(".")
        sentence = found.sentence.format(where=where, user=server.user, database=name, words=answer)
        remedy = found.remedy.format(user=server.user)
        if found.reason is Reason.UNREACHABLE:
            return errors.ServerUnreachable(sentence, remedy=remedy)
        return DatabaseRefused(found.reason, sentence, remedy=remedy)
    return errors.ServerUnreachable(
        f"PostgreSQL at {where} cannot be reached: {words}",
        remedy="Check that it runs and that host and port are right.",
    )


def broken(error: psycopg.Error) -> AttemptFailed:
    """The sentence for a statement of ours that PostgreSQL did not carry out, or did not answer."""
    words = errors.one_line(error)
    state = error.sqlstate or ""
    if failures.is_lost_connection(error):
        remedy = "Look at PostgreSQL's log."
        return AttemptFailed(Reason.UNREACHABLE, f"The connection was lost: {words}.", remedy=remedy)
    special = error_messages.meaning(words, error_messages.SPECIAL)
    reason, remedy = (special.reason, special.remedy) if special else error_messages.of_state(state)
    refused = "refuses" if reason is Reason.RIGHTS else "answered with an error"
    return AttemptFailed(reason, f"PostgreSQL {refused}: {words}.", remedy=remedy)
