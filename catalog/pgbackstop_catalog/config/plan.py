"""A plan: what to back up from a server, how, when, where to, how long to keep, when to prove it."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator

from pgbackstop_catalog.config.keep import DAY, Keep
from pgbackstop_catalog.config.schedule import Schedule
from pgbackstop_catalog.config.types import CronExpression, Duration, Size, TablePatternText, TimeZone
from pgbackstop_catalog.model import Model, utc_now
from pgbackstop_catalog.records.attempt import BackupType, Name

DAILY_LOGICAL_MAX_AGE = 25 * 3600.0


class Compression(Model):
    """How a backup is compressed."""

    method: Literal["zstd", "gzip", "none"] = Field(
        default="zstd", description="zstd is smaller and faster; gzip can be read everywhere"
    )
    level: int | None = Field(default=None, ge=1, le=19, description="3 for zstd, 6 for gzip when left out")
    workers: int = Field(default=2, ge=0, le=64, description="threads for compression")


class Assertion(Model):
    """A question to a restored database that must be answered with true."""

    name: str = Field(min_length=1, description="what it asserts, in words")
    sql: str = Field(
        min_length=1, description="one query, run read-only; it must give one row with one value, true"
    )


class Incremental(Model):
    """PostgreSQL 17 and later: back up only what changed since the backup before."""

    enabled: bool = Field(default=False, description="the server needs summarize_wal = on")
    full_after: int = Field(
        default=6, ge=1, le=10_000, description="a full backup after this many incremental ones"
    )


class Drill(Model):
    """When a backup of the plan is restored for real into a throw-away server, to prove it."""

    enabled: bool = Field(default=True, description="false: drills run by hand only")
    schedule: CronExpression | None = Field(
        default=None, description="cron expression in the plan's time zone; 0 5 * * 1 when left out"
    )
    max_duration: Duration = Field(default=6 * 3600.0, gt=0, description="a drill is ended after this")
    copies_in_turn: bool = Field(
        default=False, description="true: the backup itself and its copies in further storages take turns"
    )


class DataLoss(Model):
    """When a backup says that data vanished: by its row counts, beside those of the backup before."""

    enabled: bool = Field(default=True, description="needs row_counts")
    share: float = Field(
        default=0.5,
        ge=0,
        le=0.99,
        description="a table that lost more than this share of its rows is told of",
    )
    rows: int = Field(default=1000, ge=1, le=10**12, description="tables that had fewer rows are not told of")
    ignore: tuple[str, ...] = Field(
        default=(),
        description="tables that are cleaned on purpose, as in public.session* or staging.*; quoted names "
        "as PostgreSQL quotes them",
    )


# Databases that providers of managed servers keep to themselves, and let nobody in; "all" does not mean them.
PROVIDERS_OWN = frozenset(
    {
        "rdsadmin",
        "cloudsqladmin",
        "azure_maintenance",
        "azure_sys",
        "alloydbadmin",
        "alloydbmetadata",
        "_dodb",
    }
)


class _OfServer(Model):
    server: Name = Field(description="which of the servers")


class PlanTemplate(Model):
    """A plan but for its server, as groups have it for each of theirs."""

    backup_type: BackupType = Field(
        description="logical: pg_dump, one database at a time; physical: pg_basebackup, the whole server"
    )
    enabled: bool = Field(default=True, description="false pauses the plan; paused is not late")
    schedule: CronExpression | None = Field(
        default=None,
        description="cron expression; 0 2 * * * (logical) and 0 3 * * 0 (physical) when left out; H is "
        "chosen by the plan's name, as in H H(1-4) * * *",
    )
    timezone: TimeZone = Field(
        default="UTC", description="the time zone of the schedule, as in Europe/Berlin"
    )
    databases: Literal["all"] | tuple[str, ...] = Field(
        default="all", description="logical only: all, or a list of names"
    )
    exclude_databases: tuple[str, ...] = Field(default=(), description="logical only: not these")
    exclude_tables: tuple[TablePatternText, ...] = Field(
        default=(),
        description="logical only: tables that are left out, as in public.log_* or *.session, read as by "
        "pg_dump; what something else needs (a view, a foreign key) comes without rows; on record",
    )
    schema_only_tables: tuple[TablePatternText, ...] = Field(
        default=(), description="logical only: tables, likewise, whose rows alone are left out"
    )
    format: Literal["custom", "plain", "directory", "tar"] | None = Field(
        default=None,
        description="logical: custom (.backup), plain (.sql), directory (parallel); physical: tar",
    )
    compression: Compression = Field(default=Compression.defaults(), description="how it is compressed")
    parallel_databases: int = Field(
        default=2, ge=1, le=64, description="databases of a logical run that are dumped at a time"
    )
    jobs: int = Field(default=2, ge=1, le=64, description="parallel workers of the directory format")
    row_counts: bool = Field(default=True, description="count every table's rows in the snapshot of the dump")
    data_loss: DataLoss = Field(
        default=DataLoss.defaults(),
        description="logical: when a backup says that rows vanished since the one before",
    )
    role_passwords: bool = Field(
        default=True, description="keep password hashes in the globals where the role may read them"
    )
    assertions: tuple[Assertion, ...] = Field(
        default=(), description="logical: what must be true in the database when it was restored"
    )
    incremental: Incremental = Field(
        default=Incremental.defaults(),
        description="physical: only what changed, on PostgreSQL 17 and later",
    )
    verify: bool = Field(
        default=True, description="read every byte back when the backup is safe, as 'pgbackstop verify' does"
    )
    max_rate: Size | None = Field(
        default=None, description="physical: bytes a second that the server may send"
    )
    storage: Name | None = Field(default=None, description="a folder storage; the first one when left out")
    copies: tuple[Name, ...] = Field(default=(), description="further storages that get a copy")
    keep: Keep | None = Field(
        default=None,
        description="how long backups are kept; last: 7 (logical), last: 4 (physical) when left out",
    )
    max_age: Duration | None = Field(
        default=None,
        description="older is too old; daily logical plans 25h, others interval + max_duration + grace",
    )
    max_duration: Duration = Field(default=6 * 3600.0, description="a run is ended after this")
    grace: Duration = Field(
        default=3600.0, description="how late a due run may still start; after that it is missed"
    )
    stall_timeout: Duration = Field(
        default=900.0, description="a run is ended when no byte arrives for this long"
    )
    first_byte_timeout: Duration = Field(
        default=1800.0, description="the same until the first byte has arrived"
    )
    lock_timeout: Duration = Field(
        default=60.0, description="logical: how long to wait for a lock on a table"
    )
    rpo_target: Duration | None = Field(
        default=None, description="how much may be lost; 24h (logical), 7d (physical) when left out"
    )
    rto_target: Duration = Field(default=2 * 3600.0, description="how long a restore may take")
    drill: Drill = Field(default=Drill.defaults(), description="when a backup of it is restored for real")
    proof_max_age: Duration | None = Field(
        default=None,
        description="an older proof is too old; the interval of the drills and a day (8d) when left out",
    )
    recovery_window: Duration | None = Field(
        default=None,
        description="physical: how far back the server must be recoverable, 0 for no promise; what keep "
        "holds for certain when left out",
    )

    ping_url_file: Path | None = Field(
        default=None,
        description="a file, mode 0600, with an address that is called when a run starts (/start is added), "
        "has ended well, or has failed (/fail), as Healthchecks has it",
    )

    @model_validator(mode="after")
    def _fits_its_type(self) -> Self:
        allowed = {"logical": ("custom", "plain", "directory"), "physical": ("tar",)}[self.backup_type]
        if self.format is not None and self.format not in allowed:
            msg = f"format {self.format!r} does not fit a {self.backup_type} plan: use {' or '.join(allowed)}"
            raise ValueError(msg)
        if self.backup_type == "physical" and (self.databases != "all" or self.exclude_databases):
            msg = "a physical plan backs up the whole server: leave out databases and exclude_databases"
            raise ValueError(msg)
        if self.backup_type == "physical" and (self.exclude_tables or self.schema_only_tables):
            msg = "a physical plan backs up the whole server: leave out exclude_tables and schema_only_tables"
            raise ValueError(msg)
        if self.backup_type == "logical" and self.incremental.enabled:
            msg = "incremental backups are physical: leave out incremental"
            raise ValueError(msg)
        if self.backup_type == "logical" and self.recovery_window is not None:
            msg = "a logical backup recovers to its own moment only: leave out recovery_window"
            raise ValueError(msg)
        return self

    @property
    def is_logical(self) -> bool:
        return self.backup_type == "logical"

    @property
    def compares_rows(self) -> bool:
        """Whether its backups can say that data vanished."""
        return self.is_logical and self.row_counts and self.data_loss.enabled

    def effective_schedule(self) -> Schedule:
        """The plan's schedule, or the specification's for its type."""
        default = "0 2 * * *" if self.is_logical else "0 3 * * 0"
        return Schedule(expression=self.schedule or default, timezone=self.timezone)

    def drill_schedule(self) -> Schedule:
        """When a drill is due: Monday at 05:00 when left out."""
        return Schedule(expression=self.drill.schedule or "0 5 * * 1", timezone=self.timezone)

    def effective_format(self) -> str:
        """The plan's format, or its type's default."""
        return self.format or ("custom" if self.is_logical else "tar")

    def effective_keep(self) -> Keep:
        """The plan's retention, or its type's default."""
        return self.keep or Keep(last=7 if self.is_logical else 4)

    def effective_max_age(self) -> float:
        """Seconds after which the newest success is too old."""
        if self.max_age is not None:
            return self.max_age
        schedule = self.effective_schedule()
        if self.is_logical and schedule.is_daily():
            return DAILY_LOGICAL_MAX_AGE
        return schedule.interval(utc_now()).total_seconds() + self.max_duration + self.grace

    def effective_proof_max_age(self) -> float | None:
        """Seconds after which the newest drill is too old; None where the plan has no drills of its own."""
        if not self.drill.enabled:
            return None
        if self.proof_max_age is not None:
            return self.proof_max_age
        return self.drill_schedule().interval(utc_now()).total_seconds() + DAY

    def effective_recovery_window(self) -> float:
        """Seconds that the server must be recoverable back; 0 promises nothing.

        What retention holds for certain: a run that starts late or takes long may replace one that did not.
        """
        if self.is_logical:
            return 0.0
        if self.recovery_window is not None:
            return self.recovery_window
        held = self.effective_keep().reach(self.effective_schedule().interval(utc_now()).total_seconds())
        return max(0.0, held - self.max_duration - self.grace)

    def effective_rpo_target(self) -> float:
        """Seconds of data that may be lost by the plan's own target."""
        if self.rpo_target is not None:
            return self.rpo_target
        return timedelta(days=1 if self.is_logical else 7).total_seconds()


class Plan(PlanTemplate, _OfServer):
    """A plan: what to back up from a server, how, when, where to, how long to keep, how old is too old."""
