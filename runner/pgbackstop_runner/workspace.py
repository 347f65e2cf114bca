"""What every command starts from: the configuration, the catalog, the storages."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, TypeVar

from pgbackstop_catalog import errors
from pgbackstop_catalog.config import load, locate
from pgbackstop_catalog.config.configuration import Config
from pgbackstop_catalog.config.plan import Plan
from pgbackstop_catalog.config.server import Server
from pgbackstop_catalog.config.storage import AnyStorage
from pgbackstop_catalog.model import Model
from pgbackstop_catalog.records import codec
from pgbackstop_catalog.store import layout, opened
from pgbackstop_catalog.store.protocol import Catalog
from pgbackstop_catalog.text import said, word
from pgbackstop_runner.system import origin
from pgbackstop_runner.system.state_folder import StateFolder


class _OfHost(Protocol):
    @property
    def host(self) -> str: ...


V = TypeVar("V", bound=Model)
T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Workspace:
    """A configuration and the catalog that it names."""

    file: Path
    config: Config
    catalog: Catalog = field(repr=False)
    on_invalid_record: Callable[[errors.CatalogError], None] = field(default=lambda _error: None, repr=False)

    @property
    def state(self) -> StateFolder:
        """This host's locks, leases and what its processes know."""
        return StateFolder(self.config.state_root())

    def own_plans(self) -> tuple[str, ...]:
        """The plans whose records this host closes, reads again and judges, sorted. Raises CatalogError.

        Of a catalog that hosts share those that it has configured: it sees no lock of another host.
        """
        shared = self.config.catalog_database is not None
        return tuple(sorted({*self.config.plans, *(() if shared else self.catalog.plans())}))

    def is_own(self, server: str) -> bool:
        """Return whether this host closes the records of restores into that server, by the same rule."""
        return self.config.catalog_database is None or server in self.config.servers

    def knows_fate_of(self, record: _OfHost) -> bool:
        """Return whether this host's locks say if the process behind a record lives.

        Workers have all plans in common, and no lock of another host.
        """
        return not self.config.workers.enabled or record.host in {"", origin.here()["host"]}

    def said(self, kind: type[V], path: Path) -> V | None:
        """A record, or what a process of this host last wrote of itself; None where none can be read.

        Raises NewerRecord, OSError.
        """
        try:
            return codec.read(kind, path)
        except FileNotFoundError:
            return None
        except errors.NewerRecord:
            raise
        except errors.CatalogError as error:
            self.on_invalid_record(error)
            return None

    def reopened(self) -> Workspace:
        """The same configuration file as it is now. Raises ConfigError."""
        return open_workspace(self.file, self.on_invalid_record)

    def plan(self, name: str) -> Plan:
        """Raises NotFound, with the names that exist."""
        return _named("plan", self.config.plans, name)

    def server(self, name: str) -> Server:
        """Raises NotFound, with the names that exist."""
        return _named("server", self.config.servers, name)

    def storage(self, name: str) -> AnyStorage:
        """Raises NotFound, with the names that exist."""
        return _named("storage", self.config.storages, name)

    def storage_of(self, plan: Plan) -> tuple[str, Path]:
        """Name and folder of the storage that the plan's backups are written to."""
        name = plan.storage or self.config.first_folder
        return name, self.config.folder(name).path

    def wal_storage(self, server: str) -> str:
        """The name of the storage that holds the server's WAL archive."""
        return self.server(server).wal.storage or self.config.first_folder

    def wal_archive(self, server: str) -> Path:
        """The folder of the server's WAL archive."""
        return self.config.folder(self.wal_storage(server)).path / layout.wal_folder(server)


def open_workspace(given: Path | None, on_invalid_record: Callable[[errors.CatalogError], None]) -> Workspace:
    """Load the configuration. Raises ConfigError."""
    file = locate.find(given)
    config = load.load(file)
    catalog = opened.catalog(config.catalog_place(), on_invalid_record)
    return Workspace(file=file, config=config, catalog=catalog, on_invalid_record=on_invalid_record)


def _named(kind: str, named: Mapping[str, T], name: str) -> T:
    if name not in named:
        raise errors.NotFound(
            said("There is no {kind} {name!r}.", kind=word(kind), name=name),
            remedy=said("There are: {names}.", names=", ".join(sorted(named))),
        )
    return named[name]
