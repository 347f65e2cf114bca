"""A configuration without a server behind it, the stand-in daemon, and a real Alertmanager."""

import contextlib
import http.client
import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from pgbackstop_catalog.records.backup import Backup
from pgbackstop_catalog.records.scheduler import SchedulerState
from pgbackstop_catalog.store.folder import FolderCatalog
from tests.support import forks, ports, storages
from tests.support.install_postgres import ROOT

DEADLINE = 120.0  # seconds; only what is broken ever takes so long
STAND_IN = "tests.integration.daemon.stand_in"


def until(happens: Callable[[], Any], what: str) -> Any:
    """Wait until something is true, and return it; fails with ``what`` at the deadline."""
    deadline = time.monotonic() + DEADLINE
    while time.monotonic() < deadline:
        found = happens()
        if found:
            return found
        time.sleep(0.05)
    return pytest.fail(f"never happened: {what}")


@dataclass
class Daemons:
    """A folder with a configuration, and the daemons that are started on it."""

    folder: Path
    started: list[subprocess.Popen[str]] = field(default_factory=list)

    @property
    def file(self) -> Path:
        return self.folder / "pgbackstop.yaml"

    @property
    def root(self) -> Path:
        return self.folder / "store" / "catalog"

    @property
    def catalog(self) -> FolderCatalog:
        return FolderCatalog(self.root)

    def configure(self, plans: Mapping[str, Mapping[str, Any]], **more: Any) -> None:
        """Write the configuration; ``wal`` is the server's, off unless given, ``server`` its other keys."""
        server = {"wal": more.pop("wal", {"enabled": False}), **more.pop("server", {})}
        # A drill would fall due on Mondays, while a test runs.
        defaults = {"server": "main", "backup_type": "logical", "drill": {"enabled": False}}
        document = {
            "servers": {"main": server},
            "storages": {"disk": {"kind": "folder", "path": "store"}},
            "plans": {name: {**defaults, **plan} for name, plan in plans.items()},
            "verify": {"enabled": False},  # it would fall due at night
            **more,
        }
        fresh = self.file.with_suffix(".new")
        fresh.write_text(yaml.safe_dump(document))
        fresh.replace(self.file)
        if not self.root.exists():
            storages.create_for(self.file)

    def behave(self, name: str, *lines: str) -> None:
        """What the stand-in of a plan or receiver does from now on."""
        (self.folder / f"{name}.does").write_text("\n".join(lines))

    def start(self, **environment: str) -> subprocess.Popen[str]:
        """Start the stand-in daemon; its log goes into ``log``."""
        with (self.folder / "log").open("ab") as log:
            daemon = forks.start(
                "serve",
                str(self.file),
                program=STAND_IN,
                stdout=subprocess.DEVNULL,
                stderr=log,
                env={**os.environ, **environment},
                cwd=ROOT,
            )
        self.started.append(daemon)
        return daemon

    def start_and_wait(self, **environment: str) -> subprocess.Popen[str]:
        """The same, and wait until it lives."""
        daemon = self.start(**environment)
        until(lambda: (state := self.state()) and state.pid == daemon.pid and state, "a heartbeat")
        return daemon

    def stop(self, daemon: subprocess.Popen[str]) -> int:
        """SIGTERM; its exit code."""
        daemon.send_signal(signal.SIGTERM)
        return daemon.wait(DEADLINE)

    def log(self) -> str:
        return (self.folder / "log").read_text()

    def records(self, plan: str) -> list[Backup]:
        """The newest first."""
        return list(self.catalog.backups(plan))

    def by_due(self, plan: str) -> dict[datetime, Backup]:
        """Records that have a due time; fails where two have the same."""
        found = [record for record in self.records(plan) if record.scheduled_for is not None]
        dues = {record.scheduled_for: record for record in found if record.scheduled_for is not None}
        assert len(dues) == len(found), "a due time is on record twice"
        return dues

    def state(self) -> SchedulerState | None:
        path = self.root / "state" / "scheduler.json"
        return SchedulerState.model_validate_json(path.read_bytes()) if path.exists() else None

    def change_state(self, **changes: Any) -> None:
        """As if the daemon had been there at another time."""
        state = self.state()
        assert state is not None
        path = self.root / "state" / "scheduler.json"
        path.write_text(state.evolve(**changes).model_dump_json())

    def starts(self, server: str) -> list[int]:
        """The process ids of the receivers that were started for a server."""
        path = self.folder / f"{server}.starts"
        return [int(line) for line in path.read_text().splitlines()] if path.exists() else []


@pytest.fixture
def daemons(tmp_path: Path) -> Iterator[Daemons]:
    made = Daemons(folder=tmp_path)
    yield made
    for daemon in made.started:
        if daemon.poll() is None:
            daemon.kill()
        daemon.wait(DEADLINE)


@dataclass
class Alertmanager:
    """A real one on a loopback port of its own."""

    folder: Path
    port: int
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self, configuration: str = "route: {receiver: nobody}\nreceivers: [{name: nobody}]\n") -> None:
        program = shutil.which("prometheus-alertmanager") or shutil.which("alertmanager")
        if program is None:
            pytest.skip("needs Alertmanager: install Debian's prometheus-alertmanager")
        (self.folder / "alertmanager.yml").write_text(configuration)
        arguments = [
            "--config.file=alertmanager.yml",
            "--storage.path=data",
            "--cluster.listen-address=",
            f"--web.listen-address=127.0.0.1:{self.port}",
        ]
        with (self.folder / "alertmanager.log").open("ab") as log:
            self.process = subprocess.Popen([program, *arguments], cwd=self.folder, stderr=log, stdout=log)
        until(self._is_ready, "Alertmanager answers")

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.wait(DEADLINE)

    def alerts(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(self._get("/api/v2/alerts"))
        return found

    def _is_ready(self) -> bool:
        try:
            return bool(self._get("/-/ready"))
        except OSError:
            return False

    def _get(self, path: str) -> bytes:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=DEADLINE)
        with contextlib.closing(connection):
            connection.request("GET", path)
            answer = connection.getresponse()
            body = answer.read()
        return body if answer.status == 200 else b""


@pytest.fixture
def alertmanager(tmp_path: Path) -> Iterator[Alertmanager]:
    """Not started yet; its port is free until then."""
    folder = tmp_path / "alertmanager"
    folder.mkdir()
    with ExitStack() as ending:
        made = Alertmanager(folder=folder, port=ports.free())
        ending.callback(made.stop)
        yield made
