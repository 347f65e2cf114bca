"""The configuration's model: servers, plans, storages, notifications. One file serves both programs.

Every key has its meaning here; ``pgbackstop config schema`` prints this model as JSON Schema. Unknown
keys are errors. Secrets never stand in the file: they are read from ``*_file`` or the environment.

Longer than other modules, because it reads like the file: one place for all of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from pydantic import (
    BeforeValidator,
    Field,
    PlainSerializer,
    WithJsonSchema,
    field_validator,
    model_validator,
)

from pgbackstop_catalog import units
from pgbackstop_catalog.channels import Email, QuietHours, Slack, Telegram
from pgbackstop_catalog.records import NAME_PATTERN, BackupType, Name
from pgbackstop_catalog.schedule import Schedule
from pgbackstop_catalog.values import Value, utc_now


def _seconds(value: Any) -> Any:
    return units.parse_duration(value) if isinstance(value, str) else value


def _bytes(value: Any) -> Any:
    return units.parse_size(value) if isinstance(value, str) else value


Duration = Annotated[
    float,
    BeforeValidator(_seconds),
    Field(ge=0),
    PlainSerializer(units.format_exact_duration, when_used="json"),
    WithJsonSchema({"type": ["string", "number"], "description": "seconds, or like 30s, 15m, 25h, 7d"}),
]
Size = Annotated[
    int,
    BeforeValidator(_bytes),
    Field(ge=0),
    WithJsonSchema({"type": ["string", "integer"], "description": "bytes, or like 500MB, 2GiB"}),
]

DAILY_LOGICAL_MAX_AGE = 25 * 3600.0
DAY = 86400.0


class Wal(Value):
    """How the server's WAL is archived."""

    enabled: bool = Field(
        default=True, description="archive WAL continuously; point-in-time recovery needs it"
    )
    method: Literal["stream", "archive_command"] = Field(
        default="stream",
        description="stream: pg_receivewal with a physical slot, nothing to change on the server; "
        "archive_command: the server calls the shipped shell script",
    )
    slot: str = Field(
        default="pgbackstop",
        pattern=r"^[a-z0-9_]{1,63}$",
        description="the physical replication slot",
    )
    compression: Literal["lz4", "zstd", "none"] = Field(
        default="lz4",
        description="lz4 keeps up with a busy server; zstd is smaller and takes more CPU",
    )
    storage: Name | None = Field(default=None, description="a folder storage; the first one when left out")
    retain_slot_bytes: Size = Field(
        default=10 * 10**9,
        description="how much WAL the slot may hold back on the server before it is alerted",
    )


class Heartbeat(Value):
    """A row that the daemon writes again and again, so that drills can measure what would be lost."""

    enabled: bool = Field(
        default=False, description="opt-in: the schema pgbackstop of heartbeat.sql must be there"
    )
    interval: Duration = Field(default=10.0, ge=1, le=3600, description="how often a row is written")
    database: str | None = Field(default=None, description="where; the maintenance database when left out")


class RestoreRole(Value):
    """Who restores: a superuser, or a role that may create databases and act for their owners."""

    user: str = Field(description="the role")
    password_file: Path | None = Field(
        default=None, description="a file, mode 0600, whose first line is the password"
    )
    password_env: str | None = Field(
        default=None, description="the environment variable that holds the password"
    )


class Hook(Value):
    """How an application is stopped, started or checked: a command or an address."""

    command: tuple[str, ...] | None = Field(
        default=None,
        min_length=1,
        description="a program and its arguments; no shell reads them; exit status 0 is good",
    )
    url: str | None = Field(
        default=None,
        pattern=r"^https?://[^\s@]+$",
        description="an address; check is GET, stop and start are POST; a status of 2xx is good",
    )
    token_file: Path | None = Field(
        default=None, description="with url: a file, mode 0600, with the token that is sent as Bearer"
    )
    timeout: Duration = Field(
        default=30.0, gt=0, description="how long it may take; a check is repeated until then"
    )

    @model_validator(mode="after")
    def _one_way(self) -> Hook:
        if (self.command is None) == (self.url is None):
            msg = "give command or url, one of them"
            raise ValueError(msg)
        if self.token_file is not None and self.url is None:
            msg = "token_file is for a url; a command reads its secrets itself"
            raise ValueError(msg)
        return self


class Application(Value):
    """The application that uses the server's databases, as far as a restore must know it."""

    stop: Hook | None = Field(default=None, description="run before connections are ended")
    start: Hook | None = Field(default=None, description="run when the restored database has its name")
    check: Hook | None = Field(default=None, description="run last: whether the application answers")


