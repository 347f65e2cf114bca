"""Sums of a plan's attempts: decisions that the runner and the exporter share.

An Attempt is what these decisions need of a Backup record; it is small, so that a reader of many
records can keep it instead of them. Times are Unix seconds (0 = never, or not set), sizes bytes.

An attempt of a logical plan whose ``database`` is ``""`` stands for the whole plan: the server did not
answer before its databases were known, or the run did not start. It counts for every database of the plan.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from heapq import nlargest
from statistics import median
from typing import Final, NamedTuple

from pgbackstop_catalog.config.schedule import Schedule
from pgbackstop_catalog.decisions import wal_segments
from pgbackstop_catalog.records.attempt import Reason, Status
from pgbackstop_catalog.records.backup import Backup
from pgbackstop_catalog.records.copy import Copy
from pgbackstop_catalog.records.totals import Totals

BASELINE_SUCCESSES: Final = 10
# Of a database that no run contains any more, how many good runs in a row must have been without it.
RUNS_WITHOUT: Final = 2


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


def attempt(record: Backup) -> Attempt:
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


@dataclass(frozen=True, kw_only=True)
class Counts:
    """Counts that only grow: attempts that ended, failed ones by reason, due runs that did not start."""

    runs: int = 0
    failures: Mapping[Reason, int] = field(default_factory=dict)
    missed: int = 0

    def plus(self, other: Counts) -> Counts:
        """Both together."""
        if other == _NOTHING:
            return self
        failures = Counter(self.failures)
        failures.update(other.failures)
        return Counts(runs=self.runs + other.runs, failures=failures, missed=self.missed + other.missed)


_NOTHING: Final = Counts()


@dataclass(frozen=True, kw_only=True)
class History:
    """The attempts of one plan for one database or server, added up."""

    success: Attempt | None = None
    running: Attempt | None = None
    last_attempt: float = 0.0
    last_failure: float = 0.0
    consecutive_failures: int = 0
    last_missed: float = 0.0
    handled_until: float = 0.0
    verified: float = 0.0
    available: int = 0
    stored_bytes: int = 0
    oldest: float = 0.0
    source_size: int = -1
    size_baseline: float | None = None
    source_size_baseline: float | None = None
    duration_baseline: float | None = None
    counts: Counts = Counts()
    vanished: tuple[Attempt, ...] = ()
    damaged: int = 0

    @property
    def last_success(self) -> float:
        """When the newest success was complete, in Unix seconds; 0.0 where there is none."""
        return self.success.finished if self.success else 0.0

    @property
    def size_expected(self) -> float | None:
        """Bytes that the newest success should have: as usual, or more where its source has grown.

        None where nothing is known, and for an incremental backup, whose size follows what was written.
        """
        newest = self.success
        if newest is None or newest.incremental or self.size_baseline is None:
            return None
        if newest.source_size < 0 or not self.source_size_baseline:
            return self.size_baseline
        return self.size_baseline * max(1.0, newest.source_size / self.source_size_baseline)


def summarise(attempts: Iterable[Attempt], *, folding: frozenset[str] = frozenset()) -> History:
    """Add up attempts in any order. Those whose id is in ``folding`` are counted by the tally already."""
    every = list(attempts)
    ended = [attempt for attempt in every if attempt.status not in {Status.RUNNING, Status.MISSED}]
    successes = [attempt for attempt in ended if attempt.status is Status.SUCCEEDED]
    # A stored backup that was found damaged is no run that failed.
    failed = [attempt for attempt in ended if attempt.is_failure and not attempt.damaged]
    kept = [attempt for attempt in successes if not attempt.expired]
    running = [attempt for attempt in every if attempt.status is Status.RUNNING]
    missed = [attempt for attempt in every if attempt.status is Status.MISSED]
    success = max(successes, key=_by_end, default=None)
    last_success = success.finished if success else 0.0
    return History(
        success=success,
        running=max(running, key=_by_start, default=None),
        last_attempt=max((attempt.started for attempt in (*ended, *running)), default=0.0),
        last_failure=max((attempt.finished for attempt in failed), default=0.0),
        last_missed=max((attempt.started for attempt in missed), default=0.0),
        consecutive_failures=sum(attempt.finished > last_success for attempt in failed),
        handled_until=max((attempt.scheduled or attempt.started for attempt in every), default=0.0),
        verified=max((attempt.verified for attempt in successes), default=0.0),
        available=len(kept),
        stored_bytes=sum(max(0, attempt.size) for attempt in kept),
        oldest=min((attempt.finished for attempt in kept), default=0.0),
        source_size=success.source_size if success else -1,
        **_baselines(successes, success),
        counts=count(attempt for attempt in every if attempt.id not in folding),
        vanished=tuple(attempt for attempt in every if attempt.vanished),
        damaged=sum(attempt.is_open_damage for attempt in every),
    )


def count(attempts: Iterable[Attempt]) -> Counts:
    """Count these attempts."""
    runs = missed = 0
    failures: Counter[Reason] = Counter()
    for attempt in attempts:
        missed += attempt.missed_runs
        runs += attempt.status not in {Status.RUNNING, Status.MISSED}
        if attempt.reason is not None:
            failures[attempt.reason] += 1
    return Counts(runs=runs, failures=failures, missed=missed)


def tallied(tally: Totals, database: str) -> Counts:
    """Return what a plan's removed records had counted for a database, or for the whole plan with ``""``."""
    failures: Counter[Reason] = Counter()
    for name, number in tally.failures.get(database, {}).items():
        failures[_known_reason(name)] += number
    return Counts(runs=tally.runs.get(database, 0), failures=failures, missed=tally.missed.get(database, 0))


