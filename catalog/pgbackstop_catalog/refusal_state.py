"""The SQLSTATE of a server that lets nobody in: libpq's message lacks it, so the protocol is read along.

What PostgreSQL says before a session begins is in its own language, whatever the session asks for.
"""

from __future__ import annotations

import contextlib
import os
import re
import select
import time
from typing import Final

import psycopg
from psycopg import pq

# The severity, in any language, that a server's answer begins with; what libpq or the network say has none.
_ANSWER: Final = re.compile(r" failed: \S+:  ")
# https://www.postgresql.org/docs/current/protocol-error-fields.html
_STATE: Final = re.compile(rb'\tErrorResponse\t S "[^"]*" V "[^"]*" C "([0-9A-Z]{5})"')
_MOST_BYTES: Final = 1 << 20
_DONE: Final = (pq.PollingStatus.OK, pq.PollingStatus.FAILED)


def is_answer(words: str) -> bool:
    """Whether a server said this of a connection, and not libpq or the network."""
    return _ANSWER.search(words) is not None


def ask(target: str, *, seconds: float) -> str | None:
    """Connect once more, and return the SQLSTATE of the refusal; None where there is none by now.

    What is read along may hold the password: it comes to no disk.
    """
    with os.fdopen(os.memfd_create("protocol"), "rb", buffering=0) as protocol:
        connection = pq.PGconn.connect_start(target.encode())
        try:
            connection.trace(protocol.fileno())
            with contextlib.suppress(psycopg.OperationalError):  # it is gone by now: the first words count
                _poll(connection, time.monotonic() + seconds)
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
