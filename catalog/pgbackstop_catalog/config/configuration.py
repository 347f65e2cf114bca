"""The configuration's model. One file serves both programs; ``Config`` is the whole of it.

Every key has its meaning here; ``pgbackstop config schema`` prints this model as JSON Schema. Unknown
keys are errors. Secrets never stand in the file: they are read from ``*_file`` or the environment.

Each part of the file has its module, and none of them knows this one or its neighbours: ``server``,
``plan``, ``storage``, ``verify``, ``console``, ``notifications`` (with its ``channels``). ``types`` are what
they share, and a ``group`` is made of keys of servers and plans.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, model_validator

from pgbackstop_catalog import errors
from pgbackstop_catalog.config import locate
from pgbackstop_catalog.config.catalog_place import CatalogDatabase, CatalogInPostgres, CatalogPlace
from pgbackstop_catalog.config.console import Console
from pgbackstop_catalog.config.discovery import Discovery
from pgbackstop_catalog.config.group import Group
from pgbackstop_catalog.config.notifications import Notifications
from pgbackstop_catalog.config.plan import Plan
from pgbackstop_catalog.config.server import Server
from pgbackstop_catalog.config.storage import FolderStorage, Storage
from pgbackstop_catalog.config.types import Duration
from pgbackstop_catalog.config.verify import Verify
from pgbackstop_catalog.model import Model
from pgbackstop_catalog.records.attempt import Name
from pgbackstop_catalog.text import is_name


class Daemon(Model):
    """How the daemon runs plans."""

    max_parallel: int = Field(
        default=2, ge=1, le=64, description="how many plans run at once; the others wait for their turn"
    )
    stop_timeout: Duration = Field(
        default=60.0, description="how long running backups may take to end when the daemon is stopped"
    )


class Workers(Model):
    """How workers on several hosts share the runs; they need a catalog in PostgreSQL."""

    enabled: bool = Field(
        default=False,
        description="plans that are due are run by 'pgbackstop worker', on any host, not by daemons",
    )
    per_server: int = Field(
        default=1, ge=1, le=64, description="how many runs of a server go at once, on all hosts"
    )
    per_storage: int = Field(
        default=4, ge=1, le=1000, description="how many runs into a storage go at once, on all hosts"
    )
    max_wait: Duration = Field(
        default=3600.0, gt=0, description="how long a due run may wait for a worker before an alert says so"
    )


class Drills(Model):
    """Where drills run what a database contains; see docs/explanation/jail.md."""

    jail: Literal["auto", "bubblewrap", "landlock"] = Field(
        default="auto", description="what keeps it in; auto takes the first of the others that works here"
    )
    unconfined: bool = Field(
        default=False,
        description="let drills run without a jail where none can be had: whoever owns a table can then do "
        "what the runner can do",
    )


class Log(Model):
    """How the programs log, to standard error."""

    format: Literal["logfmt", "json"] = Field(
        default="logfmt", description="logfmt for people and Loki, or json"
    )
    level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="the least that is said"
    )


class Config(Model):
    """The whole file."""

    servers: dict[Name, Server] = Field(
        default={},
        description="what is protected, by name; may be left out where groups or discovery give some",
    )
    plans: dict[Name, Plan] = Field(
        default_factory=dict,
        description="what is backed up, how and when, by name; when left out, each server gets a logical "
        "plan (daily at 02:00) and a physical one (Sunday at 03:00), both UTC; one by the name of a "
        "group's changes that one",
    )
    groups: dict[Name, Group] = Field(
        default={}, description="defaults and plans of many servers at once, by name; see servers.NAME.group"
    )
    discovery: dict[Name, Discovery] = Field(
        default={}, description="lists of servers that somebody else keeps, by name"
    )
    storages: dict[Name, Storage] = Field(min_length=1, description="places for bytes, by name")
    catalog: CatalogPlace | None = Field(
        default=None,
        description="a folder, or a database of PostgreSQL that several hosts share; when left out, the "
        "folder catalog in the first folder storage",
    )
    state_folder: Path | None = Field(
        default=None,
        description="where this host keeps its locks, and what its processes know; the catalog's folder when "
        "left out, with a catalog in PostgreSQL state in the first folder storage",
    )
    drill_folder: Path | None = Field(
        default=None,
        description="where throw-away servers live; drills in the first folder storage when left out",
    )
    drills: Drills = Field(
        default=Drills.defaults(), description="what keeps in the code that a database contains"
    )
    verify: Verify = Field(default=Verify.defaults(), description="when stored backups are read again")
    notifications: Notifications = Field(
        default=Notifications.defaults(), description="who hears of finished and failed backups"
    )
    daemon: Daemon = Field(default=Daemon.defaults(), description="how plans are run when they are due")
    workers: Workers = Field(
        default=Workers.defaults(), description="how workers on several hosts share the runs"
    )
    console: Console = Field(
        default=Console.defaults(), description="the web console, and who may do what there"
    )
    log: Log = Field(default=Log.defaults(), description="what is logged, and how")

    @model_validator(mode="before")
    @classmethod
    def _default_plans(cls, data: Any) -> Any:
        if isinstance(data, dict) and not data.get("plans") and isinstance(data.get("servers"), dict):
            names = [name for name in data["servers"] if is_name(str(name))]
            return {**data, "plans": default_plans(names)}
        return data

    @property
    def first_folder(self) -> str:
        """The storage that is meant where none is named. Raises KeyError where there is none."""
        for name in self.own_folders:
            return name
        raise KeyError

    @property
    def own_folders(self) -> tuple[str, ...]:
        """The storages that backups may be written to: folders, without encryption."""
        return tuple(
            name
            for name, storage in self.storages.items()
            if isinstance(storage, FolderStorage) and storage.encryption is None
        )

    def folder(self, name: str | None) -> FolderStorage:
        """The folder storage of that name, the first for backups for None. Raises KeyError, TypeError."""
        storage = self.storages[name or self.first_folder]
        if not isinstance(storage, FolderStorage):
            raise TypeError
        return storage

    # By its name it is no field: of two configurations only those are compared.
    @cached_property
    def _plans_by_server(self) -> Mapping[str, Mapping[str, Plan]]:
        found: dict[str, dict[str, Plan]] = {}
        for name, plan in self.plans.items():
            found.setdefault(plan.server, {})[name] = plan
        return found

    def plans_of(self, server: str) -> Mapping[str, Plan]:
        """The plans that back up a server; gathered once for all, as a fleet has thousands."""
        return self._plans_by_server.get(server, {})

    @property
    def catalog_database(self) -> CatalogDatabase | None:
        """The database of a catalog in PostgreSQL; None where it is a folder."""
        return self.catalog.postgres if isinstance(self.catalog, CatalogInPostgres) else None

    def catalog_place(self) -> Path | CatalogDatabase:
        """The folder or the database of the catalog."""
        return self.catalog_database or self.catalog_folder()

    def state_root(self) -> Path:
        """The folder of this host's state: locks, what waits to be delivered, what its processes know."""
        if self.state_folder is not None:
            return self.state_folder
        return self.catalog_folder() if self.catalog_database is None else self.folder(None).path / "state"

    def catalog_folder(self) -> Path:
        """The folder of the catalog. Raises ConfigError where it is in PostgreSQL."""
        if isinstance(self.catalog, CatalogInPostgres):
            raise errors.ConfigError(
                "This needs a catalog in a folder, and the configuration names one in PostgreSQL.",
                remedy="Name a folder for the catalog.",
            )
        return self.catalog or self.folder(None).path / "catalog"

    def drill_root(self) -> Path:
        """The folder in which throw-away servers live."""
        return self.drill_folder or self.folder(None).path / "drills"


def default_plans(servers: Iterable[str]) -> dict[str, Any]:
    """The specification's plans: logical daily at 02:00, physical on Sunday at 03:00, both UTC."""
    return {
        f"{name}-{backup_type}": {"server": name, "backup_type": backup_type}
        for name in servers
        for backup_type in locate.DEFAULT_PLANS
    }
