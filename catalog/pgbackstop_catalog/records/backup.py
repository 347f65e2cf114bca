"""Records: what happened, in values that outlive the program that wrote them.

One record is one attempt, good or bad. Times are UTC, sizes bytes, durations seconds by the
monotonic clock. A record says everything that a restorer must know without pgbackstop.
"""

from __future__ import annotations

import itertools
import os
import secrets
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Annotated, Final, Literal, Self

from pydantic import AfterValidator, Field, StringConstraints

from pgbackstop_catalog.model import Count, Model, Seconds, SegmentBytes, Timeline, UtcTime
from pgbackstop_catalog.records.pin import Pin
from pgbackstop_catalog.records.vanished import Acknowledgement, VanishedTable
from pgbackstop_catalog.text import NAME_PATTERN

RECORD_VERSION: Final = 1

BackupId = Annotated[str, StringConstraints(pattern=r"^\d{8}T\d{6}Z-[0-9a-f]{6}(?:[0-9a-f]{2})?$")]
# Within a process no id is given twice, not even for one moment, and processes begin where chance puts them.
_numbers: Final = [itertools.count(secrets.randbits(16))]
os.register_at_fork(after_in_child=lambda: _numbers.__setitem__(0, itertools.count(secrets.randbits(16))))
Name = Annotated[str, StringConstraints(pattern=NAME_PATTERN)]
BackupType = Literal["logical", "physical"]
DrillKind = Literal["logical", "physical", "pitr"]
# PostgreSQL writes LSNs as two hexadecimal halves: https://www.postgresql.org/docs/current/datatype-pg-lsn.html
Lsn = Annotated[str, StringConstraints(pattern=r"^[0-9A-F]{1,8}/[0-9A-F]{1,8}$")]


def _inside(path: str) -> str:
    # Not by PurePosixPath: a backup of 20,000 tables has a path for each, looked at whenever it is read.
    if not path or path.startswith("/") or ".." in path.split("/") or "\0" in path:
        msg = "must be a path inside the folder"
        raise ValueError(msg)
    return path


RelativePath = Annotated[str, AfterValidator(_inside)]


class Status(StrEnum):
    """How an attempt stands."""

    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    INTERRUPTED = "interrupted"
    MISSED = "missed"


class Reason(StrEnum):
    """Why an attempt failed: the short, fixed list that metrics use as a label."""

    UNREACHABLE = "unreachable"
    RIGHTS = "rights"
    CLIENT = "client"
    SPACE = "space"
    STORAGE = "storage"
    TIMEOUT = "timeout"
    STALLED = "stalled"
    TOOL = "tool"
    INCOMPLETE = "incomplete"
    CORRUPT = "corrupt"
    INTERRUPTED = "interrupted"
    CONFIGURATION = "configuration"
    INTERNAL = "internal"


class StoredFile(Model):
    """One file of a backup; ``path`` is relative to the backup's folder."""

    path: RelativePath
    size_bytes: Count
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")


class Tablespace(Model):
    """A tablespace of the server; ``location`` is where the server keeps it."""

    oid: Count
    name: str
    location: str
    size_bytes: Count = 0


class ServerFacts(Model):
    """The server as it was when it was backed up."""

    version: str
    version_number: Count
    system_identifier: str = ""
    timeline: Timeline | None = None
    wal_segment_bytes: SegmentBytes | None = None
    data_checksums: bool | None = None
    libc: str = ""
    tablespaces: tuple[Tablespace, ...] = ()
    clock_offset_seconds: Seconds | None = Field(
        default=None, description="how far its clock was ahead of this host's; negative: behind"
    )
    preload_libraries: tuple[str, ...] = ()

    @property
    def major(self) -> int:
        """The major version of PostgreSQL: 17 of 170005."""
        return self.version_number // 10000


class Extension(Model):
    """An installed extension of the database."""

    name: str
    version: str


class DatabaseFacts(Model):
    """The database as it was when it was dumped: all that CREATE DATABASE needs."""

    encoding: str
    collate: str
    ctype: str
    locale_provider: str = "libc"
    locale: str = ""
    collation_version: str = ""
    owner: str = ""
    extensions: tuple[Extension, ...] = ()


class CopyEncryption(Model):
    """How the files of a copy are encrypted; in the record beside them, and only there."""

    format: Literal["age"] = "age"
    recipients: tuple[str, ...] = Field(
        description="whose identities open it: public keys of age, SHA-256 fingerprints of SSH keys"
    )
    stored_bytes: dict[RelativePath, Count] = Field(
        description="how large each file is when it is encrypted; size_bytes and sha256 are of its content"
    )


class Step(Model):
    """One step of the flow and how long it took."""

    name: str
    duration_seconds: Seconds
    detail: str = ""


