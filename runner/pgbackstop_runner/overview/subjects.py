"""What each plan's databases, or its server, are like: from the catalog and the storages."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import cache, partial
from pathlib import Path

from pgbackstop_catalog import errors
from pgbackstop_catalog.config.plan import Plan
from pgbackstop_catalog.decisions import history, safety
from pgbackstop_catalog.decisions import subjects as decisions_subjects
from pgbackstop_catalog.decisions.history import Subject
from pgbackstop_catalog.records import codec
from pgbackstop_catalog.records.backup import Backup, Proof, Status
from pgbackstop_catalog.records.scheduler import SchedulerState
from pgbackstop_runner.storage import identity
from pgbackstop_runner.workspace import Workspace


@dataclass(frozen=True, kw_only=True)
class SubjectStatus:
    """One database of a plan, or the server of a physical one; what is wrong, the worst first."""

    plan: str
    subject: Subject
    known: safety.Subject
    findings: tuple[safety.Finding, ...]


def scheduler(workspace: Workspace) -> SchedulerState | None:
    """What the daemon last said; None where none ever ran, or its file cannot be read."""
    try:
        return codec.read(SchedulerState, workspace.state.scheduler)
    except FileNotFoundError:
        return None
    except errors.NewerRecord:
        raise
    except errors.CatalogError as error:
        workspace.on_invalid_record(error)
        return None


def read(workspace: Workspace, daemon: SchedulerState | None, now: float) -> Iterator[SubjectStatus]:
    """Every database of every plan. Raises CatalogError, ConfigError."""
    problem = cache(partial(identity.problem, workspace))
    for name, plan in workspace.config.plans.items():
        storage, root = workspace.storage_of(plan)
        yield from _PlanReading(
            workspace=workspace,
            name=name,
            plan=plan,
            daemon=daemon,
            root=root,
            problem=problem(storage),
            backups=tuple(workspace.catalog.backups(name)),
            proofs=tuple(workspace.catalog.proofs(name)),
        ).subjects(now)


@dataclass(frozen=True, kw_only=True)
class _PlanReading:
    workspace: Workspace
    name: str
    plan: Plan
    daemon: SchedulerState | None
    root: Path
    problem: str
    backups: tuple[Backup, ...]
    proofs: tuple[Proof, ...]

    def subjects(self, now: float) -> Iterator[SubjectStatus]:
        attempts = [history.attempt(each) for each in self.backups]
        known = decisions_subjects.histories(attempts)
        handled = max((each.scheduled for each in attempts), default=0.0)
        for database in decisions_subjects.databases(self.plan, known, history.dropped(attempts), None):
            subject = Subject(self.plan.server, database, self.plan.backup_type)
            own = decisions_subjects.of(known, subject)
            drills = [each for each in self.proofs if each.proof == "drill" and each.database == database]
            facts = safety.Subject(
                plan=self.plan,
                history=own,
                seen_at=self._seen_at(),
                handled_until=max(own.handled_until, handled, self._counted_since()),
                drill_success=_newest(each for each in drills if each.status is Status.SUCCEEDED),
                drill_failure=_newest(each for each in drills if each.status is Status.FAILED),
                missing=0 if self.problem else self._missing(subject),
                problem=self.problem,
            )
            yield SubjectStatus(
                plan=self.name, subject=subject, known=facts, findings=safety.of_subject(facts, now)
            )

    def _seen_at(self) -> float:
        """Since when the plan is expected to run: by the daemon, else since its configuration is there."""
        seen = self.daemon.first_seen.get(self.name) if self.daemon else None
        return seen.timestamp() if seen else self.workspace.file.stat().st_mtime

    def _counted_since(self) -> float:
        counted = self.daemon.counted.get(self.name) if self.daemon else None
        return counted.since.timestamp() if counted else 0.0

    def _missing(self, subject: Subject) -> int:
        """How many kept backups are not in their storage, and not away with one that was replaced."""
        storage, _ = self.workspace.storage_of(self.plan)
        names = cache(_names)
        return sum(
            where.name not in names(where.parent)
            and not identity.lost(self.workspace, storage, each.started_at)
            for each, where in self._kept(subject)
        )

    def _kept(self, subject: Subject) -> Iterator[tuple[Backup, Path]]:
        for each in self.backups:
            if each.is_available and each.database == subject.database and each.location:
                yield each, self.root / each.location


def _names(folder: Path) -> frozenset[str]:
    try:
        return frozenset(os.listdir(folder))  # noqa: PTH208 - names, not a Path for each
    except FileNotFoundError:
        return frozenset()


def _newest(proofs: Iterable[Proof]) -> float:
    ended: list[datetime] = [each.finished_at for each in proofs if each.finished_at is not None]
    return max((each.timestamp() for each in ended), default=0.0)
