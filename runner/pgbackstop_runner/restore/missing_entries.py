"""Entries of a dump that could not be restored: whether the live database may be replaced without them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from pgbackstop_catalog import errors
from pgbackstop_catalog.records.proof import MissingEntry
from pgbackstop_runner.journal.restore import Journal
from pgbackstop_runner.restore.plan import RestorePlan
from pgbackstop_runner.system import phrases

Accept = Callable[[Sequence[MissingEntry]], bool]


def nobody(_entries: Sequence[MissingEntry]) -> bool:
    """Nobody is there who could accept anything."""
    return False


def counted(entries: Sequence[MissingEntry]) -> str:
    """How many they are: ``2 entries``."""
    return "1 entry" if len(entries) == 1 else f"{len(entries)} entries"


def require_accepted(current: Journal, outline: RestorePlan, accept: Accept) -> None:
    """Raises PgbackstopError where entries are missing and nobody takes the database without them."""
    entries = current.record.missing_entries
    if not entries or outline.request.accept_missing or accept(entries):
        return
    names = phrases.some([f"{each.entry}: {each.error}" for each in entries])
    raise errors.PgbackstopError(
        f"{counted(entries)} of the dump could not be restored, and nothing was replaced: {names}.",
        remedy="--accept-missing restores it without them; the record has the statement of each.",
    )
