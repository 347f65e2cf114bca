"""What the last words of PostgreSQL's tools mean: the reason of a failed attempt, and what to do. Pure."""

from __future__ import annotations

from pgbackstop_catalog.records.backup import Reason


def diagnosis(tail: str) -> tuple[Reason, str]:
    """The reason, and what to do, from well-known last words of PostgreSQL's tools."""
    for words, reason, remedy in _LAST_WORDS:
        if words in tail:
            return reason, remedy
    return Reason.TOOL, ""


_ROLE = "Grant the role what it lacks: see docs/how-to/create-the-role.md."
_LOCK = "Another session holds a lock; run at another time, or raise lock_timeout of the plan."
_RUNS = "Check that PostgreSQL runs, and its log."
_LAST_WORDS = (
    (
        "unsupported startup parameter",
        Reason.UNREACHABLE,
        "A connection pooler answers: set host and port of the server to those of PostgreSQL itself.",
    ),
    (
        "password authentication failed",
        Reason.UNREACHABLE,
        "Check the role's password and password_file of the server.",
    ),
    ("no password supplied", Reason.UNREACHABLE, "Set password_file of the server."),
    (
        "no pg_hba.conf entry",
        Reason.UNREACHABLE,
        "Let the role in: pg_hba.conf needs a line for it (and one for 'replication').",
    ),
    (
        "server version mismatch",
        Reason.CLIENT,
        "Install client tools of the server's version, or set bin_dir.",
    ),
    ("permission denied", Reason.RIGHTS, _ROLE),
    ("would be affected by row-level security", Reason.RIGHTS, _ROLE),
    ("No space left on device", Reason.SPACE, "Make room in the storage, or let fewer backups be kept."),
    ("Disk quota exceeded", Reason.SPACE, "Make room in the storage, or let fewer backups be kept."),
    ("Read-only file system", Reason.STORAGE, "Check how the storage is mounted."),
    # Before the locks: a session may end while it waits for one.
    ("server closed the connection unexpectedly", Reason.UNREACHABLE, _RUNS),
    ("terminating connection due to administrator command", Reason.UNREACHABLE, _RUNS),
    ("Connection refused", Reason.UNREACHABLE, _RUNS),
    # pg_dump's --lock-wait-timeout is a statement timeout for its LOCK TABLE.
    ("Query was: LOCK TABLE", Reason.TOOL, _LOCK),
    ("could not obtain lock", Reason.TOOL, _LOCK),
    ("canceling statement due to lock timeout", Reason.TOOL, _LOCK),
    ("all replication slots are in use", Reason.TOOL, "Raise max_replication_slots of the server."),
    (
        "number of requested standby connections exceeds",
        Reason.TOOL,
        "Raise max_wal_senders of the server.",
    ),
    ("must be superuser or replication role", Reason.RIGHTS, "Give the role the REPLICATION attribute."),
)
