"""Why an attempt failed: any exception as an error with a sentence, and the reason for its record."""

from __future__ import annotations

import errno
import sys
from collections.abc import Iterable
from typing import overload

from pgbackstop_catalog.errors import (
    Bug,
    CatalogError,
    Ending,
    Interrupted,
    PgbackstopError,
    ServerUnreachable,
    ValidationError,
    one_line,
)
from pgbackstop_catalog.records.attempt import Reason
from pgbackstop_catalog.records.backup import Backup


class AttemptFailed(PgbackstopError):
    """One attempt failed; others of the same run may go on."""

    def __init__(self, reason: Reason, problem: str, *, remedy: str = "") -> None:
        super().__init__(problem, remedy=remedy)
        self.reason = reason


class DatabaseRefused(ServerUnreachable):
    """The server answers, but has no such database or does not let the role into it."""

    def __init__(self, reason: Reason, problem: str, *, remedy: str = "") -> None:
        super().__init__(problem, remedy=remedy)
        self.reason = reason


@overload
def as_error(error: Exception) -> PgbackstopError: ...
@overload
def as_error(error: BaseException) -> Ending: ...
def as_error(error: BaseException) -> Ending:
    """Return any exception as an error with a sentence for a person; one that nobody foresaw is a Bug."""
    if isinstance(error, PgbackstopError | Interrupted):
        return error
    if isinstance(error, KeyboardInterrupt):
        return Interrupted("Ended by a signal.")
    if isinstance(error, OSError):
        full = error.errno in {errno.ENOSPC, errno.EDQUOT}
        words = error.strerror or one_line(error) or type(error).__name__
        place = f"{error.filename}: " if error.filename else ""
        return AttemptFailed(
            Reason.SPACE if full else Reason.STORAGE, f"The operating system refuses: {place}{words}."
        )
    if is_lost_connection(error):
        return ServerUnreachable(
            f"The connection to PostgreSQL was lost: {one_line(error)}",
            remedy="Check that it runs, and its log; then run the same again.",
        )
    if _is_of_psycopg(error):
        return AttemptFailed(Reason.TOOL, f"PostgreSQL refused: {one_line(error)}")
    return Bug(error)


def _is_of_psycopg(error: BaseException) -> bool:
    """Whoever raised one has imported it; for the others it would cost 150 ms."""
    psycopg = sys.modules.get("psycopg")
    return psycopg is not None and isinstance(error, psycopg.Error)


def is_lost_connection(error: BaseException) -> bool:
    """Whether a session is over: without an SQLSTATE it was libpq that noticed; 57P: the server ends.

    08 is a foreign server's, too, whose connection a statement of ours needed.
    """
    psycopg = sys.modules.get("psycopg")
    if psycopg is None or not isinstance(error, psycopg.OperationalError):
        return False
    state = error.sqlstate or ""
    ours = error.diag.severity_nonlocalized != "ERROR"
    return not state or (state.startswith(("08", "57P")) and ours)


def exit_code(backups: Iterable[Backup]) -> int:
    """0 where all succeeded; the code of the cause where none did, for one and the same cause; else 1."""
    codes = {_EXIT_CODES.get(backup.reason, 1) if backup.is_failure else 0 for backup in backups}
    return codes.pop() if len(codes) == 1 else PgbackstopError.exit_code


_EXIT_CODES: dict[Reason | None, int] = {
    Reason.UNREACHABLE: ServerUnreachable.exit_code,
    Reason.RIGHTS: ValidationError.exit_code,
    Reason.CLIENT: ValidationError.exit_code,
    Reason.CONFIGURATION: ValidationError.exit_code,
    Reason.SPACE: CatalogError.exit_code,
    Reason.STORAGE: CatalogError.exit_code,
}


def first_reason(error: Ending) -> Reason:
    """The reason of any error that can end an attempt, from its place in the tree."""
    if isinstance(error, AttemptFailed | DatabaseRefused):
        return error.reason
    names = (kind.__name__ for kind in type(error).__mro__)
    return next((_REASONS[name] for name in names if name in _REASONS), Reason.INTERNAL)


_REASONS = {
    "ConfigError": Reason.CONFIGURATION,
    "BadConfig": Reason.CONFIGURATION,
    "CatalogError": Reason.STORAGE,
    "NewerRecord": Reason.STORAGE,
    "StoreError": Reason.STORAGE,
    "Damaged": Reason.CORRUPT,
    "DamagedFiles": Reason.CORRUPT,
    "ServerUnreachable": Reason.UNREACHABLE,
    "NotFound": Reason.CONFIGURATION,
    "Interrupted": Reason.INTERRUPTED,
}
