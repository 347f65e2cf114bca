"""Records: what happened, in values that outlive the program that wrote them.

One record is one attempt, good or bad. Times are UTC, sizes bytes, durations seconds by the
monotonic clock. A record says everything that a restorer must know without pgbackstop.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints

from pgbackstop_catalog.model import Count, Model, Seconds, Timeline, UtcTime
from pgbackstop_catalog.records.attempt import (
    RECORD_VERSION,
    BackupType,
    Name,
    Reason,
    RelativePath,
    Status,
    Step,
)
from pgbackstop_catalog.records.ids import BackupId
from pgbackstop_catalog.records.pin import Pin
from pgbackstop_catalog.records.source import DatabaseFacts, Lsn, ServerFacts
from pgbackstop_catalog.records.vanished import Acknowledgement, VanishedTable

Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


class StoredFile(Model):
    """One file of a backup; ``path`` is relative to the backup's folder."""

    path: RelativePath
    size_bytes: Count
    sha256: Sha256


class FileList(Model):
    """The list of a backup's files, in SHA256SUMS beside them; ``size_bytes`` of the backup is of all."""

    count: Count
    sha256: Sha256 = Field(description="of SHA256SUMS")


class CopyEncryption(Model):
    """How the files of a copy are encrypted; in the record beside them, and only there."""

    format: Literal["age"] = "age"
    recipients: tuple[str, ...] = Field(
        description="whose identities open it: public keys of age, SHA-256 fingerprints of SSH keys"
    )
    stored_bytes: dict[RelativePath, Count] = Field(
        description="how large each file is when it is encrypted; size_bytes and sha256 are of its content"
    )
    stored_sha256: dict[RelativePath, Sha256] = Field(
        default_factory=dict,
        description="of each file as it is encrypted: who has no identity can tell by it if it is whole; "
        "not there in copies of older versions",
    )


