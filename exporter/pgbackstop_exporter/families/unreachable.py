"""Why a server did not answer, in a few fixed words: a label may not be every sentence that is said."""

from __future__ import annotations

import re
from typing import Final

OTHER: Final = "see the exporter's log"
# What libpq says, and PostgreSQL where its lc_messages are English; of several the first counts.
_REASONS: Final = tuple(
    (re.compile(pattern, re.IGNORECASE), words)
    for pattern, words in (
        (r"no answer within|timeout expired|timed out", "no answer in time"),
        (r"connection refused", "connection refused"),
        (r"could not translate host name|name or service not known|name resolution", "unknown host name"),
        (r"no such file or directory", "no such socket"),
        (r"no route to host|network is unreachable|host is unreachable", "no way to the host"),
        (r"too many clients|remaining connection slots|too many connections", "too many connections"),
        (r"starting up|shutting down|not yet accepting|recovery mode", "it is starting or stopping"),
        (r"pg_hba\.conf", "pg_hba.conf lets us not in"),
        (r"authentication|no password supplied|require_auth", "login refused"),
        (r"certificate|SSL|TLS", "TLS failed"),
        (r'database "[^"]*" does not exist|role "[^"]*" does not exist', "no such role or database"),
        (r"permission denied", "permission denied"),
        (r"closed the connection|connection reset|terminating connection", "connection lost"),
    )
)
WORDS: Final = (OTHER, *(words for _, words in _REASONS))


def reason(problem: str) -> str:
    """The kind of what a collector met."""
    return next((words for pattern, words in _REASONS if pattern.search(problem)), OTHER)
