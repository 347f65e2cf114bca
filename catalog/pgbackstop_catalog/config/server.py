"""A PostgreSQL server that is protected: how to reach it, its WAL, and the application that uses it."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from pgbackstop_catalog.config.connection import Connection, from_one_place
from pgbackstop_catalog.config.types import Duration, FreeLabels, HttpAddress, Size
from pgbackstop_catalog.model import Model
from pgbackstop_catalog.records.attempt import Name

USUAL_DATABASE = "postgres"  # initdb makes it, and some drop it


class Wal(Model):
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
    copies: tuple[Name, ...] | None = Field(
        default=None,
        description="further storages that the WAL is copied to, with a base backup in them; those of the "
        "server's physical plans when left out",
    )
    copy_unfinished: Duration = Field(
        default=20.0,
        ge=1,
        description="how often the segment that is being received is copied, too: what a lost host may cost",
    )
    hold_for_copies: Duration = Field(
        default=14 * 86400.0,
        ge=0,
        description="how long a segment that no backup here needs any more waits, from when it was archived, "
        "for a further storage that needs it and has not got it yet; 0: not at all",
    )
    retain_slot_bytes: Size = Field(
        default=10 * 10**9,
        description="how much WAL the slot may hold back on the server before it is alerted",
    )


class Heartbeat(Model):
    """A row that the daemon writes again and again, so that drills can measure what would be lost."""

    enabled: bool = Field(
        default=False, description="opt-in: the schema pgbackstop of heartbeat.sql must be there"
    )
    interval: Duration = Field(default=10.0, ge=1, le=3600, description="how often a row is written")
    database: str | None = Field(default=None, description="where; the maintenance database when left out")


class RestoreRole(Model):
    """Who restores: a superuser, or a role that may create databases and act for their owners."""

    user: str = Field(description="the role")
    password_file: Path | None = Field(
        default=None, description="a file, mode 0600, whose first line is the password"
    )
    password_env: str | None = Field(
        default=None, description="the environment variable that holds the password"
    )
    password_command: tuple[str, ...] | None = Field(
        default=None,
        min_length=1,
        description="a program and its arguments, which no shell reads, whose first line of output is the "
        "password; run for each connection and each tool",
    )

    @model_validator(mode="after")
    def _one_password(self) -> RestoreRole:
        from_one_place(self.password_file, self.password_env, self.password_command)
        return self


class Hook(Model):
    """How an application is stopped, started or checked: a command or an address."""

    command: tuple[str, ...] | None = Field(
        default=None,
        min_length=1,
        description="a program and its arguments; no shell reads them; exit status 0 is good",
    )
    url: HttpAddress | None = Field(
        default=None,
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


class Application(Model):
    """The application that uses the server's databases, as far as a restore must know it."""

    stop: Hook | None = Field(default=None, description="run before connections are ended")
    start: Hook | None = Field(default=None, description="run when the restored database has its name")
    check: Hook | None = Field(default=None, description="run last: whether the application answers")


class Server(Connection):
    """A PostgreSQL server that is protected."""

    service: str | None = Field(
        default=None,
        pattern=r"^[^\[\]\s]+$",
        description="a service of libpq's service file ($PGSERVICEFILE, else ~/.pg_service.conf), which "
        "gives what is left out here",
    )
    maintenance_database: str = Field(
        default=USUAL_DATABASE,
        description="where to connect when no database is meant; where there is no postgres, the first other "
        "one, template1 last",
    )
    bin_dir: Path | None = Field(
        default=None,
        description="folder of pg_dump and the other client tools; found by major version when left out",
    )
    queue: Name = Field(
        default="default",
        description="with workers: which of them back it up, those that take from this queue",
    )
    wal: Wal = Field(default=Wal.defaults(), description="how its WAL is archived")
    heartbeat: Heartbeat = Field(
        default=Heartbeat.defaults(), description="rows that let drills measure what would be lost"
    )
    restore_role: RestoreRole | None = Field(
        default=None, description="who restores; the role of the backups when left out"
    )
    application: Application = Field(
        default=Application.defaults(),
        description="what is stopped before a restore and started after it",
    )
    group: Name | None = Field(default=None, description="the group whose defaults and plans it has")
    labels: FreeLabels = Field(
        default={},
        description="free labels for Prometheus, as in team: payments, on backup_server_info",
    )

    @property
    def is_thrown_away(self) -> bool:
        """Whether it is one of a drill, which others' code may have taken over."""
        return False

    def for_restores(self) -> Server:
        """The same server, entered as the role that restores."""
        role = self.restore_role
        if role is None:
            return self
        return self.evolve(
            user=role.user,
            password_file=role.password_file,
            password_env=role.password_env,
            password_command=role.password_command,
        )


class ThrowawayServer(Server):
    """The server of a drill, in the place of the configured one."""

    @property
    def is_thrown_away(self) -> bool:
        return True
