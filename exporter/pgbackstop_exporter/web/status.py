"""How plans, servers and disks stand, in words for people: pure, from the families of the metrics.

Nothing is looked up anywhere else, so that the page for people never says what the metrics do not. The
states are those of the dashboard and of the alerts: see docs/reference/dashboards.md.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from pgbackstop_catalog import units
from pgbackstop_exporter.families.samples import Families, Labels
from pgbackstop_exporter.metrics import plan_metrics
from pgbackstop_exporter.snapshot import Health
from pgbackstop_exporter.web import sample_index, status_items
from pgbackstop_exporter.web.sample_index import SampleIndex
from pgbackstop_exporter.web.status_items import Item

# As the alerts BackupScheduleMissed, BackupNeverSucceeded, BackupStuck and BackupTimestampInFuture have them.
_OVERDUE_SECONDS: Final = 900.0
_LEAST_GRACE: Final = 3600.0
_NEARLY_DONE: Final = 0.9
_CLOCK_SECONDS: Final = 300.0

# Worst first; what comes before "running" asks for somebody.
STATES: Final = ("stuck", "late", "never", "failed", "unknown", "running", "not due yet", "paused", "ok")
BAD: Final = frozenset(STATES[: STATES.index("running")])


@dataclass(frozen=True, kw_only=True)
class State:
    """One of STATES, and why; ``why`` is empty where there is nothing to add."""

    word: str
    why: str = ""


@dataclass(frozen=True, kw_only=True)
class PlanRow:
    """A plan and database; texts are ready to be shown."""

    plan: str
    server: str
    database: str
    state: State
    age: str
    size: str
    duration: str
    next_run: str
    verified: str
    drilled: str


@dataclass(frozen=True, kw_only=True)
class Status:
    """Everything that the page shows."""

    plans: tuple[PlanRow, ...]
    servers: tuple[Item, ...]
    disks: tuple[Item, ...]
    exporter: tuple[Item, ...]

    @property
    def counts(self) -> dict[str, int]:
        """How many plans and databases are in each state, worst first."""
        words = [row.state.word for row in self.plans]
        return {word: words.count(word) for word in STATES if word in words}


def of(families: Families, health: Mapping[str, Health], now: float) -> Status:
    """The status that these families tell of at ``now``, in Unix seconds."""
    known = SampleIndex(families, now)
    plans = sorted(_plans(known), key=lambda row: STATES.index(row.state.word))
    return Status(
        plans=tuple(plans),
        servers=tuple(status_items.servers(known)),
        disks=tuple(status_items.disks(known)),
        exporter=tuple(status_items.exporter(known, health)),
    )


def _plans(known: SampleIndex) -> Iterator[PlanRow]:
    every = list(known.each(plan_metrics.ENABLED))
    running = {
        (names["plan"], names["server"]) for where, names in every if known.of(plan_metrics.RUNNING, where)
    }
    for where, names in every:
        success = known.of(plan_metrics.LAST_SUCCESS, where)
        limit = known.of(plan_metrics.MAX_AGE, where) or 0.0
        yield PlanRow(
            plan=names["plan"],
            server=names["server"],
            database=names["database"] or "(all)",
            state=_state(known, where, plan_runs=(names["plan"], names["server"]) in running),
            age="unknown" if success is None else f"{known.ago(success)} (limit {sample_index.span(limit)})",
            size=sample_index.size(known.of(plan_metrics.SIZE, where)),
            duration=sample_index.duration(known.of(plan_metrics.DURATION, where)),
            next_run=known.ago(known.of(plan_metrics.NEXT_RUN, where), never=""),
            verified=known.ago(known.of(plan_metrics.VERIFIED, where)),
            drilled=_drilled(known, where),
        )


def _state(known: SampleIndex, where: Labels, *, plan_runs: bool) -> State:
    """The first that is true, as docs/reference/dashboards.md lists them."""
    success = known.of(plan_metrics.LAST_SUCCESS, where)
    if not known.of(plan_metrics.ENABLED, where):
        return State(word="paused")
    if success is None:
        return State(word="unknown", why="the catalog has not been read yet")
    return (
        _stuck(known, where)
        or _too_old(known, where, success)
        or _never(known, where, success)
        or _failed(known, where, success)
        or _gone(known, where)
        or _damaged(known, where)
        or (None if plan_runs else _overdue(known, where))
        or _well(known, where, success)
    )


def _stuck(known: SampleIndex, where: Labels) -> State | None:
    started = known.of(plan_metrics.RUNNING_START, where)
    longest = known.of(plan_metrics.MAX_DURATION, where)
    if started and longest and known.now - started > longest:
        why = f"started {known.ago(started)}; a run is ended after {sample_index.span(longest)}"
        return State(word="stuck", why=why)
    moved, patience = known.of(plan_metrics.PROGRESS_AT, where), known.of(plan_metrics.STALL_TIMEOUT, where)
    if moved and patience and known.now - moved > patience and not _is_nearly_done(known, where):
        return State(word="stuck", why=f"the last byte was written {known.ago(moved)}")
    return None


def _is_nearly_done(known: SampleIndex, where: Labels) -> bool:
    expected = known.of(plan_metrics.PROGRESS_EXPECTED, where)
    return expected is not None and (known.of(plan_metrics.PROGRESS, where) or 0.0) >= _NEARLY_DONE * expected


def _too_old(known: SampleIndex, where: Labels, success: float) -> State | None:
    limit = known.of(plan_metrics.MAX_AGE, where)
    if not success or limit is None or known.now - success <= limit:
        return None
    return State(word="late", why=f"the newest good backup may be {sample_index.span(limit)} old")


def _never(known: SampleIndex, where: Labels, success: float) -> State | None:
    due = known.of(plan_metrics.FIRST_DUE, where)
    limit = known.of(plan_metrics.MAX_AGE, where) or 0.0
    grace = max(limit - (known.of(plan_metrics.SCHEDULE_INTERVAL, where) or 0.0), _LEAST_GRACE)
    if success or due is None or known.now - due <= grace:
        return None
    return State(word="never", why=f"was due {known.ago(due)} and has not succeeded since")


def _failed(known: SampleIndex, where: Labels, success: float) -> State | None:
    failure = known.of(plan_metrics.LAST_FAILURE, where) or 0.0
    if failure <= success:
        return None
    number = known.of(plan_metrics.CONSECUTIVE_FAILURES, where) or 0
    return State(word="failed", why=f"{known.ago(failure)}, {number:g} in a row")


def _gone(known: SampleIndex, where: Labels) -> State | None:
    missing = known.of(plan_metrics.MISSING, where)
    if not missing:
        return None
    return State(word="failed", why=f"files of kept backups are gone or have another size: of {missing:g}")


def _damaged(known: SampleIndex, where: Labels) -> State | None:
    damaged = known.of(plan_metrics.DAMAGED, where)
    return State(word="failed", why=f"stored backups that are damaged: {damaged:g}") if damaged else None


def _overdue(known: SampleIndex, where: Labels) -> State | None:
    due = known.of(plan_metrics.NEXT_RUN, where)
    if due is None or known.now - due <= _OVERDUE_SECONDS:
        return None
    return State(word="late", why=f"a run was due {known.ago(due)} and has not started")


def _well(known: SampleIndex, where: Labels, success: float) -> State:
    if known.of(plan_metrics.RUNNING, where):
        return State(word="running", why=f"since {known.ago(known.of(plan_metrics.RUNNING_START, where))}")
    if not success:
        return State(word="not due yet")
    vanished = known.of(plan_metrics.VANISHED, where)
    if vanished:
        return State(
            word="ok", why=f"rows of {units.format_count(vanished, 'table')} vanished: see 'pgbackstop list'"
        )
    is_ahead = success - known.now > _CLOCK_SECONDS
    return State(word="ok", why="its time lies in the future; check the clocks" if is_ahead else "")


def _drilled(known: SampleIndex, where: Labels) -> str:
    success = known.of(plan_metrics.DRILL_SUCCESS, where) or 0.0
    failure = known.of(plan_metrics.DRILL_FAILURE, where) or 0.0
    return f"failed {known.ago(failure)}" if failure > success else known.ago(success)
