"""Hosts that share a catalog in PostgreSQL, each with its own state, and the workers on them."""

import itertools
import shutil
import signal
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml

from pgbackstop_catalog.records.attempt import Status
from pgbackstop_catalog.records.backup import Backup
from pgbackstop_runner import workspace
from tests.integration.daemon.conftest import DEADLINE, until
from tests.support import forks, storages
from tests.support.install_postgres import ROOT
from tests.support.servers import Server

STAND_IN = "tests.integration.fleet.stand_in"
_NUMBERS = itertools.count()
Plans = Mapping[str, Mapping[str, Any]]


@dataclass
class Host:
    """A worker's host: its configuration, its log, its process."""

    file: Path
    process: subprocess.Popen[str] | None = None

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    def log(self) -> str:
        return self.file.with_suffix(".log").read_text()

    def children(self) -> list[psutil.Process]:
        return psutil.Process(self.pid).children()

    def kill(self) -> None:
        """As when the host dies: no word to anybody."""
        assert self.process is not None
        self.process.kill()
        self.process.wait(DEADLINE)

    def stop(self) -> int:
        """SIGTERM; its exit code."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(DEADLINE)


@dataclass
class Fleet:
    """Hosts with the same plans."""

    folder: Path
    server: Server
    database: str
    document: dict[str, Any] = field(default_factory=dict)
    hosts: dict[str, Host] = field(default_factory=dict)
    first_due: dict[str, str] = field(default_factory=dict)

    @property
    def password_file(self) -> Path:
        """A copy that a test may take away."""
        return self.folder / "catalog.password"

    def configure(self, plans: Plans, **more: Any) -> None:
        """What every host is configured with from now on; running workers hear of it by ``reload``."""
        defaults = {"server": "main", "backup_type": "logical", "drill": {"enabled": False}}
        servers = more.pop("servers", {"main": {}})
        self.document = {
            "servers": {name: {"wal": {"enabled": False}, **each} for name, each in servers.items()},
            "storages": {"disk": {"kind": "folder", "path": "store", "reserve": 0}},
            "plans": {name: {**defaults, **plan} for name, plan in plans.items()},
            "verify": {"enabled": False},
            "workers": {"enabled": True, **more.pop("workers", {})},
            **more,
        }
        for name in self.hosts:
            self._write(name, self.server.port)

    def configure_due(
        self, plan: str, /, others: Plans | None = None, *, servers: Any = None, **more: Any
    ) -> None:
        """A plan that is due when a worker starts, and then not again while a test runs."""
        due = datetime.now(UTC) - timedelta(minutes=2)
        schedule = f"{due.minute} {due.hour} * * *"
        self.configure(
            {plan: {"schedule": schedule, **more}, **(others or {})}, servers=servers or {"main": {}}
        )
        self.first_due[plan] = f"{schedule} UTC"

    def host(self, name: str, *, port: int | None = None) -> Host:
        """A host that reaches the database at ``port``."""
        file = self._write(name, port or self.server.port)
        storages.create_for(file)
        if not self.hosts:
            for plan, schedule in self.first_due.items():
                self.rows(
                    "insert into pgbackstop.scheduled_plan"
                    f" values ('{plan}', '{schedule}', now() - interval '30 min')"
                )
        self.hosts[name] = Host(file=file)
        return self.hosts[name]

    def start(self, name: str, *arguments: str, port: int | None = None) -> Host:
        """Start a worker on a host, and wait until it takes runs."""
        host = self.hosts.get(name) or self.host(name, port=port)
        return self._started(host, str(host.file), *arguments, program=STAND_IN)

    def start_real(self, name: str, *arguments: str) -> Host:
        """The same with the command line."""
        host = self.hosts.get(name) or self.host(name)
        return self._started(host, "--config", str(host.file), "worker", *arguments)

    def start_daemon(self, name: str) -> Host:
        """Start a daemon on a host, and wait until it lives."""
        host = self.hosts.get(name) or self.host(name)
        return self._started(host, "--config", str(host.file), "daemon", mark="daemon started")

    def refused(self, name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """What the command line answers where it does not start a worker."""
        host = self.hosts.get(name) or self.host(name)
        return forks.run("--config", str(host.file), "worker", *arguments, timeout=DEADLINE)

    def reload(self) -> None:
        """SIGHUP to every worker, and wait until it has been heard."""
        for host in self.hosts.values():
            assert host.process is not None
            before = host.log().count("configuration loaded")
            host.process.send_signal(signal.SIGHUP)
            until(lambda: host.log().count("configuration loaded") > before, "a reload")  # noqa: B023

    def behave(self, plan: str, *lines: str) -> None:
        """What the stand-in of a plan does from now on."""
        (self.folder / f"{plan}.does").write_text("\n".join(lines))

    def records(self, plan: str) -> list[Backup]:
        """The newest first."""
        file = list(self.hosts.values())[-1].file  # the first one may be cut off
        opened = workspace.open_workspace(file, on_invalid_record=lambda error: None)
        return list(opened.catalog.backups(plan))

    def succeeded(self, plan: str) -> list[Backup]:
        return [record for record in self.records(plan) if record.status is Status.SUCCEEDED]

    def running(self, plan: str) -> Backup:
        """Wait for one that runs."""
        found: list[Backup] = until(
            lambda: [record for record in self.records(plan) if record.status is Status.RUNNING],
            f"a running attempt of {plan}",
        )
        return found[0]

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        return list(self.server.execute(query, self.database))

    def states(self, plan: str) -> list[str]:
        """Of the plan's due times, the oldest first."""
        return [
            row[0]
            for row in self.rows(
                f"select state from pgbackstop.due_run where plan = '{plan}' order by due_at"
            )
        ]

    def close(self) -> None:
        for host in self.hosts.values():
            if host.process is not None and host.process.poll() is None:
                host.process.kill()
            if host.process is not None:
                host.process.wait(DEADLINE)

    def _started(
        self, host: Host, *words: str, program: str = forks.RUNNER, mark: str = "worker started"
    ) -> Host:
        with host.file.with_suffix(".log").open("ab") as log:
            host.process = forks.start(*words, program=program, stdout=log, stderr=log, cwd=ROOT)
        until(lambda: mark in host.log() or host.process.poll() is not None, mark)  # type: ignore[union-attr]
        assert mark in host.log(), host.log()
        return host

    def _write(self, name: str, port: int) -> Path:
        catalog = {
            "host": "127.0.0.1",
            "port": port,
            "user": self.server.superuser,
            "password_file": str(self.password_file),
            "database": self.database,
        }
        file = self.folder / f"{name}.yaml"
        fresh = file.with_suffix(".new")
        document = {**self.document, "catalog": {"postgres": catalog}, "state_folder": f"state-{name}"}
        fresh.write_text(yaml.safe_dump(document))
        fresh.replace(file)
        return file


def _fleet(folder: Path, server: Server) -> Iterator[Fleet]:
    name = f"fleet_{next(_NUMBERS)}"
    server.execute(f"create database {name} encoding 'UTF8' template template0")
    made = Fleet(folder=folder, server=server, database=name)
    shutil.copy(server.password_file, made.password_file)
    yield made
    made.close()
    if server.running:
        server.execute(f"drop database {name} with (force)")


@pytest.fixture
def fleet(tmp_path: Path, pg17: Server) -> Iterator[Fleet]:
    """A fleet around a fresh database."""
    yield from _fleet(tmp_path, pg17)


@pytest.fixture
def fleet_alone(tmp_path: Path, private_server: Server) -> Iterator[Fleet]:
    """The same around a server that a test may stop."""
    yield from _fleet(tmp_path, private_server)