class Server(Value):
    """A PostgreSQL server that is protected."""

    host: str = Field(default="127.0.0.1", description="host name, address, or folder of the unix socket")
    port: int = Field(default=5432, ge=1, le=65535, description="the port; part of the socket's name too")
    user: str = Field(
        default="pgbackstop", description="the role; docs/reference has the script that creates it"
    )
    maintenance_database: str = Field(
        default="postgres", description="where to connect when no database is meant"
    )
    password_file: Path | None = Field(
        default=None, description="a file, mode 0600, whose first line is the password"
    )
    password_env: str | None = Field(
        default=None, description="the environment variable that holds the password"
    )
    sslmode: Literal["disable", "allow", "prefer", "require", "verify-ca", "verify-full"] = Field(
        default="prefer", description="as libpq's; verify-full is the only one that nobody can listen to"
    )
    sslrootcert: Path | None = Field(
        default=None, description="the authority that signed the server's certificate"
    )
    sslcert: Path | None = Field(default=None, description="our certificate, where the server wants one")
    sslkey: Path | None = Field(default=None, description="its key, mode 0600")
    bin_dir: Path | None = Field(
        default=None,
        description="folder of pg_dump and the other client tools; found by major version when left out",
    )
    connect_timeout: Duration = Field(default=10.0, description="how long to wait for the server to answer")
    wal: Wal = Field(default=Wal(), description="how its WAL is archived")
    heartbeat: Heartbeat = Field(
        default=Heartbeat(), description="rows that let drills measure what would be lost"
    )
    restore_role: RestoreRole | None = Field(
        default=None, description="who restores; the role of the backups when left out"
    )
    application: Application = Field(
        default=Application(), description="what is stopped before a restore and started after it"
    )

    @model_validator(mode="after")
    def _one_password(self) -> Server:
        if self.password_file and self.password_env:
            msg = "give password_file or password_env, not both"
            raise ValueError(msg)
        return self

    def for_restores(self) -> Server:
        """The same server, entered as the role that restores."""
        role = self.restore_role
        if role is None:
            return self
        return self.but(user=role.user, password_file=role.password_file, password_env=role.password_env)


class Compression(Value):
    """How a backup is compressed."""

    method: Literal["zstd", "gzip", "none"] = Field(
        default="zstd", description="zstd is smaller and faster; gzip can be read everywhere"
    )
    level: int | None = Field(default=None, ge=1, le=19, description="3 for zstd, 6 for gzip when left out")
    workers: int = Field(default=2, ge=0, le=64, description="threads for compression")


class Assertion(Value):
    """A question to a restored database that must be answered with true."""

    name: str = Field(min_length=1, description="what it asserts, in words")
    sql: str = Field(
        min_length=1, description="one query, run read-only; it must give one row with one value, true"
    )


class Keep(Value):
    """How long backups are kept. A backup stays while any rule keeps it, and never fewer than ``minimum``."""

    last: int | None = Field(default=None, ge=1, description="the newest N good backups")
    within: Duration | None = Field(default=None, description="every good backup younger than this")
    daily: int | None = Field(
        default=None, ge=1, description="the newest of each of the last N days that have one"
    )
    weekly: int | None = Field(
        default=None, ge=1, description="the newest of each of the last N weeks that have one"
    )
    monthly: int | None = Field(
        default=None, ge=1, description="the newest of each of the last N months that have one"
    )
    minimum: int = Field(
        default=2, ge=1, description="never fewer good backups than this, whatever the rules say"
    )
    records: Duration = Field(default=400 * 86400.0, description="how long records outlive their backups")

    def reach(self, interval: float) -> float:
        """Seconds that the oldest backup which is kept is old at least, with one every ``interval``."""
        pauses = (
            (max(self.last or 1, self.minimum) - 1) * interval,
            (self.within or 0.0) - interval,
            ((self.daily or 1) - 1) * max(DAY, interval),
            ((self.weekly or 1) - 1) * max(7 * DAY, interval),
            ((self.monthly or 1) - 1) * max(28 * DAY, interval),
        )
        return max(pauses)


class Incremental(Value):
    """PostgreSQL 17 and later: back up only what changed since the backup before."""

    enabled: bool = Field(default=False, description="the server needs summarize_wal = on")
    full_after: int = Field(default=6, ge=1, description="a full backup after this many incremental ones")


class Drill(Value):
    """When a backup of the plan is restored for real into a throw-away server, to prove it."""

    enabled: bool = Field(default=True, description="false: drills run by hand only")
    schedule: str | None = Field(
        default=None, description="cron expression in the plan's time zone; 0 5 * * 1 when left out"
    )
    max_duration: Duration = Field(default=6 * 3600.0, gt=0, description="a drill is ended after this")

    @field_validator("schedule")
    @classmethod
    def _cron(cls, value: str | None) -> str | None:
        return _due_some_day(value)


