"""One attempt from its running record to its last one: the state that the steps of the flow share.

The order is fixed, because each step is the ground of the next: running record, bytes in ``<id>.partial``,
fsync, rename, ``backup.json`` beside the bytes (the commit mark), record in the catalog.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Literal

from pgbackstop_catalog import errors
from pgbackstop_catalog.config.plan import Plan
from pgbackstop_catalog.config.server import Server
from pgbackstop_catalog.model import utc_now
from pgbackstop_catalog.records import codec, file_list
from pgbackstop_catalog.records.attempt import Status, Step
from pgbackstop_catalog.records.backup import Backup, StoredFile
from pgbackstop_catalog.records.ids import new_id
from pgbackstop_catalog.records.pin import Pin
from pgbackstop_catalog.store import atomic, layout
from pgbackstop_runner import failures
from pgbackstop_runner.backup import readme
from pgbackstop_runner.system import files as system_files
from pgbackstop_runner.system import log, meter, origin, signals
from pgbackstop_runner.workspace import Workspace

Trigger = Literal["manual", "schedule", "catch-up", "wal-gap"]
# How often the running record shows progress: often enough for a scrape each 15 s.
_PROGRESS_SECONDS = 5.0


@dataclass(frozen=True, kw_only=True)
class BackupRequest:
    """Who asked for the run, and for which due time; ``pinned`` is what its backups are born with."""

    trigger: Trigger = "manual"
    scheduled_for: datetime | None = None
    databases: tuple[str, ...] = ()
    pinned: Pin | None = None
    operation: str = ""


@dataclass
class Attempt:
    """The attempt that is being made."""

    workspace: Workspace
    plan_name: str
    plan: Plan
    server: Server
    storage: Path
    record: Backup
    started: float = field(default_factory=time.monotonic)
    written: int = 0
    _shown: float = field(default_factory=time.monotonic)
    _work: meter.Work | None = None

    @property
    def final(self) -> Path:
        """The backup's folder under its final name."""
        assert self.record.location is not None  # noqa: S101 - set when the attempt begins
        return self.storage / self.record.location

    @property
    def folder(self) -> Path:
        """The folder while it is being written."""
        return self.final.with_name(self.final.name + layout.PARTIAL_SUFFIX)

    def note(self, **changes: object) -> None:
        """Change the record in memory; it is written with the next progress or at the end."""
        self.record = self.record.evolve(**changes)

    def warn(self, text: str) -> None:
        """Keep a warning on the record, and log it."""
        log.logger().warning(text, plan=self.plan_name, backup=self.record.id)
        self.note(warnings=(*self.record.warnings, text))

    @contextlib.contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Time a step; one log line each."""
        start, before = time.monotonic(), self.written
        with meter.measured(f"{name} {self.record.database}".strip()) as self._work:
            yield
        seconds = time.monotonic() - start
        self.note(steps=(*self.record.steps, Step(name=name, duration_seconds=round(seconds, 3))))
        log.logger().info(
            name,
            plan=self.plan_name,
            database=self.record.database or None,
            backup=self.record.id,
            duration_seconds=round(seconds, 3),
            bytes=self.written - before or None,
        )

    def progress(self, total_bytes: int) -> None:
        """Show how far it has come, at most every few seconds."""
        self.written = total_bytes
        if self._work is not None:
            self._work.reached(total_bytes, self.record.progress_expected_bytes)
        now = time.monotonic()
        if now - self._shown >= _PROGRESS_SECONDS:
            self._shown = now
            grew = total_bytes > self.record.progress_bytes
            self.note(progress_bytes=total_bytes, progress_at=utc_now() if grew else self.record.progress_at)
            # A full catalog must not end a backup that has its room elsewhere.
            with contextlib.suppress(errors.CatalogError):
                self.workspace.catalog.put_progress(self.record)

    def commit(self, files: tuple[StoredFile, ...]) -> Backup:
        """Make the bytes durable under their final name, then say so. Raises AttemptFailed."""
        self.note(**file_list.on_record(self.record, files))
        self.note(progress_bytes=self.record.size_bytes)
        with self.step("commit"), system_files.storage_errors(self.storage):
            readme.write(self.folder, self.record, files)
            system_files.secure_tree(self.folder)
            self.folder.rename(self.final)
            atomic.sync_folder(self.final.parent)
        # A signal between the two would leave a good backup on record as running until the next start.
        with signals.deferred():
            self._close(Status.SUCCEEDED)
            with system_files.storage_errors(self.storage):
                atomic.write(self.final / layout.RECORD_NAME, codec.encode(self.record))
            self.workspace.catalog.put(self.record)
        return self.record

    def fail(self, error: errors.Ending) -> Backup:
        """Remove what was written and record why; a backup whose commit mark is there stays as it is."""
        if self.is_committed:
            raise error
        # First the bytes: on a full disk they are the room that the record needs.
        self.sweep()
        interrupted = isinstance(error, errors.Interrupted)
        reason = failures.first_reason(error)
        self.note(reason=reason, message=str(error), files=(), file_list=None, location=None)
        self._close(Status.INTERRUPTED if interrupted else Status.FAILED)
        self.workspace.catalog.put(self.record)
        return self.record

    def retarget(self, database: str) -> None:
        """Move a fresh attempt to another database: it was begun before the databases were known."""
        record = self.record
        location = layout.backup_folder(
            backup_type=record.backup_type, server=record.server, database=database, backup_id=record.id
        )
        self.note(database=database, location=str(location))
        self.workspace.catalog.put(self.record)

    @property
    def is_committed(self) -> bool:
        """Whether the commit mark stands beside the bytes."""
        return (self.final / layout.RECORD_NAME).exists()

    def sweep(self) -> None:
        """Remove what an unfinished attempt wrote, except when its commit mark is there."""
        if not self.is_committed:
            system_files.remove_tree(self.final)
        system_files.remove_tree(self.folder)

    def _close(self, status: Status) -> None:
        self.note(
            status=status,
            finished_at=utc_now(),
            duration_seconds=round(time.monotonic() - self.started, 3),
            progress_at=None,
        )


def begin(workspace: Workspace, plan_name: str, database: str, request: BackupRequest) -> Attempt:
    """Write the running record. Raises CatalogError, Interrupted, after which none runs on record."""
    plan = workspace.plan(plan_name)
    storage_name, storage = workspace.storage_of(plan)
    now = utc_now()
    backup_id = new_id(now)
    location = layout.backup_folder(
        backup_type=plan.backup_type, server=plan.server, database=database, backup_id=backup_id
    )
    record = Backup(
        id=backup_id,
        plan=plan_name,
        server=plan.server,
        database=database,
        backup_type=plan.backup_type,
        status=Status.RUNNING,
        trigger=request.trigger,
        scheduled_for=request.scheduled_for,
        started_at=now,
        operation=request.operation,
        pinned=request.pinned,
        **origin.here(),
        storage=storage_name,
        location=str(location),
        format=plan.effective_format(),
    )
    made = Attempt(
        workspace=workspace,
        plan_name=plan_name,
        plan=plan,
        server=workspace.server(plan.server),
        storage=storage,
        record=record,
    )
    try:
        workspace.catalog.put(record)
    except errors.Interrupted as error:
        made.fail(error)  # it may stand there already, though nobody has waited for the disk
        raise
    return made
