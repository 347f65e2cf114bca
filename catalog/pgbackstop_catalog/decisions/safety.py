"""Whether one is safe, and why not: what is wrong with plans and servers, as the alerts see it. Pure.

Each finding has the limits of the alert that it stands beside in alerts/pgbackstop.rules.yml. Times are Unix
seconds, 0 = never.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from pgbackstop_catalog import units
from pgbackstop_catalog.config.plan import Plan
from pgbackstop_catalog.decisions import clocks, expectations, history, vanished
from pgbackstop_catalog.decisions.history import History
from pgbackstop_catalog.decisions.wal_segments import WalState
from pgbackstop_catalog.text import joined, said, said_of

_LATE: Final = 900.0  # a run that is due starts within this
_MISSED_FOR: Final = 6 * 3600.0
_FIRST_RUN: Final = 3600.0
_SILENT: Final = 120.0


class Severity(StrEnum):
    """How bad it is; the worst comes last."""

    OK = "ok"
    WARNING = "warning"
    UNKNOWN = "unknown"
    CRITICAL = "critical"


_RANKS: Final = {each: rank for rank, each in enumerate(Severity)}


class State(StrEnum):
    """What may be said of a plan's database, a server, the daemon or the catalog."""

    OK = "ok"
    RUNNING = "running"
    PAUSED = "paused"
    NEVER_RUN = "never run"
    NEVER_SUCCEEDED = "never succeeded"
    TOO_OLD = "too old"
    FAILED = "failed"
    OVERDUE = "overdue"
    MISSED = "missed"
    MISSING = "missing"
    DAMAGED = "damaged"
    COPY_DAMAGED = "copy damaged"
    VANISHED = "rows vanished"
    NOT_PROVEN = "not proven"
    DRILL_FAILED = "drill failed"
    NO_WAL = "no WAL arrives"
    GAP = "gap"
    SILENT = "silent"
    UNREADABLE = "unreadable"
    NO_COPIES = "no copies"
    UNKNOWN = "unknown"


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that is to be said, in words."""

    state: State
    severity: Severity
    reason: str

    @property
    def endangers(self) -> bool:
        """Whether nobody may call it safe: it is critical or unknown, or nothing was backed up yet."""
        return self.severity in {Severity.CRITICAL, Severity.UNKNOWN} or self.state is State.NEVER_RUN


@dataclass(frozen=True, kw_only=True)
class Subject:
    """What is known of one database of a plan, or of a physical plan's server.

    ``handled_until`` is the newest due time that needs no run any more, ``seen_at`` since when the plan is
    expected to run, ``missing`` how many kept backups are not where they were stored, ``problem`` why that
    cannot be seen, ``damaged_copies`` how many copies were found damaged and not made anew.
    """

    plan: Plan
    history: History
    seen_at: float
    handled_until: float
    drill_success: float = 0.0
    drill_failure: float = 0.0
    missing: int = 0
    damaged_copies: int = 0
    problem: str = ""

    def next_run(self, now: float) -> float:
        """The first due run that nothing handled yet; in the past while it is late."""
        handled = history.credible(self.handled_until, now)
        return history.next_run(
            self.plan.effective_schedule(), handled_until=handled, first_seen=self.seen_at
        )

    def max_age(self, now: float) -> float:
        """Seconds after which its newest success is too old."""
        return expectations.max_age(self.plan, self.history, int(now // 3600))


def of_subject(known: Subject, now: float) -> tuple[Finding, ...]:
    """What is wrong with it, the worst first; one that says so where nothing is."""
    if not known.plan.enabled:
        return (_finding(State.PAUSED, Severity.OK, said("the plan is paused")),)
    found = [*_stored(known), *_age(known, now), *_runs(known, now), *_proofs(known, now)]
    return worst_first(found) or (_well(known.history),)


def _well(known: History) -> Finding:
    if known.running:
        return _finding(State.RUNNING, Severity.OK, said("a run is going"))
    return _finding(State.OK, Severity.OK, "")


def _stored(known: Subject) -> Iterator[Finding]:
    if known.problem:
        yield _finding(State.UNKNOWN, Severity.UNKNOWN, known.problem)
    if known.missing:
        reason = said_of(
            "{n} kept backup is not where it was stored",
            "{n} kept backups are not where they were stored",
            known.missing,
        )
        yield _finding(State.MISSING, Severity.CRITICAL, reason)
    if damaged := known.history.damaged:
        yield _finding(
            State.DAMAGED, Severity.CRITICAL, said("stored backups that are damaged: {n}", n=damaged)
        )
    if known.damaged_copies:
        reason = said("copies that are damaged: {n}", n=known.damaged_copies)
        yield _finding(State.COPY_DAMAGED, Severity.WARNING, reason)


def _age(known: Subject, now: float) -> Iterator[Finding]:
    limit = known.max_age(now)
    newest = known.history.last_success
    if not newest:
        yield _never(known, limit, now)
    elif newest - now > clocks.AHEAD:
        ahead = units.format_duration(newest - now)
        reason = said(
            "the newest good backup is dated {ahead} from now, so that its age is unknown: look at the clock",
            ahead=ahead,
        )
        yield _finding(State.UNKNOWN, Severity.WARNING, reason)
    elif now - newest > limit:
        age = units.format_duration(now - newest)
        reason = said(
            "the newest good backup is {age} old, the limit is {limit}",
            age=age,
            limit=units.format_duration(limit),
        )
        yield _finding(State.TOO_OLD, Severity.CRITICAL, reason)


def _never(known: Subject, limit: float, now: float) -> Finding:
    expected = expectations.expectation(known.plan, int(now // 3600))
    due = history.first_due(expected.schedule, known.seen_at)
    if now - due > max(limit - expected.interval, _FIRST_RUN):
        return _finding(State.NEVER_SUCCEEDED, Severity.CRITICAL, said("there has never been a good backup"))
    return _finding(State.NEVER_RUN, Severity.WARNING, said("there is no good backup yet"))


def _runs(known: Subject, now: float) -> Iterator[Finding]:
    runs = known.history
    if runs.last_failure > runs.last_success:
        failed = runs.consecutive_failures
        reason = said_of("the last attempt failed", "the last {n} attempts failed", max(1, failed))
        yield _finding(State.FAILED, Severity.WARNING if failed < 2 else Severity.CRITICAL, reason)
    since_due = now - known.next_run(now)
    if since_due > _LATE and not runs.running:
        late = units.format_duration(since_due)
        yield _finding(
            State.OVERDUE,
            Severity.WARNING,
            said("a run has been due for {late} and did not start", late=late),
        )
    if runs.last_missed and now - runs.last_missed < _MISSED_FOR:
        yield _finding(State.MISSED, Severity.WARNING, said("a run was due and did not start"))
    since = now - vanished.HELD_FOR.total_seconds()
    if tables := sum(each.vanished for each in runs.vanished if each.finished >= since):
        counted = units.format_count(tables, "table")
        reason = said("rows of {tables} vanished since the backup before", tables=counted)
        yield _finding(State.VANISHED, Severity.WARNING, reason)


def _proofs(known: Subject, now: float) -> Iterator[Finding]:
    expected = expectations.expectation(known.plan, int(now // 3600))
    if expected.proof_max_age is None or not known.history.last_success:
        return
    if known.drill_failure > known.drill_success:
        yield _finding(
            State.DRILL_FAILED, Severity.CRITICAL, said("the last drill could not restore a backup")
        )
    first = history.first_due(expected.schedule, known.seen_at) + known.plan.grace
    due = history.first_due(known.plan.drill_schedule(), first) + known.plan.drill.max_duration
    if now - known.drill_success > expected.proof_max_age and (
        known.drill_success or due + known.plan.grace < now
    ):
        age = units.format_duration(now - known.drill_success)
        reason = (
            said("the newest drill is {age} old", age=age)
            if known.drill_success
            else said("no drill has restored a backup")
        )
        yield _finding(State.NOT_PROVEN, Severity.WARNING, reason)


def of_wal(state: WalState | None, *, is_received: bool) -> tuple[Finding, ...]:
    """What is wrong with the WAL of a server that is to be archived; ``is_received``: a receiver lives."""
    found = []
    if state is None and not is_received:
        found.append(_finding(State.NO_WAL, Severity.WARNING, said("no WAL was received yet")))
    elif not is_received or (state is not None and state.status == "down"):
        why = [state.message] if state is not None and is_received and state.message else []
        reason = joined(": ", [said("nobody receives its WAL"), *why])
        found.append(_finding(State.NO_WAL, Severity.CRITICAL, reason))
    if state is not None and state.missing_segments:
        reason = units.format_missing(state.missing_segments, "WAL segment")
        found.append(_finding(State.GAP, Severity.CRITICAL, reason))
    return worst_first(found)


def of_daemon(heartbeat: datetime, now: float) -> tuple[Finding, ...]:
    """What is wrong with the daemon of this host, which once ran."""
    silent = now - heartbeat.timestamp()
    if silent <= _SILENT:
        return ()
    reason = said("the daemon has shown no sign of life for {silent}", silent=units.format_duration(silent))
    return (_finding(State.SILENT, Severity.CRITICAL, reason),)


def of_copies(problems: Iterable[str]) -> tuple[Finding, ...]:
    """What keeps copies from further storages, a sentence for each of these."""
    return tuple(
        _finding(State.NO_COPIES, Severity.WARNING, said("no copies are made: {problem}", problem=each))
        for each in problems
    )


def of_catalog(unreadable: int) -> tuple[Finding, ...]:
    """What is wrong with the catalog: files that are no records, or that cannot be read."""
    if not unreadable:
        return ()
    reason = said_of(
        "{n} file of the catalog is no record that can be read",
        "{n} files of the catalog are no records that can be read",
        unreadable,
    )
    return (_finding(State.UNREADABLE, Severity.WARNING, reason),)


def unknown(reason: str) -> Finding:
    """What cannot be said because something cannot be read."""
    return _finding(State.UNKNOWN, Severity.UNKNOWN, reason)


def worst_first(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """The same in the order of their weight; those of one weight stay in theirs."""
    return tuple(sorted(findings, key=weight, reverse=True))


def weight(finding: Finding) -> int:
    """How bad it is; greater is worse."""
    return _RANKS[finding.severity]


def worst(findings: Iterable[Finding]) -> Severity:
    """The worst of their severities; OK where there is none."""
    return max((each.severity for each in findings), key=_RANKS.__getitem__, default=Severity.OK)


def _finding(state: State, severity: Severity, reason: str) -> Finding:
    return Finding(state=state, severity=severity, reason=reason)
