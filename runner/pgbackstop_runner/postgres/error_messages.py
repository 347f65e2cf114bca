"""What the words of PostgreSQL and its tools mean: one place for what is recognised, and what to do. Pure.

Sessions and tools of ours ask for messages in English where the role may (lc_messages in session_options);
statements of ours are judged by SQLSTATE. A table is read from the top, so what is special comes first.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from pgbackstop_catalog.records.attempt import Reason


@dataclass(frozen=True, kw_only=True)
class Meaning:
    """What words mean. ``sentence`` is "" where PostgreSQL's own say it best."""

    pattern: str
    reason: Reason
    remedy: str
    sentence: str = ""


def meaning(words: str, table: Iterable[Meaning]) -> Meaning | None:
    """The first of the table whose pattern is in the words."""
    return next((each for each in table if re.search(each.pattern, words)), None)


def diagnosis(tail: str) -> tuple[Reason, str]:
    """The reason, and what to do, from well-known last words of PostgreSQL's tools."""
    found = meaning(tail, TOOLS)
    return (found.reason, found.remedy) if found else (Reason.TOOL, "")


def is_of_what_vanished(words: str) -> bool:
    """Whether pg_dump met what was dropped or renamed after its snapshot, and before it had its locks."""
    return meaning(words, (_GONE,)) is not None


def is_of_jobs_kept_out(words: str) -> bool:
    """Whether a job of pg_dump found somebody waiting for a table that its first process had locked."""
    return "someone requested an ACCESS EXCLUSIVE lock" in words


def of_state(sqlstate: str) -> tuple[Reason, str]:
    """The same for a statement of ours: https://www.postgresql.org/docs/current/errcodes-appendix.html"""
    return _STATES.get(sqlstate, (Reason.TOOL, "Look at PostgreSQL's log."))


_ROLE = "Grant the role what it lacks: see docs/how-to/create-the-role.md."
_LOCK = (
    "Another session, or a prepared transaction (see pg_prepared_xacts), holds a lock; run at another time, "
    "or raise lock_timeout of the plan."
)
_RUNS = "Check that PostgreSQL runs, and its log."
_LOCKS = (
    "Raise max_locks_per_transaction of the server, which needs a restart: every table is locked at once, "
    "partitions, indexes and sequences too."
)
_CONFLICT = (
    "The standby replayed what the backup was still reading the old state of: raise "
    "max_standby_streaming_delay there (-1 waits for the backup), or set hot_standby_feedback = on."
)
_TEMPORARY = (
    "Raise temp_file_limit for the role or the database, or let the role raise it: grant set on parameter "
    "temp_file_limit."
)
_STATES = {
    "40001": (Reason.TOOL, _CONFLICT),
    "42501": (Reason.RIGHTS, _ROLE),
    "53100": (Reason.SPACE, "Make room on the server's disk."),
    "53200": (Reason.TOOL, _LOCKS),
    "53400": (Reason.TOOL, _TEMPORARY),
    "55P03": (Reason.TOOL, _LOCK),
    "57014": (Reason.TIMEOUT, "Look for locks and at the load of the server."),
}


def _means(pattern: str, reason: Reason, remedy: str, sentence: str = "") -> Meaning:
    return Meaning(pattern=pattern, reason=reason, remedy=remedy, sentence=sentence)


