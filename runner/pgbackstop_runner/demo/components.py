"""The demo's parts besides PostgreSQL: how each is started, and how one sees that it is ready."""

from __future__ import annotations

import importlib.util
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pgbackstop_catalog import errors
from pgbackstop_catalog.decisions.wal_segments import WalState
from pgbackstop_catalog.records import codec
from pgbackstop_runner.demo import configuration, metrics, shop
from pgbackstop_runner.demo.state import DemoFolder
from pgbackstop_runner.demo.supervisor import Supervisor

READY_SECONDS = 30.0


@dataclass(frozen=True, kw_only=True)
class Components:
    """Starts parts in ``crew`` on the ``ports`` of this run."""

    home: DemoFolder
    crew: Supervisor
    ports: Mapping[str, int]
    alertmanager_program: str | None
    prometheus_program: str | None

    def shop(self) -> None:
        """Start the shop's application, which a restore stops and starts."""
        if importlib.util.find_spec("flask") is None:
            raise errors.ConfigError(
                "The shop's application needs Flask.", remedy="Install: pip install 'pgbackstop[demo]'."
            )
        argv = [sys.executable, "-m", "pgbackstop_runner.demo.shop_app", str(self.ports["shop"])]
        argv += [str(self.ports["postgresql"]), str(self.home.password_file(shop.OWNER))]
        self._start_http("shop", argv, "/health")

    def alertmanager(self) -> None:
        """Start Alertmanager where the machine has it."""
        if self.alertmanager_program is None:
            return
        argv = [self.alertmanager_program, f"--config.file={configuration.write_alertmanager(self.home)}"]
        argv += [f"--storage.path={self.home.folder / 'alertmanager'}", "--cluster.listen-address="]
        argv += [f"--web.listen-address=127.0.0.1:{self.ports['alertmanager']}", "--log.level=warn"]
        self._start_http("alertmanager", argv, "/-/ready")

    def exporter(self) -> None:
        """Start the exporter."""
        argv = [sys.executable, "-m", "pgbackstop_exporter.main"]
        argv += ["--config.file", str(self.home.configuration)]
        argv += ["--web.listen-address", f"127.0.0.1:{self.ports['exporter']}"]
        self._start_http("exporter", argv, "/metrics")

    def prometheus(self) -> None:
        """Start Prometheus where the machine has it, with the shipped rules where they are at hand."""
        if self.prometheus_program is None:
            return
        has_alertmanager = self.alertmanager_program is not None
        file = configuration.write_prometheus(self.home, self.ports, alertmanager=has_alertmanager)
        argv = [self.prometheus_program, f"--config.file={file}"]
        argv += [f"--storage.tsdb.path={self.home.folder / 'prometheus'}"]
        argv += ["--storage.tsdb.retention.time=30d", "--log.level=warn"]
        argv += [f"--web.listen-address=127.0.0.1:{self.ports['prometheus']}"]
        self._start_http("prometheus", argv, "/-/ready")

    def daemon(self) -> None:
        """Start the daemon; wait for its console, and for WAL: without it a base backup recovers nothing."""
        part = self.crew.start("daemon", command(self.home, "daemon"))
        self.crew.wait_until(lambda: _is_streaming(self.home) and self._has_console(), part, READY_SECONDS)

    def addresses(self) -> list[tuple[str, str]]:
        """What a browser can open; for the console, who may log in."""
        prometheus = [("Prometheus", self.url("prometheus") + self._alerts())]
        alertmanager = [("Alertmanager", self.url("alertmanager"))]
        return [
            ("Shop", f"{self.url('shop')}/"),
            (
                "Console",
                f"{self.url('console')}/ as {configuration.CONSOLE_USER}: {self.home.password('console')}",
            ),
            *(prometheus if self.prometheus_program else ()),
            *(alertmanager if self.alertmanager_program else ()),
            ("Metrics", f"{self.url('exporter')}/metrics"),
        ]

    def url(self, name: str) -> str:
        """The address of a part, without its last slash."""
        return f"http://127.0.0.1:{self.ports[name]}"

    def _has_console(self) -> bool:
        """Whether it is ours that answers: somebody may have taken its port meanwhile."""
        name = configuration.console_name(self.ports)
        return name in (metrics.page(self.ports["console"], "/login") or "")

    def _alerts(self) -> str:
        """Debian's Prometheus has its pages somewhere else."""
        paths = ("/alerts", "/classic/alerts")
        return next((each for each in paths if metrics.page(self.ports["prometheus"], each)), paths[0])

    def _start_http(self, name: str, argv: list[str], path: str) -> None:
        part = self.crew.start(name, argv)
        self.crew.wait_until(lambda: metrics.page(self.ports[name], path) is not None, part, READY_SECONDS)


def command(home: DemoFolder, *words: str) -> list[str]:
    """argv of our own command line with the demo's configuration."""
    return [sys.executable, "-m", "pgbackstop_runner.main", "-c", str(home.configuration), *words]


def program(*names: str) -> str | None:
    """The first of these that the machine has; Debian's Alertmanager has a name of its own."""
    return next((found for name in names if (found := shutil.which(name))), None)


def wal_state(home: DemoFolder) -> WalState | None:
    """What the WAL receiver says of itself; None before it has said anything."""
    path = wal_state_file(home)
    try:
        return codec.read(WalState, path)
    except (OSError, errors.CatalogError):
        return None


def wal_state_file(home: DemoFolder) -> Path:
    """Where the WAL receiver writes it."""
    return home.folder / "catalog" / "state" / "wal" / f"{configuration.SERVER}.json"


def _is_streaming(home: DemoFolder) -> bool:
    state = wal_state(home)
    return state is not None and state.status == "streaming"
