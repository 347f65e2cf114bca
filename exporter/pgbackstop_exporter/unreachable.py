"""Why a server did not answer, in a few fixed words: a label may not be every sentence that is said.

PostgreSQL speaks the language of its `lc_messages`, so what it says is judged by SQLSTATE.
"""

from __future__ import annotations

import re
from typing import Final

from pgbackstop_catalog import errors

OTHER: Final = "see the exporter's log"
LATE: Final = "no answer in time"
_CONNECTIONS: Final = "too many connections"
_NOT_UP: Final = "it is starting or stopping"
_HBA: Final = "pg_hba.conf lets us not in"
_LOGIN: Final = "login refused"
_NAMES: Final = "no such role or database"
_RIGHTS: Final = "permission denied"
_LOST: Final = "connection lost"
# https://www.postgresql.org/docs/current/errcodes-appendix.html; of several the first counts.
_STATES: Final = (
    ("28P01", _LOGIN),
    ("3D000", _NAMES),
    ("42501", _RIGHTS),
    ("53300", _CONNECTIONS),
    ("57P03", _NOT_UP),
    ("57P", _LOST),
    ("08", _LOST),
    ("57014", LATE),
    ("55P03", LATE),
)
# What libpq says, which is English here; and PostgreSQL, where one SQLSTATE, 28000, has several causes.
_WORDS: Final = tuple(
    (re.compile(pattern, re.IGNORECASE), words)
    for pattern, words in (
        (r"timeout expired|timed out", LATE),
        (r"connection refused", "connection refused"),
        (r"could not translate host name|name or service not known|name resolution", "unknown host name"),
        (r"no such file or directory", "no such socket"),
        (r"no route to host|network is unreachable|host is unreachable", "no way to the host"),
        (r"too many clients|remaining connection slots|too many connections", _CONNECTIONS),
        (r"starting up|shutting down|not yet accepting|recovery mode", _NOT_UP),
        (r"pg_hba\.conf", _HBA),
        (r"authentication|no password supplied|require_auth", _LOGIN),
        (r"certificate|SSL|TLS", "TLS failed"),
        (r'database "[^"]*" does not exist|role "[^"]*" does not exist', _NAMES),
        (r"permission denied", _RIGHTS),
        (r"closed the connection|connection reset|terminating connection", _LOST),
    )
)
WORDS: Final = (OTHER, *dict.fromkeys(words for _, words in _WORDS))


class Unreachable(errors.ServerUnreachable):
    """A server that did not answer; ``reason`` is one of WORDS."""

    def __init__(self, problem: str, *, reason: str, remedy: str = "") -> None:
        super().__init__(problem, remedy=remedy)
        self.reason = reason


def of_state(state: str | None) -> str | None:
    """What an SQLSTATE means; None where it says nothing, or too little."""
    return next((words for each, words in _STATES if state and state.startswith(each)), None)


def of_words(said: str) -> str | None:
    """What libpq says, or a server in English; None where it is not recognised."""
    return next((words for pattern, words in _WORDS if pattern.search(said)), None)
