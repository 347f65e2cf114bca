"""What each plan's databases, or its server, are like: from the catalog and the storages."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache, partial
from typing import cast

from pgbackstop_catalog.config.plan import Plan
from pgbackstop_catalog.config.storage import FolderStorage
from pgbackstop_catalog.decisions import safety
from pgbackstop_catalog.decisions import subjects as decisions_subjects
from pgbackstop_catalog.decisions.attempts import Attempt, Subject
from pgbackstop_catalog.records.attempt import BackupType
from pgbackstop_catalog.records.scheduler import SchedulerState
from pgbackstop_catalog.store import layout
from pgbackstop_runner.overview import plan_records
from pgbackstop_runner.overview.plan_records import PlanRecords
from pgbackstop_runner.storage import identity
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
    for name, records in plan_records.read(workspace):
        yield from _PlanReading(
            workspace=workspace,
            name=name,
            plan=workspace.config.plans[name],
            daemon=daemon,
            problem=problem,
            records=records,
        ).subjects(now)


@dataclass(frozen=True, kw_only=True)
class _PlanReading:
    workspace: Workspace
    name: str
    plan: Plan
    daemon: SchedulerState | None
    problem: Callable[[str], str]
    records: PlanRecords

    def subjects(self, now: float) -> Iterator[SubjectStatus]:
        known, dropped = self.records.histories, self.records.dropped
        for database in decisions_subjects.databases(self.plan, known, dropped, None):
            subject = Subject(self.plan.server, database, self.plan.backup_type)
            own = decisions_subjects.of(known, subject)
            handled = max(own.handled_until, self.records.scheduled_until, self._counted_since())
            facts = safety.Subject(
                plan=self.plan,
                history=own,
                seen_at=self._seen_at(),
                handled_until=handled,
                drill_success=self.records.drilled.get(database, 0.0),
                drill_failure=self.records.drill_failed.get(database, 0.0),
                missing=sum(self._is_missing(each) for each in self.records.kept.get(database, ())),
                damaged_copies=self.records.damaged_copies.get(database, 0),
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

    def _is_missing(self, kept: Attempt) -> bool:
        """Whether it is gone from the storage of its record, which is there and was not replaced since."""
        storage = self.workspace.config.storages.get(kept.storage)
        if not isinstance(storage, FolderStorage):
            return False
        subject = kept.subject
        folder = layout.backup_folder(
            backup_type=cast(BackupType, subject.backup_type),
            server=subject.server,
            database=subject.database,
            backup_id=kept.id,
        )
        if os.path.isdir(f"{storage.path}/{folder}") or self.problem(kept.storage):  # noqa: PTH112 - of thousands
            return False
        return not identity.lost(self.workspace, kept.storage, datetime.fromtimestamp(kept.started, UTC))
