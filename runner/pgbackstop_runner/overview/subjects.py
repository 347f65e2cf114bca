"""What each plan's databases, or its server, are like: from the catalog and the storages."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import cache, partial

from pgbackstop_catalog.config.plan import Plan
from pgbackstop_catalog.decisions import history, safety
from pgbackstop_catalog.decisions import subjects as decisions_subjects
from pgbackstop_catalog.decisions.attempts import Subject, attempt_of
from pgbackstop_catalog.records.attempt import Status
from pgbackstop_catalog.records.backup import Backup
from pgbackstop_catalog.records.copy import Copy
from pgbackstop_catalog.records.proof import Proof
from pgbackstop_catalog.records.scheduler import SchedulerState
from pgbackstop_runner.storage import identity, stored_backup
from pgbackstop_runner.workspace import Workspace


@dataclass(frozen=True, kw_only=True)
class SubjectStatus:
    """One database of a plan, or the server of a physical one; what is wrong, the worst first."""

    plan: str
    subject: Subject
    known: safety.Subject
    findings: tuple[safety.Finding, ...]


def read(workspace: Workspace, daemon: SchedulerState | None, now: float) -> Iterator[SubjectStatus]:
    """Every database of every plan. Raises CatalogError, ConfigError."""
    problem = cache(partial(identity.problem, workspace))
    for name, plan in workspace.config.plans.items():
        yield from _PlanReading(
            workspace=workspace,
            name=name,
            plan=plan,
            daemon=daemon,
            problem=problem,
            backups=tuple(workspace.catalog.backups(name)),
            proofs=tuple(workspace.catalog.proofs(name)),
            copies=tuple(workspace.catalog.copies(name)),
        ).subjects(now)


@dataclass(frozen=True, kw_only=True)
class _PlanReading:
    workspace: Workspace
    name: str
    plan: Plan
    daemon: SchedulerState | None
    problem: Callable[[str], str]
    backups: tuple[Backup, ...]
    proofs: tuple[Proof, ...]
    copies: tuple[Copy, ...]

    def subjects(self, now: float) -> Iterator[SubjectStatus]:
        attempts = [attempt_of(each) for each in self.backups]
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
                missing=sum(self._is_missing(each) for each in self._kept(subject)),
                damaged_copies=self._damaged_copies(database),
                problem=self.problem(self.workspace.storage_of(self.plan)[0]),
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

    def _damaged_copies(self, database: str) -> int:
        there = {each.id for each in self.backups if each.expired_at is None and each.database == database}
        return sum(each.is_damaged and each.backup in there for each in self.copies)

    def _kept(self, subject: Subject) -> Iterator[Backup]:
        return (each for each in self.backups if each.is_available and each.database == subject.database)

    def _is_missing(self, backup: Backup) -> bool:
        """Whether it is gone from the storage of its record, which is there and was not replaced since."""
        try:
            folder = stored_backup.place(self.workspace.config, backup).folder
        except (stored_backup.NoPlace, stored_backup.NotConfigured, stored_backup.Refused):
            return False
        storage = str(backup.storage)
        if folder.is_dir() or self.problem(storage):
            return False
        return not identity.lost(self.workspace, storage, backup.started_at)


def _newest(proofs: Iterable[Proof]) -> float:
    ended: list[datetime] = [each.finished_at for each in proofs if each.finished_at is not None]
    return max((each.timestamp() for each in ended), default=0.0)