# Before anything else: these words bring others with them, which mean something else where they are alone.
SPECIAL = (
    _means("due to conflict with recovery", Reason.TOOL, _CONFLICT),
    _means(
        'could not connect to server "',
        Reason.TOOL,
        "A foreign server does not answer, not ours: the message names it, and the statement that reads it.",
    ),
    _means("out of shared memory|max_locks_per_transaction", Reason.TOOL, _LOCKS),
    _means("temp_file_limit", Reason.TOOL, _TEMPORARY),
    _means(
        "could not resize shared memory segment",
        Reason.TOOL,
        "The server's /dev/shm is full, of which a container has 64 MB: give it more (--shm-size), or set "
        "max_parallel_workers_per_gather and max_parallel_maintenance_workers to 0.",
    ),
    _means(
        "invalid memory alloc request size|Cannot enlarge string buffer",
        Reason.TOOL,
        "A row has more than 1 GB as text, in which a byte of bytea takes two characters: find it by "
        "octet_length(), and split it. Physical backups hold it as it is.",
    ),
)
# pg_dump asks by name and OID for what it saw in its snapshot.
_GONE = _means(
    r"(?s)does not exist.*Query was: LOCK TABLE|with OID \d+ does not exist|cache lookup failed for"
    "|could not open relation with OID",
    Reason.TOOL,
    "Tables are dropped or renamed again and again while the dump begins: run it when that rests.",
)
TOOLS = (
    *SPECIAL,
    _GONE,
    _means(
        "unsupported startup parameter",
        Reason.UNREACHABLE,
        "A connection pooler answers: set host and port of the server to those of PostgreSQL itself.",
    ),
    _means(
        "password authentication failed",
        Reason.UNREACHABLE,
        "Check the role's password and password_file of the server.",
    ),
    _means(
        "no password supplied", Reason.UNREACHABLE, "Set password_file or password_command of the server."
    ),
    _means(
        "no pg_hba.conf entry",
        Reason.UNREACHABLE,
        "Let the role in: pg_hba.conf needs a line for it (and one for 'replication').",
    ),
    _means(
        "too many connections for (role|database)",
        Reason.UNREACHABLE,
        "Raise the connection limit of the role or the database that it names, or end sessions of theirs.",
    ),
    _means(
        "too many clients|remaining connection slots",
        Reason.UNREACHABLE,
        "Raise max_connections, or end sessions that are idle.",
    ),
    _means(
        "server version mismatch",
        Reason.CLIENT,
        "Install client tools of the server's version, or set bin_dir.",
    ),
    _means("permission denied", Reason.RIGHTS, _ROLE),
    _means("would be affected by row-level security", Reason.RIGHTS, _ROLE),
    _means(
        r"(server|query failed): \S+:  .*(No space left on device|Disk quota exceeded)",
        Reason.SPACE,
        "Make room on the server's disk.",
    ),
    _means(
        "No space left on device|Disk quota exceeded",
        Reason.SPACE,
        "Make room in the storage, or let fewer backups be kept.",
    ),
    _means("Read-only file system", Reason.STORAGE, "Check how the storage is mounted."),
    # Before the locks: a session may end while it waits for one.
    _means("server closed the connection unexpectedly", Reason.UNREACHABLE, _RUNS),
    _means("terminating connection due to administrator command", Reason.UNREACHABLE, _RUNS),
    _means("Connection refused", Reason.UNREACHABLE, _RUNS),
    # pg_dump's --lock-wait-timeout is a statement timeout for its LOCK TABLE.
    _means(
        "Query was: LOCK TABLE|could not obtain lock|canceling statement due to lock timeout",
        Reason.TOOL,
        _LOCK,
    ),
    _means("all replication slots are in use", Reason.TOOL, "Raise max_replication_slots of the server."),
    _means(
        "number of requested standby connections exceeds",
        Reason.TOOL,
        "Raise max_wal_senders of the server.",
    ),
    _means(
        "must be superuser or replication role", Reason.RIGHTS, "Give the role the REPLICATION attribute."
    ),
)
# What the tools say while they fill a database.
RESTORING = (
    *SPECIAL,
    _means(
        "No space left on device",
        Reason.SPACE,
        "The server's disk is full: make room, or restore into another server by --server.",
    ),
    _means(
        "extension .* is not available|extension control file",
        Reason.TOOL,
        "Install the extension's package on the server.",
    ),
    _means("role .* does not exist", Reason.RIGHTS, "Restore the roles first: add --globals."),
    _means(
        "permission denied|must be owner|must be superuser|must be able to SET ROLE",
        Reason.RIGHTS,
        "Restore as a superuser: name one in restore_role of the server.",
    ),
)