class Backup(Model):
    """One attempt of a plan for one database, or for a whole server (``database`` is ``""``)."""

    record_version: Literal[1] = RECORD_VERSION
    kind: Literal["backup"] = "backup"
    id: BackupId
    plan: Name
    server: Name
    database: str = ""
    backup_type: BackupType
    status: Status
    trigger: Literal["manual", "schedule", "catch-up", "wal-gap"] = "manual"
    scheduled_for: UtcTime | None = None
    started_at: UtcTime
    finished_at: UtcTime | None = None
    duration_seconds: Seconds | None = None
    reason: Reason | None = None
    message: str = ""
    missed_runs: Count = Field(default=0, description="how many due runs a missed record stands for")
    host: str = ""
    pid: Count | None = None
    run_databases: Count | None = Field(
        default=None, description="of how many databases its run was to make backups, where that was known"
    )
    operation: str = Field(default="", description="of the console or its API, that made it")

    storage: Name | None = None
    location: RelativePath | None = Field(
        default=None, description="the backup's folder, relative to the storage"
    )
    format: str = ""
    compression: str = ""
    method: Literal["full", "incremental"] = "full"
    parent: BackupId | None = None
    fallback: str = Field(default="", description="why the run did something else than its plan asks")
    files: tuple[StoredFile, ...] = Field(default=(), description="empty where file_list is set")
    file_list: FileList | None = Field(
        default=None, description="of a dump with many files: their list, which stands beside them"
    )
    size_bytes: Count | None = None
    source_size_bytes: Count | None = None
    progress_bytes: Count = 0
    progress_expected_bytes: Count | None = None
    progress_at: UtcTime | None = Field(default=None, description="when progress_bytes last grew")
    verified_at: UtcTime | None = None
    verification: str = Field(default="", description="what was read back, and by which tool")

    server_facts: ServerFacts | None = None
    database_facts: DatabaseFacts | None = None
    start_lsn: Lsn | None = None
    stop_lsn: Lsn | None = None
    timeline: Timeline | None = None
    consistent_at: UtcTime | None = Field(
        default=None, description="physical: when it was complete, by the server's clock"
    )
    row_counts: dict[str, Count] | None = Field(
        default=None,
        description='exact rows by "schema"."table", taken in the snapshot of the dump',
    )
    uncounted: tuple[str, ...] = Field(
        default=(), description="tables of the dump whose rows could not be counted; a warning says why"
    )
    undumped: dict[str, Count | None] = Field(
        default_factory=dict,
        description="rows of tables that an extension owns and that no dump has; null: not counted",
    )
    excluded_tables: tuple[str, ...] = Field(
        default=(), description="tables, views and sequences that the plan left out of the dump"
    )
    schema_only_tables: tuple[str, ...] = Field(
        default=(), description="tables whose rows the plan left out of the dump"
    )
    source_not_valid: tuple[tuple[str, str], ...] = Field(
        default=(), description="constraints that were not valid when they were dumped: table or domain, name"
    )
    source_invalid_indexes: tuple[str, ...] = Field(
        default=(), description="indexes that were not valid when they were dumped; pg_dump leaves such out"
    )
    vanished: tuple[VanishedTable, ...] = Field(
        default=(), description="tables whose rows vanished since the backup before"
    )
    acknowledged: Acknowledgement | None = Field(default=None, description="who took note of what vanished")
    tools: dict[str, str] = Field(default_factory=dict)
    restore_by_hand: tuple[str, ...] = ()
    steps: tuple[Step, ...] = ()
    warnings: tuple[str, ...] = ()
    encryption: CopyEncryption | None = None
    pinned: Pin | None = Field(default=None, description="who keeps it, whatever retention says")
    expired_at: UtcTime | None = None

    @property
    def is_available(self) -> bool:
        """Return whether its bytes are complete and still kept."""
        return self.status is Status.SUCCEEDED and self.expired_at is None

    def is_pinned(self, now: datetime) -> bool:
        """Return whether a pin holds it."""
        return self.pinned is not None and self.pinned.holds(now)

    @property
    def file_count(self) -> int:
        """How many files it has, or had."""
        return self.file_list.count if self.file_list else len(self.files)

    def sizes_of_copy(self, files: Iterable[StoredFile]) -> dict[str, int]:
        """How large each of its files is beside this record: larger than it was where it is encrypted."""
        stored = self.encryption.stored_bytes if self.encryption else {}
        return {file.path: stored.get(file.path, file.size_bytes) for file in files}

    @property
    def is_failure(self) -> bool:
        """Return whether it started and did not succeed. A missed run did not start."""
        return self.status in {Status.FAILED, Status.INTERRUPTED}

    @property
    def left_out(self) -> frozenset[str]:
        """Return the tables of which the plan left out the rows, or all."""
        return frozenset((*self.excluded_tables, *self.schema_only_tables))

    @property
    def recoverable_from(self) -> datetime:
        """Return the first moment that a recovery from it reaches, by the server's clock, as commits are."""
        return self.consistent_at or self.on_server_clock(self.finished_at or self.started_at)

    def on_server_clock(self, moment: datetime) -> datetime:
        """Return what the server's clock said at a moment of this host's."""
        offset = self.server_facts.clock_offset_seconds if self.server_facts else None
        return moment + timedelta(seconds=offset or 0.0)

    @property
    def is_damaged(self) -> bool:
        """Return whether it was complete and stored, and reading it back condemned it."""
        condemned = self.status is Status.FAILED and self.reason is Reason.CORRUPT
        return condemned and self.verification == "failed"

    def as_copied(self) -> Self:
        """The record as it is for a good copy, which may outlive an original that is damaged or expired."""
        if self.is_available or not (self.is_damaged or self.status is Status.SUCCEEDED):
            return self
        return self.evolve(status=Status.SUCCEEDED, reason=None, message="", expired_at=None)

    @property
    def major(self) -> int:
        """The major version of the server; 0 where the record does not say it."""
        return self.server_facts.major if self.server_facts else 0

    @property
    def system_identifier(self) -> str:
        """The system identifier of the server; "" where the record does not say it."""
        return self.server_facts.system_identifier if self.server_facts else ""
