"""What an attempt was, as decisions need it; the runner and the exporter share it.

An Attempt is small, so that a reader of many records can keep it instead of them. Times are Unix seconds
(0 = never, or not set), sizes bytes.

An attempt of a logical plan whose ``database`` is ``""`` stands for the whole plan: the server did not
answer before its databases were known, or the run did not start. It counts for every database of the plan.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final, NamedTuple

from pgbackstop_catalog.decisions import wal_segments
from pgbackstop_catalog.records.attempt import Reason, Status
from pgbackstop_catalog.records.backup import Backup

# Keys of a record that no attempt is made of, and that the model does without: often most of its bytes.
UNREAD: Final = (
    "database_facts",
    "excluded_tables",
    "file_list",
    "files",
    "restore_by_hand",
    "row_counts",
    "schema_only_tables",
    "source_invalid_indexes",
    "source_not_valid",
    "steps",
    "tools",
    "uncounted",
    "undumped",
    "warnings",
)


class Subject(NamedTuple):
    """Whose attempt it is."""

    server: str
    database: str
    backup_type: str


class Attempt(NamedTuple):
    """The facts of one Backup record that decisions are made of; -1 is an unknown size."""

    id: str
    subject: Subject
    status: Status
    started: float
    finished: float = 0.0
    scheduled: float = 0.0
    duration: float = 0.0
    verified: float = 0.0
    reason: Reason | None = None
    missed_runs: int = 0
    size: int = -1
    source_size: int = -1
    incremental: bool = False
    expired: bool = False
    start_lsn: int = 0
    timeline: int = 0
    progress: int = 0
    progress_expected: int = -1
    progress_at: float = 0.0
    vanished: int = 0
    storage: str = ""
    recoverable_from: float = 0.0
    damaged: bool = False
    acknowledged: bool = False

    @property
    def is_failure(self) -> bool:
        """Return whether it started and did not succeed."""
        return self.reason is not None

    @property
    def is_available(self) -> bool:
        """Return whether its bytes are complete and still kept."""
        return self.status is Status.SUCCEEDED and not self.expired

    @property
    def is_open_damage(self) -> bool:
        """Return whether it is stored and damaged, and nobody has taken note of that."""
        return self.damaged and not self.expired and not self.acknowledged

    @property
    def last_read(self) -> float:
        """When every byte was last in hand: read back, or else as it was made."""
        return max(self.verified, self.finished)


def attempt_of(record: Backup) -> Attempt:
    """The attempt that a record tells of."""
    started = record.started_at.timestamp()
    return Attempt(
        id=record.id,
        subject=Subject(record.server, record.database, record.backup_type),
        status=record.status,
        started=started,
        finished=_finished(record, started),
        scheduled=_unix(record.scheduled_for),
        duration=record.duration_seconds or 0.0,
        verified=_unix(record.verified_at),
        reason=failure_reason(record),
        missed_runs=max(1, record.missed_runs) if record.status is Status.MISSED else 0,
        size=_known(record.size_bytes),
        source_size=_known(record.source_size_bytes),
        incremental=record.method == "incremental",
        expired=record.expired_at is not None,
        start_lsn=wal_segments.parse_lsn(record.start_lsn) if record.start_lsn else 0,
        timeline=record.timeline or 0,
        progress=record.progress_bytes,
        progress_expected=_known(record.progress_expected_bytes),
        progress_at=_unix(record.progress_at),
        vanished=0 if record.acknowledged else len(record.vanished),
        storage=record.storage or "",
        recoverable_from=_unix(record.recoverable_from) if record.stop_lsn else 0.0,
        damaged=record.is_damaged,
        acknowledged=record.acknowledged is not None,
    )


def failure_reason(record: Backup) -> Reason | None:
    """Under which reason a failed record is counted; None for one that is no failure."""
    if not record.is_failure:
        return None
    if record.status is Status.INTERRUPTED:
        return Reason.INTERRUPTED
    return record.reason or Reason.INTERNAL


def _finished(record: Backup, started: float) -> float:
    """An end that is always set: by the record, else by its start."""
    if record.status is Status.RUNNING:
        return 0.0
    return record.finished_at.timestamp() if record.finished_at else started


def _unix(moment: datetime | None) -> float:
    return moment.timestamp() if moment else 0.0


def _known(size: int | None) -> int:
    return -1 if size is None else size
