"""Digests of records: what the metrics need of a backup, copy, proof or restore, and their packed form.

A record is a few kilobytes of JSON; its digest is packed into about a hundred bytes, so that a hundred
thousand of them stay in memory. Times are Unix seconds (0 = not set), sizes bytes (-1 = unknown).
"""

from __future__ import annotations

import struct
from typing import Final, Generic, NamedTuple, Protocol, TypeVar

from pgbackstop_catalog.decisions.attempts import Attempt, Subject, attempt_of
from pgbackstop_catalog.records.attempt import Reason, Status
from pgbackstop_catalog.records.backup import Backup
from pgbackstop_catalog.records.copy import Copy
from pgbackstop_catalog.records.proof import Proof
from pgbackstop_catalog.records.restore import Restore

_STATUSES: Final = tuple(Status)
_REASONS: Final = (None, *Reason)

V = TypeVar("V")
R = TypeVar("R", bound=Backup | Copy | Proof | Restore)
D_co = TypeVar("D_co", covariant=True)


class CopyDigest(NamedTuple):
    """A backup's bytes in one further storage; ``failures`` are the failed tries.

    ``last_read`` is when it was last known to be what was sent: at first, when it was made.
    """

    backup: str
    subject: Subject
    storage: str
    succeeded: bool
    is_kept: bool
    is_damaged: bool
    last_read: float
    failures: int


class ProofDigest(NamedTuple):
    """One proof; ``proven_until`` is the moment that a drill recovered to.

    ``copy_in`` is the storage whose copy was proven, "" for the backup itself. One that was interrupted has
    neither ``succeeded`` nor ``failed``.
    """

    subject: Subject
    copy_in: str
    is_drill: bool
    succeeded: bool
    finished: float
    duration: float
    proven_until: float
    failed: bool


class RestoreDigest(NamedTuple):
    """One restore of a database, or of a whole server with ``""``."""

    database: str
    succeeded: bool
    finished: float
    duration: float


class RecordCodec(Protocol[R, D_co]):
    """How the digests of one kind of record are packed; one per plan, for it numbers what repeats."""

    kind: type[R]
    size: int

    def folder(self, record: R) -> str:
        """The name of the folder that it belongs into."""

    def name(self, record: R) -> str:
        """The record's file name, without its ending."""

    def is_final(self, record: R) -> bool:
        """Whether its file will not change any more."""

    def pack(self, record: R) -> bytes:
        """``size`` bytes."""

    def unpack(self, name: str, packed: bytes) -> D_co:
        """The digest of the record of that name."""


class _Numbers(Generic[V]):
    """Values that repeat in many digests, each kept once and known by a number."""

    __slots__ = ("_numbers", "values")  # of a thousand plans there are six thousand

    def __init__(self) -> None:
        self._numbers: dict[V, int] = {}
        self.values: list[V] = []

    def of(self, value: V) -> int:
        if value not in self._numbers:
            self._numbers[value] = len(self.values)
            self.values.append(value)
        return self._numbers[value]


class Attempts:
    """Backup records as attempts."""

    kind = Backup
    _layout = struct.Struct("<HBBBHdddddqqqQIHH")
    size = _layout.size

    __slots__ = ("_storages", "_subjects")

    def __init__(self) -> None:
        self._subjects: _Numbers[Subject] = _Numbers()
        self._storages: _Numbers[str] = _Numbers()

    def folder(self, record: Backup) -> str:
        return record.plan

    def name(self, record: Backup) -> str:
        return record.id

    def is_final(self, record: Backup) -> bool:
        """A kept backup still expires, a running one still ends, what vanished is still acknowledged.

        A damaged one may be mended, or expires as well.
        """
        waits = (record.vanished and record.acknowledged is None) or (
            record.is_damaged and record.expired_at is None
        )
        return record.status is not Status.RUNNING and not record.is_available and not waits

    def pack(self, record: Backup) -> bytes:
        each = attempt_of(record)
        return self._layout.pack(
            self._subjects.of(each.subject),
            _STATUSES.index(each.status),
            _REASONS.index(each.reason),
            each.incremental | each.expired << 1 | each.damaged << 2 | each.acknowledged << 3,
            min(each.missed_runs, 0xFFFF),
            *(each.started, each.finished or each.progress_at, each.scheduled, each.verified),
            each.recoverable_from,
            round(each.duration * 1e6),
            *self._sizes(each),
            *(each.start_lsn, each.timeline, min(each.vanished, 0xFFFF), self._storages.of(each.storage)),
        )

    def _sizes(self, each: Attempt) -> tuple[int, int]:
        """What a running backup has and expects, what an ended one came to: never both."""
        if each.status is Status.RUNNING:
            return each.progress, each.progress_expected
        return each.size, each.source_size

    def unpack(self, name: str, packed: bytes) -> Attempt:
        subject, status, reason, flags, missed, *rest = self._layout.unpack(packed)
        started, finished, scheduled, verified, reach, duration, size, source_size, lsn, timeline, *last = (
            rest
        )
        is_running = _STATUSES[status] is Status.RUNNING
        return Attempt(
            id=name,
            subject=self._subjects.values[subject],
            status=_STATUSES[status],
            started=started,
            finished=0.0 if is_running else finished,
            scheduled=scheduled,
            duration=duration / 1e6,
            verified=verified,
            reason=_REASONS[reason],
            missed_runs=missed,
            size=-1 if is_running else size,
            source_size=-1 if is_running else source_size,
            incremental=bool(flags & 1),
            expired=bool(flags & 2),
            start_lsn=lsn,
            timeline=timeline,
            progress=size if is_running else 0,
            progress_expected=source_size if is_running else -1,
            progress_at=finished if is_running else 0.0,
            vanished=last[0],
            storage=self._storages.values[last[1]],
            recoverable_from=reach,
            damaged=bool(flags & 4),
            acknowledged=bool(flags & 8),
        )


