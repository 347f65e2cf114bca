"""The record of a check that a backup restores, and what was found."""

from __future__ import annotations

from datetime import datetime
from typing import Literal, Self

from pydantic import Field

from pgbackstop_catalog.model import Count, Model, Seconds, UtcTime
from pgbackstop_catalog.records.attempt import RECORD_VERSION, BackupType, Name, Reason, Status, Step
from pgbackstop_catalog.records.backup import Backup
from pgbackstop_catalog.records.ids import BackupId, new_id

DrillKind = Literal["logical", "physical", "pitr"]


class CheckResult(Model):
    """One thing that was checked in what was restored."""

    name: str
    ok: bool
    detail: str = ""


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
    copy_in: Name | None = Field(
        default=None, description="the storage whose copy was proven; null: the backup itself"
    )
    source_reason: str = Field(
        default="", description="why its bytes were read there, and what was wrong with nearer ones"
    )
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