def fold(tally: Totals, records: Iterable[Backup], copies: Iterable[Copy] = ()) -> Totals:
    """The tally that also counts ``records`` and those ``copies`` that are theirs; they are about to go.

    Write it before the first record is removed, and once more with ``folding=()`` after the last one: a
    reader that finds the same tally before and after reading the records then never counts one twice.
    """
    removed = list(records)
    runs, missed = Counter(tally.runs), Counter(tally.missed)
    failures = {database: Counter(reasons) for database, reasons in tally.failures.items()}
    for record in removed:
        counts = count([attempt(record)])
        runs[record.database] += counts.runs
        missed[record.database] += counts.missed
        failures.setdefault(record.database, Counter()).update(
            {reason.value: number for reason, number in counts.failures.items()}
        )
    ids = {record.id for record in removed}
    return tally.evolve(
        copy_failures=_with_failed(tally, (copy for copy in copies if copy.backup in ids)),
        runs=dict(+runs),
        missed=dict(+missed),
        failures={database: dict(reasons) for database, reasons in failures.items() if reasons},
        folding=(*tally.folding, *(record.id for record in removed)),
    )


def _with_failed(tally: Totals, copies: Iterable[Copy]) -> dict[str, dict[str, int]]:
    failures = {database: Counter(storages) for database, storages in tally.copy_failures.items()}
    for copy in copies:
        failures.setdefault(copy.database, Counter())[copy.storage] += copy.failures
    return {database: dict(+storages) for database, storages in failures.items() if +storages}


def dropped(attempts: Iterable[Attempt]) -> frozenset[str]:
    """Databases that the newest runs of a plan of all databases contain no more.

    Only scheduled runs that ended well in every database are asked, and RUNS_WITHOUT of them in a row must
    be without it: a run that was cut short, or one by hand of a single database, proves no drop, and
    to take a late database for a dropped one would silence its alert.
    """
    runs: defaultdict[float, list[Attempt]] = defaultdict(list)
    newest: dict[str, float] = {}
    for attempt in attempts:
        database = attempt.subject.database
        if attempt.scheduled:
            runs[attempt.scheduled].append(attempt)
        if database:
            newest[database] = max(newest.get(database, 0.0), attempt.started)
    complete = [
        due for due, run in runs.items() if all(attempt.status is Status.SUCCEEDED for attempt in run)
    ]
    asked = nlargest(RUNS_WITHOUT, complete)
    if len(asked) < RUNS_WITHOUT:
        return frozenset()
    present = {attempt.subject.database for due in asked for attempt in runs[due]}
    since = asked[-1]
    return frozenset(name for name, started in newest.items() if name not in present and started < since)


def next_run(schedule: Schedule, *, handled_until: float, first_seen: float) -> float:
    """The first due run that nothing handled yet; in the past while it is late.

    A run that cron or a person started handles what was due before it, like a scheduled one.
    """
    return first_due(schedule, handled_until or first_seen)


def first_due(schedule: Schedule, first_seen: float) -> float:
    """Return when a plan that was first seen then is due for the first time."""
    return schedule.next_after(datetime.fromtimestamp(first_seen, UTC)).timestamp()


def _baselines(successes: list[Attempt], newest: Attempt | None) -> dict[str, float | None]:
    """Medians of successes that are comparable: an incremental backup says nothing about a full one."""
    alike = [attempt for attempt in successes if newest and attempt.incremental == newest.incremental]
    last = nlargest(BASELINE_SUCCESSES, alike, key=_by_end)
    return {
        "size_baseline": _median(attempt.size for attempt in last if attempt.size >= 0),
        "source_size_baseline": _median(attempt.source_size for attempt in last if attempt.source_size >= 0),
        "duration_baseline": _median(attempt.duration for attempt in last),
    }


def _median(values: Iterable[float]) -> float | None:
    found = list(values)
    return float(median(found)) if found else None


def _known_reason(name: str) -> Reason:
    """A reason of a newer version is still a failure."""
    return Reason(name) if name in set(Reason) else Reason.INTERNAL


def _finished(record: Backup, started: float) -> float:
    """An end that is always set: by the record, else by its start."""
    if record.status is Status.RUNNING:
        return 0.0
    return record.finished_at.timestamp() if record.finished_at else started


def _by_end(each: Attempt) -> float:
    return each.finished


def _by_start(each: Attempt) -> float:
    return each.started


def _unix(moment: datetime | None) -> float:
    return moment.timestamp() if moment else 0.0


def _known(size: int | None) -> int:
    return -1 if size is None else size