def _due_some_day(value: str | None) -> str | None:
    if value is not None and next(Schedule(expression=value).after(utc_now()), None) is None:
        msg = f"{value!r} is never due"
        raise ValueError(msg)
    return value


class Plan(Value):
    """What to back up from a server, how, when, where to, how long to keep, how old is too old."""

    server: Name = Field(description="which of the servers")
    backup_type: BackupType = Field(
        description="logical: pg_dump, one database at a time; physical: pg_basebackup, the whole server"
    )
    enabled: bool = Field(default=True, description="false pauses the plan; paused is not late")
    schedule: str | None = Field(
        default=None,
        description="cron expression; 0 2 * * * (logical) and 0 3 * * 0 (physical) when left out",
    )
    timezone: str = Field(default="UTC", description="the time zone of the schedule, as in Europe/Berlin")
    databases: Literal["all"] | tuple[str, ...] = Field(
        default="all", description="logical only: all, or a list of names"
    )
    exclude_databases: tuple[str, ...] = Field(default=(), description="logical only: not these")
    format: Literal["custom", "plain", "directory", "tar"] | None = Field(
        default=None,
        description="logical: custom (.backup), plain (.sql), directory (parallel); physical: tar",
    )
    compression: Compression = Field(default=Compression(), description="how it is compressed")
    jobs: int = Field(default=2, ge=1, le=64, description="parallel workers of the directory format")
    row_counts: bool = Field(default=True, description="count every table's rows in the snapshot of the dump")
    role_passwords: bool = Field(
        default=True, description="keep password hashes in the globals where the role may read them"
    )
    assertions: tuple[Assertion, ...] = Field(
        default=(), description="logical: what must be true in the database when it was restored"
    )
    incremental: Incremental = Field(
        default=Incremental(), description="physical: only what changed, on PostgreSQL 17 and later"
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
    drill: Drill = Field(default=Drill(), description="when a backup of it is restored for real")
    proof_max_age: Duration | None = Field(
        default=None,
        description="an older proof is too old; the interval of the drills and a day (8d) when left out",
    )
    recovery_window: Duration | None = Field(
        default=None,
        description="physical: how far back the server must be recoverable, 0 for no promise; what keep "
        "holds for certain when left out",
    )

    @field_validator("schedule")
    @classmethod
    def _cron(cls, value: str | None) -> str | None:
        return _due_some_day(value)

    @field_validator("timezone")
    @classmethod
    def _zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (KeyError, ValueError, OSError):
            msg = f"{value!r} is no time zone: write it like UTC or Europe/Berlin"
            raise ValueError(msg) from None
        return value

    @model_validator(mode="after")
    def _fits_its_type(self) -> Plan:
        allowed = {"logical": ("custom", "plain", "directory"), "physical": ("tar",)}[self.backup_type]
        if self.format is not None and self.format not in allowed:
            msg = f"format {self.format!r} does not fit a {self.backup_type} plan: use {' or '.join(allowed)}"
            raise ValueError(msg)
        if self.backup_type == "physical" and (self.databases != "all" or self.exclude_databases):
            msg = "a physical plan backs up the whole server: leave out databases and exclude_databases"
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


class FolderStorage(Value):
    """A folder on a disk of this host."""

    kind: Literal["folder"] = Field(default="folder", description="a folder")
    path: Path = Field(description="the folder; made with mode 0700 when it is not there")
    reserve: Size = Field(default=10**9, description="bytes that a backup must leave free")


class S3Storage(Value):
    """A bucket of S3 or of a server that speaks its protocol; only for copies."""

    kind: Literal["s3"] = Field(description="a bucket")
    bucket: str = Field(min_length=1, description="its name; it must exist")
    prefix: str = Field(default="", description="a folder in the bucket")
    endpoint: str | None = Field(default=None, description="the server's address; Amazon's when left out")
    region: str = Field(default="us-east-1", description="the bucket's region")
    access_key_id_file: Path | None = Field(
        default=None, description="a file with the key's id; else the environment's AWS_ACCESS_KEY_ID"
    )
    secret_access_key_file: Path | None = Field(
        default=None,
        description="a file, mode 0600, with the secret key; else the environment's AWS_SECRET_ACCESS_KEY",
    )
    allow_http: bool = Field(default=False, description="whether the endpoint may be without encryption")


def _folder_unless_said(storage: Any) -> Any:
    return {"kind": "folder", **storage} if isinstance(storage, dict) else storage


Storage = Annotated[
    FolderStorage | S3Storage, Field(discriminator="kind"), BeforeValidator(_folder_unless_said)
]


class Alertmanager(Value):
    """Where events are posted to."""

    url: str = Field(description="like http://127.0.0.1:9093, with its path prefix if it has one")
    timeout: Duration = Field(default=5.0, gt=0, description="how long one notification may take")

    @field_validator("url")
    @classmethod
    def _address(cls, value: str) -> str:
        parts = urlsplit(value)
        if "@" in value:
            msg = "a secret must not stand in this file: leave out user and password"
            raise ValueError(msg)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            msg = "must be an address like http://127.0.0.1:9093"
            raise ValueError(msg)
        return value


class Notifications(Value):
    """Who hears of finished and failed backups, and of everything else that goes wrong."""

    alertmanager: Alertmanager | None = Field(default=None, description="where events are posted to")
    email: Email | None = Field(default=None, description="alerts by mail")
    slack: Slack | None = Field(default=None, description="alerts in a channel of Slack")
    telegram: Telegram | None = Field(default=None, description="alerts in a chat of Telegram")
    watchdog_url_file: Path | None = Field(
        default=None,
        description="a file, mode 0600, with the address of a dead man's switch; it is called every 5 "
        "minutes while alerts can be delivered",
    )
    quiet_hours: tuple[QuietHours, ...] = Field(
        default=(), description="when warnings and news wait; critical alerts never do"
    )
    finished: bool = Field(default=True, description="tell of good backups too")
    grafana_url: str | None = Field(
        default=None, pattern=r"^https?://[^\s@]+$", description="messages link to its dashboard, when given"
    )
    group_wait: Duration = Field(
        default=5.0, description="how long the first alert of a server waits for others"
    )
    group_interval: Duration = Field(
        default=30.0, gt=0, description="how long a further alert of the same server waits"
    )
    repeat_interval: Duration = Field(
        default=4 * 3600.0, gt=0, description="how often an alert is told again while it lasts"
    )


class Daemon(Value):
    """How the daemon runs plans."""

    max_parallel: int = Field(
        default=2, ge=1, le=64, description="how many plans run at once; the others wait for their turn"
    )
    stop_timeout: Duration = Field(
        default=60.0, description="how long running backups may take to end when the daemon is stopped"
    )


class Log(Value):
    """How the programs log, to standard error."""

    format: Literal["logfmt", "json"] = Field(
        default="logfmt", description="logfmt for people and Loki, or json"
    )
    level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="the least that is said"
    )


