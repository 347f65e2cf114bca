"""Notices: one event each, in words for a person at three in the morning. Pure.

Prometheus tells states (too old, failed and not yet made good); a notice tells that something happened.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Literal

from pydantic import Field

from pgbackstop_catalog.model import Model, UtcTime
from pgbackstop_catalog.records.attempt import Status
from pgbackstop_catalog.records.backup import Backup
from pgbackstop_catalog.records.copy import Copy
from pgbackstop_catalog.records.proof import Proof
from pgbackstop_catalog.records.vanished import Acknowledgement
from pgbackstop_runner.notify import words

Kind = Literal[
    "backup-succeeded",
    "backup-failed",
    "backup-missed",
    "backup-damaged",
    "damage-acknowledged",
    "copy-damaged",
    "data-vanished",
    "data-acknowledged",
    "restore-started",
    "restore-succeeded",
    "restore-failed",
    "drill-succeeded",
    "drill-failed",
    "test",
]
Severity = Literal["info", "warning", "critical"]

# An event ends by itself. Longer than any usual group_wait, or Alertmanager would never tell of it; bad news
# also outlasts quiet hours.
GOOD_NEWS = timedelta(minutes=10)
BAD_NEWS = timedelta(days=1)


class Event(Model):
    """An event that somebody wants to hear of; a file of the outbox until it is delivered."""

    record_version: Literal[1] = 1
    kind: Kind
    plan: str = ""
    server: str = ""
    database: str = ""
    backup_type: str = ""
    backup: str = Field(default="", description="where two events that last are of two backups")
    storage: str = Field(default="", description="where the copy is that it tells of")
    severity: Severity
    summary: str
    description: str = Field(max_length=3000)
    starts_at: UtcTime
    ends_at: UtcTime


def of_backup(backup: Backup, *, in_a_row: int = 1, lasts: timedelta = BAD_NEWS) -> Event | None:
    """What to tell of an attempt; nothing while it runs.

    A failure is critical when it is not the first ``in_a_row``, and ``lasts`` until the next attempt is over,
    which ends it or tells it anew.
    """
    if backup.status is Status.RUNNING:
        return None
    if backup.status is Status.SUCCEEDED and backup.vanished:
        lost = _notice(
            backup, "data-vanished", "critical", words.vanished(backup), words.after_vanishing(backup)
        )
        return lost.evolve(ends_at=lost.starts_at + BAD_NEWS)
    if backup.status is Status.SUCCEEDED:
        return _notice(
            backup, "backup-succeeded", "info", words.succeeded(backup), words.after_success(backup)
        )
    if backup.status is Status.MISSED:
        missed = _notice(backup, "backup-missed", "warning", words.missed(backup), words.after_missed(backup))
        return missed.evolve(ends_at=missed.starts_at + lasts)
    severity: Severity = "critical" if in_a_row > 1 else "warning"
    failed = _notice(
        backup, "backup-failed", severity, words.failed(backup, in_a_row), words.after_failure(backup)
    )
    return failed.evolve(ends_at=failed.starts_at + lasts)


def of_damage(backup: Backup, *, good: Sequence[Backup], found_at: datetime) -> Event:
    """What to tell of a stored backup that was read back and is damaged.

    ``good`` are the kept ones of the same database that are not known to be damaged, the newest first.
    """
    damaged = _notice(
        backup,
        "backup-damaged",
        "critical",
        f"A stored backup of {words.target(backup)} (plan {backup.plan}) is damaged: {backup.id}",
        f"{words.cut(backup.message)} It cannot be relied on. {words.still_good(backup, good)} "
        f"Look at the disk of its storage; 'pgbackstop verify {backup.plan} --all' reads all others. "
        f"When it is dealt with, 'pgbackstop ack {backup.id}'.",
    )
    return damaged.evolve(backup=backup.id, starts_at=found_at, ends_at=found_at + BAD_NEWS)


def of_damaged_copy(backup: Backup, copy: Copy, *, others: Sequence[Copy], found_at: datetime) -> Event:
    """What to tell of a copy that was read back and is damaged; ``others`` are its backup's good ones."""
    damaged = _notice(
        backup,
        "copy-damaged",
        "warning" if backup.is_available else "critical",
        f"The copy in {copy.storage} of a backup of {words.target(backup)} (plan {backup.plan}) is damaged: "
        f"{backup.id}",
        f"{words.cut(copy.message)} {words.good_elsewhere(backup, others)}",
    )
    return damaged.evolve(
        backup=backup.id, storage=copy.storage, starts_at=found_at, ends_at=found_at + BAD_NEWS
    )


def of_acknowledgement(backup: Backup, by: Acknowledgement) -> Event:
    """What to tell when somebody took note of what a backup saw vanish, or of a damaged one."""
    note = f" {by.operator} says: {by.note.rstrip('.')}." if by.note else ""
    if backup.is_damaged:
        damaged = _notice(
            backup,
            "damage-acknowledged",
            "info",
            f"{by.operator} acknowledged that a stored backup of {words.target(backup)} (plan {backup.plan}) "
            f"is damaged: {backup.id}",
            f"{words.cut(backup.message)}{note} Its bytes are removed when the plan next expires.",
        )
        return damaged.evolve(backup=backup.id, starts_at=by.at, ends_at=by.at + GOOD_NEWS)
    seen = _notice(
        backup,
        "data-acknowledged",
        "info",
        f"{by.operator} acknowledged that data of {words.target(backup)} (plan {backup.plan}) vanished",
        f"Backup {backup.id} saw it: {words.losses(backup)}.{note} "
        "Nothing is held from expiry for it any longer.",
    )
    return seen.evolve(starts_at=by.at, ends_at=by.at + GOOD_NEWS)


def of_drill(proof: Proof, *, lasts: timedelta = BAD_NEWS) -> Event:
    """What to tell of a drill that is over.

    A failure is as severe as the alert that Prometheus makes of it, which it inhibits, and ``lasts`` until
    the next drill is over.
    """
    good = proof.status is Status.SUCCEEDED
    what = f"{proof.drill} drill of {words.target(proof)} (plan {proof.plan})"
    moment = proof.finished_at or proof.started_at
    return Event(
        kind="drill-succeeded" if good else "drill-failed",
        plan=proof.plan,
        server=proof.server,
        database=proof.database,
        backup_type=proof.backup_type,
        severity="info" if good else "critical",
        summary=f"The {what} succeeded" if good else f"The {what} {words.ended_badly(proof)}",
        description=words.drilled(proof) if good else words.after_failed_drill(proof),
        starts_at=moment,
        ends_at=moment + (GOOD_NEWS if good else lasts),
    )


def of_test(moment: datetime) -> Event:
    """One that says only that notifications arrive."""
    return Event(
        kind="test",
        severity="info",
        summary="pgbackstop: a test notification",
        description="Somebody ran 'pgbackstop notify test'. Notifications arrive; there is nothing to do.",
        starts_at=moment,
        ends_at=moment + GOOD_NEWS,
    )


def _notice(backup: Backup, kind: Kind, severity: Severity, summary: str, description: str) -> Event:
    moment = backup.finished_at or backup.started_at
    return Event(
        kind=kind,
        plan=backup.plan,
        server=backup.server,
        database=backup.database,
        backup_type=backup.backup_type,
        severity=severity,
        summary=summary,
        description=description,
        starts_at=moment,
        ends_at=moment + GOOD_NEWS,
    )
