"""Connecting, and the SQLSTATE of a refusal: libpq's message lacks it, so the protocol is read along.

What PostgreSQL says before a session begins is in its own language, whatever the session asks for.
"""

from __future__ import annotations

import contextlib
import os
import re
import select
import time

import psycopg
from psycopg import pq
from psycopg.conninfo import make_conninfo

from pgbackstop_runner.postgres import refusals

# The severity, in any language, that a server's answer begins with; what libpq or the network say has none.
_ANSWER = re.compile(r" failed: \S+:  ")
# https://www.postgresql.org/docs/current/protocol-error-fields.html
_STATE = re.compile(rb'\tErrorResponse\t S "[^"]*" V "[^"]*" C "([0-9A-Z]{5})"')
_MOST_BYTES = 1 << 20
_SECONDS = 10.0  # the server has just answered
_DONE = (pq.PollingStatus.OK, pq.PollingStatus.FAILED)


class Refusal(psycopg.OperationalError):
    """A connection that a server refused, with the SQLSTATE of that."""

    def __init__(self, words: str, state: str) -> None:
        super().__init__(words)
        self.sqlstate = state


def connect(target: str, password: str | None) -> psycopg.Connection:
    """A connection in autocommit. Raises Refusal where a server says in words that are not ours why not.

    Raises psycopg's errors otherwise.
    """
    try:
        return psycopg.connect(target, autocommit=True, password=password)
    except psycopg.OperationalError as error:
        words = str(error)
        if not _ANSWER.search(words) or refusals.is_known(words):
            raise
        if (state := _ask(target, password)) is None:
            raise
        raise Refusal(words, state) from error


def _ask(target: str, password: str | None) -> str | None:
    """Connect once more, and return the SQLSTATE of the refusal; None where there is none by now.

    What is read along may hold the password: it comes to no disk.
    """
    whole = make_conninfo(target, password=password) if password is not None else target
    with os.fdopen(os.memfd_create("protocol"), "rb", buffering=0) as protocol:
        connection = pq.PGconn.connect_start(whole.encode())
        try:
            connection.trace(protocol.fileno())
            with contextlib.suppress(psycopg.OperationalError):  # it is gone by now: the first words count
                _poll(connection, time.monotonic() + _SECONDS)
        finally:
            connection.untrace()  # writes what is buffered
            connection.finish()
        protocol.seek(0)
        found = _STATE.findall(protocol.read(_MOST_BYTES))
    return found[-1].decode() if found else None


def _poll(connection: pq.abc.PGconn, deadline: float) -> None:
    """Until it is connected, refused, or too late."""
    status = pq.PollingStatus.WRITING
    while status not in _DONE and (left := deadline - time.monotonic()) > 0:
        reads = [connection.socket] if status == pq.PollingStatus.READING else []
        writes = [] if reads else [connection.socket]
        select.select(reads, writes, [], left)
        status = pq.PollingStatus(connection.connect_poll())
