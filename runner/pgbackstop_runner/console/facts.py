"""What the pages show, read by the functions that the commands use. Reads files: call it in a thread."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import islice, takewhile
from typing import Final
from zoneinfo import ZoneInfo

from pgbackstop_catalog import errors
from pgbackstop_catalog.config.plan import Plan
from pgbackstop_catalog.records.backup import Backup
from pgbackstop_catalog.records.copy import Copy
from pgbackstop_catalog.records.ids import new_id
from pgbackstop_catalog.records.proof import Proof
from pgbackstop_catalog.store import opened
from pgbackstop_catalog.store.backup_filter import BackupFilter
from pgbackstop_catalog.store.backup_list import BackupList
from pgbackstop_catalog.store.known_summaries import KnownSummaries
from pgbackstop_catalog.store.summary import BackupSummary
from pgbackstop_catalog.text import said
from pgbackstop_runner.console.operation import Operation
from pgbackstop_runner.overview import read, words
from pgbackstop_runner.overview.read import Overview
from pgbackstop_runner.workspace import Workspace

PAGE: Final = 50
# How far the clock may have been set back since an operation began, in seconds.
_SET_BACK: Final = 3600.0
STATES: Final = ("available", "expired", "running", "failed", "interrupted", "missed")
_RECENT: Final = 30
# A filter looks at every attempt on record: 10,000 are parsed in 0.4 s, and looked through in 0.03.
_KNOWN: Final = KnownSummaries(most=20_000)


@dataclass(frozen=True, kw_only=True)
class Whole:
    """The overview, and the last runs."""

    overview: Overview
    recent: tuple[BackupSummary, ...]
    unreadable: tuple[str, ...]

    @property
    def headline(self) -> str:
        """The first line of ``pgbackstop status``."""
        return words.headline(self.overview)


def overview(workspace: Workspace, now: datetime) -> Whole:
    """Everything that the first page says. Raises CatalogError."""
    watched, unreadable = _watched(workspace)
    found = read.overview(watched, unreadable, now)
    return Whole(
        overview=found,
        recent=tuple(islice(_list(watched, unreadable).summaries(), _RECENT)),
        unreadable=tuple(unreadable),
    )


def _watched(workspace: Workspace) -> tuple[Workspace, dict[str, None]]:
    """The same, collecting what is no record that can be read."""
    unreadable: dict[str, None] = {}

    def remember(error: errors.CatalogError) -> None:
        unreadable[str(error)] = None

    catalog = workspace.catalog.telling(remember)
    return replace(workspace, catalog=catalog, on_invalid_record=remember), unreadable


@dataclass(frozen=True, kw_only=True)
class Filter:
    """Which attempts are wanted; ``before`` is the id below which a page begins."""

    plan: str = ""
    database: str = ""
    state: str = ""
    before: str = ""

    @property
    def of_backups(self) -> BackupFilter:
        """Which attempts of the plan are wanted."""
        states = frozenset(filter(None, [self.state]))
        return BackupFilter(states=states, database=self.database or None)


@dataclass(frozen=True, kw_only=True)
class Page:
    """One page of attempts, the newest first; ``older`` is where the next one begins, or ""."""

    shown: tuple[BackupSummary, ...]
    older: str
    unreadable: tuple[str, ...]


def backups(workspace: Workspace, wanted: Filter, limit: int = PAGE) -> Page:
    """A page of attempts. Raises NotFound for a plan that is not configured, CatalogError."""
    if wanted.plan:
        workspace.plan(wanted.plan)
    watched, unreadable = _watched(workspace)
    listed = _list(watched, unreadable)
    every = listed.summaries(wanted.plan or None, before=wanted.before, wanted=wanted.of_backups)
    found = tuple(islice(every, limit + 1))
    older = found[limit - 1].id if len(found) > limit else ""
    return Page(shown=found[:limit], older=older, unreadable=tuple(unreadable))


def summaries(workspace: Workspace, plan: str) -> Iterator[BackupSummary]:
    """The attempts of a plan, the newest first, of what can be read. Raises CatalogError."""
    return _list(workspace, {}).summaries(plan)


def _list(workspace: Workspace, unreadable: dict[str, None]) -> BackupList:
    place = workspace.config.catalog_place()
    return opened.backup_list(place, lambda error: unreadable.update({str(error): None}), _KNOWN)


@dataclass(frozen=True, kw_only=True)
class Whereabouts:
    """One attempt with its copies and proofs."""

    record: Backup
    copies: tuple[Copy, ...]
    proofs: tuple[Proof, ...]


def backup(workspace: Workspace, backup_id: str) -> Whereabouts:
    """The attempt of exactly that id. Raises NotFound, CatalogError."""
    watched, _ = _watched(workspace)
    record = watched.catalog.backup(backup_id)
    if record.id != backup_id:
        raise errors.NotFound(said("There is no backup {id!r}.", id=backup_id))
    return Whereabouts(
        record=record,
        copies=tuple(each for each in watched.catalog.copies(record.plan) if each.backup == record.id),
        proofs=tuple(each for each in watched.catalog.proofs(record.plan) if each.backup == record.id),
    )


def made_by(workspace: Workspace, operation: Operation) -> tuple[Backup, ...]:
    """The attempts that an operation made so far, the oldest first. Raises CatalogError."""
    if operation.verb != "backup":
        return ()
    watched, _ = _watched(workspace)
    since = new_id(operation.started_at - timedelta(seconds=_SET_BACK))
    recent = takewhile(lambda each: each.id >= since, watched.catalog.backups(operation.subject))
    return tuple(reversed([each for each in recent if each.operation == operation.id]))


@dataclass(frozen=True, kw_only=True)
class PlanRuns:
    """A plan of the configuration, and its next due times in its own zone; none while it is paused."""

    name: str
    plan: Plan
    schedule: str
    next_runs: tuple[datetime, ...]


def plans(workspace: Workspace, now: datetime) -> tuple[PlanRuns, ...]:
    """Every plan with its next five runs. Asks nobody."""
    return tuple(_plan(name, plan, now) for name, plan in workspace.config.plans.items())


def plan(workspace: Workspace, name: str, now: datetime) -> PlanRuns:
    """The plan of that name. Raises NotFound."""
    return _plan(name, workspace.plan(name), now)


def _plan(name: str, plan: Plan, now: datetime) -> PlanRuns:
    schedule = plan.effective_schedule()
    zone = ZoneInfo(schedule.timezone)
    due = islice(schedule.after(now.astimezone(UTC)), 5) if plan.enabled else ()
    return PlanRuns(
        name=name,
        plan=plan,
        schedule=f"{schedule.expression} ({schedule.timezone})",
        next_runs=tuple(each.astimezone(zone) for each in due),
    )