class CheckResult(Model):
    """One thing that was checked in what was restored."""

    name: str
    ok: bool
    detail: str = ""


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
    files: tuple[StoredFile, ...] = ()
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

    def sizes_of_copy(self) -> dict[str, int]:
        """How large each file is beside this record: larger than it was where it is encrypted there."""
        stored = self.encryption.stored_bytes if self.encryption else {}
        return {file.path: stored.get(file.path, file.size_bytes) for file in self.files}

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

    @property
    def major(self) -> int:
        """The major version of the server; 0 where the record does not say it."""
        return self.server_facts.major if self.server_facts else 0

    @property
    def system_identifier(self) -> str:
        """The system identifier of the server; "" where the record does not say it."""
        return self.server_facts.system_identifier if self.server_facts else ""


class Copy(Model):
    """A backup's bytes in one further storage."""

    record_version: Literal[1] = RECORD_VERSION
    kind: Literal["copy"] = "copy"
    backup: BackupId
    plan: Name
    server: Name
    database: str = ""
    backup_type: BackupType
    storage: Name
    status: Status
    started_at: UtcTime
    finished_at: UtcTime | None = None
    duration_seconds: Seconds | None = None
    size_bytes: Count | None = None
    attempts: Count = 1
    failures: Count = 0
    message: str = ""
    expired_at: UtcTime | None = None

    @classmethod
    def of(cls, backup: Backup, storage: str, *, started_at: datetime) -> Self:
        """A running one of that backup."""
        return cls(
            backup=backup.id,
            plan=backup.plan,
            server=backup.server,
            database=backup.database,
            backup_type=backup.backup_type,
            storage=storage,
            status=Status.RUNNING,
            started_at=started_at,
        )


class MissingEntry(Model):
    """An entry of a dump that could not be restored: what pg_restore calls it, why, and its statement."""

    entry: str
    error: str
    statement: str = ""


class Proof(Model):
    """A check that a backup restores: read back in full (verify) or restored for real (drill).

    A drill's ``duration_seconds`` is the measured recovery time: from its start to a server that answers
    and was checked.
    """

    record_version: Literal[1] = RECORD_VERSION
    kind: Literal["proof"] = "proof"
    id: BackupId
    proof: Literal["verify", "drill"]
    drill: DrillKind | Literal[""] = ""
    backup: BackupId
    plan: Name
    server: Name
    database: str = ""
    backup_type: BackupType
    status: Status
    started_at: UtcTime
    finished_at: UtcTime | None = None
    duration_seconds: Seconds | None = None
    read_bytes: Count | None = Field(default=None, description="stored bytes that a verify read")
    tool: str = ""
    jail: Literal["bubblewrap", "landlock", "none", ""] = Field(
        default="", description="what kept in a drill's server and tools"
    )
    reason: Reason | None = None
    message: str = ""
    target_time: UtcTime | None = Field(default=None, description="the moment that a drill recovered to")
    proven_until: UtcTime | None = None
    rpo_seconds: Seconds | None = Field(
        default=None,
        description="measured: how far before its moment the newest heartbeat was; what was lost at most",
    )
    checks: tuple[CheckResult, ...] = ()
    missing_entries: tuple[MissingEntry, ...] = Field(
        default=(), description="of the dump, without which it was restored"
    )
    steps: tuple[Step, ...] = ()
    trigger: Literal["manual", "schedule", "catch-up"] = "manual"
    scheduled_for: UtcTime | None = None
    host: str = ""
    pid: Count | None = None

    @classmethod
    def of(cls, backup: Backup, proof: Literal["verify", "drill"], *, started_at: datetime) -> Self:
        """A running one of that backup."""
        return cls(
            id=new_id(started_at),
            proof=proof,
            backup=backup.id,
            plan=backup.plan,
            server=backup.server,
            database=backup.database,
            backup_type=backup.backup_type,
            status=Status.RUNNING,
            started_at=started_at,
        )


Record = Annotated[Backup | Copy | Proof, Field(discriminator="kind")]


class Totals(Model):
    """Counts of the removed records of one plan and database, so that counters never fall.

    ``folding`` names records that are being removed: they are counted here and no longer as records,
    whether or not their files are gone yet.
    """

    record_version: Literal[1] = RECORD_VERSION
    kind: Literal["tally"] = "tally"
    plan: Name
    runs: dict[str, Count] = Field(default_factory=dict, description="by database")
    failures: dict[str, dict[str, Count]] = Field(
        default_factory=dict, description="by database, then reason"
    )
    missed: dict[str, Count] = Field(default_factory=dict, description="by database")
    copy_failures: dict[str, dict[str, Count]] = Field(
        default_factory=dict, description="failed tries to copy, by database, then storage"
    )
    folding: tuple[BackupId, ...] = ()


def begun_at(backup_id: str) -> datetime:
    """When a backup of that id began, to 16 microseconds. Raises ValueError for what is no id."""
    second = datetime.strptime(backup_id[:16], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    return second.replace(microsecond=min(int(backup_id[17:21] or "0", 16) << 4, 999_999))


def new_id(moment: datetime) -> str:
    """An id that sorts by time, within a second as well: ``20261122T020000Z-5f3a9c04``.

    Four digits count 16 microseconds, up to the second's end; four tell ids of one moment apart.
    """
    utc = moment.astimezone(UTC)
    return f"{utc:%Y%m%dT%H%M%SZ}-{utc.microsecond >> 4:04x}{next(_numbers[0]) & 0xFFFF:04x}"