class Config(Value):
    """The whole file."""

    servers: dict[Name, Server] = Field(min_length=1, description="what is protected, by name")
    plans: dict[Name, Plan] = Field(
        default_factory=dict,
        description="what is backed up, how and when, by name; when left out, each server gets a logical "
        "plan (daily at 02:00) and a physical one (Sunday at 03:00), both UTC",
    )
    storages: dict[Name, Storage] = Field(min_length=1, description="places for bytes, by name")
    catalog: Path | None = Field(
        default=None, description="a folder; catalog in the first folder storage when left out"
    )
    drill_folder: Path | None = Field(
        default=None,
        description="where throw-away servers live; drills in the first folder storage when left out",
    )
    notifications: Notifications = Field(
        default=Notifications(), description="who hears of finished and failed backups"
    )
    daemon: Daemon = Field(default=Daemon(), description="how plans are run when they are due")
    log: Log = Field(default=Log(), description="what is logged, and how")

    @model_validator(mode="before")
    @classmethod
    def _default_plans(cls, data: Any) -> Any:
        if isinstance(data, dict) and not data.get("plans") and isinstance(data.get("servers"), dict):
            names = [name for name in data["servers"] if re.fullmatch(NAME_PATTERN, str(name))]
            return {**data, "plans": default_plans(names)}
        return data

    @property
    def first_folder(self) -> str:
        """The storage that is meant where none is named. Raises KeyError where there is none."""
        for name, storage in self.storages.items():
            if isinstance(storage, FolderStorage):
                return name
        raise KeyError

    def folder(self, name: str | None) -> FolderStorage:
        """The folder storage of that name, the first one for None. Raises KeyError, TypeError."""
        storage = self.storages[name or self.first_folder]
        if not isinstance(storage, FolderStorage):
            raise TypeError
        return storage

    def catalog_folder(self) -> Path:
        """Where the catalog is."""
        return self.catalog or self.folder(None).path / "catalog"

    def drills(self) -> Path:
        """Where throw-away servers live."""
        return self.drill_folder or self.folder(None).path / "drills"


def default_plans(servers: Iterable[str]) -> dict[str, Any]:
    """The specification's plans: logical daily at 02:00, physical on Sunday at 03:00, both UTC."""
    return {
        f"{name}-{backup_type}": {"server": name, "backup_type": backup_type}
        for name in servers
        for backup_type in ("logical", "physical")
    }