class Copies:
    """Copy records."""

    kind = Copy
    _layout = struct.Struct("<HBdQ")
    size = _layout.size

    __slots__ = ("_targets",)

    def __init__(self) -> None:
        self._targets: _Numbers[tuple[Subject, str]] = _Numbers()

    def folder(self, record: Copy) -> str:
        return record.plan

    def name(self, record: Copy) -> str:
        return f"{record.backup}@{record.storage}"

    def is_final(self, record: Copy) -> bool:
        """A copy that failed is tried again in the same record."""
        return record.expired_at is not None

    def pack(self, record: Copy) -> bytes:
        target = (Subject(record.server, record.database, record.backup_type), record.storage)
        succeeded = record.status is Status.SUCCEEDED
        flags = succeeded | record.is_available << 1 | record.is_damaged << 2
        read = max(
            (each.timestamp() for each in (record.finished_at, record.verified_at) if each), default=0.0
        )
        return self._layout.pack(self._targets.of(target), flags, read, record.failures)

    def unpack(self, name: str, packed: bytes) -> CopyDigest:
        target, flags, read, failures = self._layout.unpack(packed)
        subject, storage = self._targets.values[target]
        backup = name.partition("@")[0]
        is_kept, is_damaged = bool(flags & 2), bool(flags & 4)
        return CopyDigest(backup, subject, storage, bool(flags & 1), is_kept, is_damaged, read, failures)


class Proofs:
    """Proof records."""

    kind = Proof
    _layout = struct.Struct("<HBddd")
    size = _layout.size

    __slots__ = ("_targets",)

    def __init__(self) -> None:
        self._targets: _Numbers[tuple[Subject, str]] = _Numbers()

    def folder(self, record: Proof) -> str:
        return record.plan

    def name(self, record: Proof) -> str:
        return record.id

    def is_final(self, record: Proof) -> bool:
        return record.status is not Status.RUNNING

    def pack(self, record: Proof) -> bytes:
        target = (Subject(record.server, record.database, record.backup_type), record.copy_in or "")
        status = record.status
        flags = (record.proof == "drill") | (status is Status.SUCCEEDED) << 1 | (status is Status.FAILED) << 2
        finished = record.finished_at.timestamp() if record.finished_at else 0.0
        proven = record.proven_until.timestamp() if record.proven_until else 0.0
        number = self._targets.of(target)
        return self._layout.pack(number, flags, finished, record.duration_seconds or 0.0, proven)

    def unpack(self, name: str, packed: bytes) -> ProofDigest:
        target, flags, finished, duration, proven = self._layout.unpack(packed)
        subject, copy_in = self._targets.values[target]
        is_drill, succeeded, failed = (bool(flags & bit) for bit in (1, 2, 4))
        return ProofDigest(subject, copy_in, is_drill, succeeded, finished, duration, proven, failed)


class Restores:
    """Restore records."""

    kind = Restore
    _layout = struct.Struct("<HBdd")
    size = _layout.size

    __slots__ = ("_databases",)

    def __init__(self) -> None:
        self._databases: _Numbers[str] = _Numbers()

    def folder(self, record: Restore) -> str:
        return record.server

    def name(self, record: Restore) -> str:
        return record.id

    def is_final(self, record: Restore) -> bool:
        """What a metric needs of it changes no more; that it was undone does not."""
        return record.status is not Status.RUNNING

    def pack(self, record: Restore) -> bytes:
        succeeded = record.status is Status.SUCCEEDED
        finished = record.finished_at.timestamp() if record.finished_at else 0.0
        number = self._databases.of(record.database)
        return self._layout.pack(number, succeeded, finished, record.duration_seconds or 0.0)

    def unpack(self, name: str, packed: bytes) -> RestoreDigest:
        database, succeeded, finished, duration = self._layout.unpack(packed)
        return RestoreDigest(self._databases.values[database], bool(succeeded), finished, duration)
