"""Why an attempt failed: an error that carries the reason that goes into its record."""

from __future__ import annotations

from pgbackstop_catalog.errors import PgbackstopError
from pgbackstop_catalog.records import Reason


class AttemptFailed(PgbackstopError):
    """One attempt failed; others of the same run may go on."""

    def __init__(self, reason: Reason, problem: str, *, remedy: str = "") -> None:
        super().__init__(problem, remedy=remedy)
        self.reason = reason


def first_reason(error: PgbackstopError) -> Reason:
    """The reason of any error that can end an attempt, from its place in the tree."""
    if isinstance(error, AttemptFailed):
        return error.reason
    return _REASONS.get(type(error).__name__, Reason.INTERNAL)


_REASONS = {
    "ConfigError": Reason.CONFIGURATION,
    "BadConfig": Reason.CONFIGURATION,
    "CatalogError": Reason.STORAGE,
    "NewerRecord": Reason.STORAGE,
    "ServerUnreachable": Reason.UNREACHABLE,
    "NotFound": Reason.CONFIGURATION,
    "Interrupted": Reason.INTERRUPTED,
}
