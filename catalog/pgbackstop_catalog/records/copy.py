"""The record of a backup's bytes in one further storage."""

from __future__ import annotations

from datetime import datetime
from typing import Literal, Self

from pydantic import Field

from pgbackstop_catalog.model import Count, Model, Seconds, UtcTime
from pgbackstop_catalog.records.attempt import RECORD_VERSION, BackupType, Name, Status
from pgbackstop_catalog.records.backup import Backup
from pgbackstop_catalog.records.ids import BackupId


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
    has_stored_digests: bool = Field(
        default=False, description="whether it is encrypted, and the record beside it has digests of that"
    )
    attempts: Count = 1
    failures: Count = 0
    message: str = ""
    verified_at: UtcTime | None = Field(default=None, description="when every byte of it was last read back")
    damaged_at: UtcTime | None = Field(
        default=None, description="when it was found damaged; null once it was made anew"
    )
    expired_at: UtcTime | None = None

    @property
    def is_available(self) -> bool:
        """Return whether its bytes are complete and still kept."""
        return self.status is Status.SUCCEEDED and self.expired_at is None

    @property
    def is_damaged(self) -> bool:
        """Return whether it was complete, reading it back condemned it, and nothing mended it."""
        return self.damaged_at is not None and self.expired_at is None

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
