"""Gathers what the screen shows: from the catalog, the exporter and the server, each of which may be away."""

from __future__ import annotations

import shlex
import shutil
import sys
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import psycopg
from prometheus_client.samples import Sample

from pgbackstop_catalog import model
from pgbackstop_catalog.records.backup import Backup
from pgbackstop_runner import workspace
from pgbackstop_runner.demo import components, configuration, metrics, screen, shop
from pgbackstop_runner.demo.components import Components
from pgbackstop_runner.demo.embedded import Embedded
from pgbackstop_runner.demo.state import DemoFolder


@dataclass(kw_only=True)
class DemoStatus:
    """Everything that a view is made of."""

    home: DemoFolder
    server: Embedded
    cast: Components
    problems: list[str] = field(default_factory=list)

    def backups(self) -> list[Backup]:
        """The last attempt for each plan and database."""
        return screen.newest(list(self._workspace().catalog.backups()))

    def page(self) -> str:
        """What the exporter says now; nothing where it does not answer."""
        return metrics.page(self.cast.ports["exporter"]) or ""

    def samples(self) -> list[Sample]:
        """The samples of that."""
        return metrics.samples(self.page())

    def view(self, orders: int) -> screen.View:
        """What the screen shows now."""
        backups, samples = self.backups(), self.samples()
        address = f"127.0.0.1:{self.server.port}"
        return screen.View(
            version=self.server.programs.version,
            address=address,
            database_bytes=self._database_bytes(),
            orders=orders,
            newest=backups,
            wal=components.wal_state(self.home),
            window=window(samples),
            next_runs=screen.next_runs(self._workspace().config, model.utc_now()),
            literal=metrics.literal_values(samples, f"{configuration.SERVER}-logical", shop.DATABASE),
            addresses=self.cast.addresses(),
            commands=commands(self.home),
            folder=shown(self.home.folder),
            problems=tuple(self.problems),
        )

    def _workspace(self) -> workspace.Workspace:
        return workspace.open_workspace(self.home.configuration, on_invalid_record=lambda _error: None)

    def _database_bytes(self) -> int | None:
        try:
            with closing(self.server.connect()) as connection:
                row = connection.execute("select pg_database_size(%s::name)", [shop.DATABASE]).fetchone()
        except psycopg.Error:
            return None
        return int(row[0]) if row else None


def commands(home: DemoFolder) -> list[str]:
    """Three to try, as they can be pasted into a shell that is where we were started."""
    ours = f"{called_as()} -c {shlex.quote(_relative(home.configuration))}"
    return [f"{ours} list", f"{ours} restore -d {shop.DATABASE} --dry-run", f"{ours} drill"]


def called_as() -> str:
    """How a shell in the current folder calls this program."""
    ours = Path(sys.argv[0])
    found = shutil.which(ours.name)
    if ours.suffix == ".py":
        return f"{shlex.quote(_relative(Path(sys.executable)))} -m pgbackstop_runner.main"
    if found and Path(found).resolve() == ours.resolve():
        return ours.name
    return shlex.quote(_relative(ours.absolute()))


def shown(folder: Path) -> str:
    """A folder as a person in the current one writes it, with its slash."""
    return f"{_relative(folder)}/"


def _relative(path: Path) -> str:
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)


def window(samples: list[Sample]) -> tuple[datetime, datetime] | None:
    """The recovery window that the exporter tells of; None where there is none yet."""
    first, last = (
        metrics.value(samples, f"backup_{end}_recoverable_timestamp_seconds", server=configuration.SERVER)
        for end in ("earliest", "latest")
    )
    if not first or not last or last < first:
        return None
    return datetime.fromtimestamp(first, UTC), datetime.fromtimestamp(last, UTC)
