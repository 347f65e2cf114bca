"""The sentences of events, for a person at three in the morning. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from pgbackstop_catalog import units
from pgbackstop_catalog.model import format_time
from pgbackstop_catalog.records.attempt import Status
from pgbackstop_catalog.records.backup import Backup
from pgbackstop_catalog.records.copy import Copy
from pgbackstop_catalog.records.proof import Proof

# Chat shows a few hundred letters, and the end says what to do; the record has everything.
_MOST_WORDS = 300


def target(backup: Backup | Proof) -> str:
    """Whose it is: the database, or the whole server."""
    return f"database {backup.database} on {backup.server}" if backup.database else f"server {backup.server}"


def succeeded(backup: Backup) -> str:
    """The headline of a good backup."""
    return f"Backed up {target(backup)} (plan {backup.plan})"


def after_success(backup: Backup) -> str:
    """What there is to say of a good backup."""
    size = units.format_size(backup.size_bytes or 0)
    took = units.format_duration(backup.duration_seconds or 0)
    warnings = "".join(f" Note: {text.rstrip('.')}." for text in (backup.fallback, *backup.warnings) if text)
    return cut(f"{size} in {took}, backup {backup.id}.{warnings}") + " There is nothing to do."


def ended_badly(proof: Proof) -> str:
    """How a drill ended that proved nothing."""
    how = "was interrupted" if proof.status is Status.INTERRUPTED else "failed"
    return f"{how}: {proof.reason}" if proof.reason is not None else how


def drilled(proof: Proof) -> str:
    """What a good drill proved."""
    took = units.format_duration(proof.duration_seconds or 0)
    until = f" Proven until {format_time(proof.proven_until)}." if proof.proven_until else ""
    lost = (
        f" At most {units.format_duration(proof.rpo_seconds)} would have been lost."
        if proof.rpo_seconds is not None
        else ""
    )
    return f"Backup {proof.backup} was restored and checked in {took}.{until}{lost} There is nothing to do."


def after_failed_drill(proof: Proof) -> str:
    """What a failed drill said, and what to do."""
    return (
        f"{cut(proof.message or 'It said nothing.')} Details: 'pgbackstop show {proof.backup}'. "
        f"When the cause is gone, run it again: 'pgbackstop drill {proof.plan}'."
    )


def failed(backup: Backup, in_a_row: int) -> str:
    """The headline of a failed backup."""
    reason = f": {backup.reason}" if backup.reason is not None else ""
    how = "was interrupted" if backup.status is Status.INTERRUPTED else "failed"
    again = f" ({in_a_row} failures in a row)" if in_a_row > 1 else ""
    return f"The backup of {target(backup)} (plan {backup.plan}) {how}{reason}{again}"


def after_failure(backup: Backup) -> str:
    """What a failed backup said, and what to do."""
    return (
        f"{cut(backup.message or 'It said nothing.')} Details: 'pgbackstop show {backup.id}'. "
        f"When the cause is gone, run it again: 'pgbackstop backup {backup.plan}'."
    )


def vanished(backup: Backup) -> str:
    """The headline of a backup that saw rows vanish."""
    tables = units.format_count(len(backup.vanished), "table")
    return f"Rows of {tables} vanished in {target(backup)} (plan {backup.plan}) since the backup before"


def after_vanishing(backup: Backup) -> str:
    """Which rows vanished, and what to do."""
    return (
        f"{losses(backup)}. Backup {backup.id} is good, and the last one that has the rows is held for 30 "
        f"days: 'pgbackstop show {backup.id}' names it. Put back what is missing "
        f"('pgbackstop restore BACKUP --table TABLE'), then 'pgbackstop ack {backup.id}'."
    )


def losses(backup: Backup) -> str:
    """The tables that lost rows."""
    return cut("; ".join(map(str, backup.vanished)))


def missed(backup: Backup) -> str:
    """The headline of runs that did not start."""
    runs = "A backup run" if backup.missed_runs <= 1 else f"{backup.missed_runs} backup runs"
    return f"{runs} of plan {backup.plan} ({target(backup)}) did not start"


def after_missed(backup: Backup) -> str:
    """Why a run did not start, and what to do."""
    return (
        f"{cut(backup.message)} See that 'pgbackstop daemon' is running; "
        f"to back up now: 'pgbackstop backup {backup.plan}'."
    )


def cut(text: str) -> str:
    """A text as long as chat shows."""
    return text if len(text) <= _MOST_WORDS else text[:_MOST_WORDS] + " …"


def still_good(backup: Backup, good: Sequence[Backup]) -> str:
    """What is left beside a damaged backup; ``good`` are the kept ones, the newest first."""
    if not good:
        return f"No other good one is kept: make one now, 'pgbackstop backup {backup.plan}'."
    made = format_time(good[0].finished_at or good[0].started_at)
    return f"Still good, as far as is known: {len(good)}, the newest {good[0].id}, of {made}."


def good_elsewhere(backup: Backup, others: Sequence[Copy]) -> str:
    """What is left beside a damaged copy; ``others`` are the good ones."""
    copies = ", ".join(each.storage for each in others)
    if backup.is_available:
        read = f"last read {format_time(backup.verified_at)}" if backup.verified_at else "never read back"
        also = f", and so are its copies in {copies}" if copies else ""
        return (
            f"The backup itself, in {backup.storage}, is good as far as is known ({read}){also}. The plan's "
            f"next backup makes the copy anew; now: 'pgbackstop copy {backup.plan}'. Look at that storage."
        )
    if copies:
        return (
            f"The backup itself is not good any more; its copies in {copies} are, as far as is known: "
            "restore from them, and look at that storage."
        )
    return (
        "The backup itself is not good any more, and no other copy of it is known to be. Make a new backup "
        f"now: 'pgbackstop backup {backup.plan}'. Look at that storage."
    )
