"""A folder with a configuration, a storage and a catalog for one server, and the runner as a real process."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import psycopg
import yaml

from pgbackstop_catalog.config import load
from pgbackstop_catalog.records.backup import Backup
from pgbackstop_catalog.records.proof import Proof
from pgbackstop_catalog.store.folder import FolderCatalog
from pgbackstop_runner import workspace
from pgbackstop_runner.backup import attempt
from pgbackstop_runner.backup import run as backup_run
from pgbackstop_runner.system.state_folder import StateFolder
from pgbackstop_runner.workspace import Workspace
from tests.support import forks, storages
from tests.support.servers import Server

PATIENCE = 120.0  # seconds until a wait is given up; nothing that works takes as long
SYSTEM_PATH = "/usr/bin:/bin"  # where none of our programs is
COMMAND = (sys.executable, "-m", "pgbackstop_runner.main")
CLIENTS = frozenset({"pg_dump", "pg_dumpall", "pg_basebackup", "pg_restore", "pg_verifybackup"})


def plan(backup_type: str = "logical", **settings: Any) -> dict[str, Any]:
    """A plan of the server "main"."""
    return {"server": "main", "backup_type": backup_type, **settings}


def reached(server: Server) -> dict[str, Any]:
    """A server's keys in a configuration: by its port and password, without WAL."""
    return {
        "host": "127.0.0.1",
        "port": server.port,
        "user": server.superuser,
        "password_file": str(server.password_file),
        "bin_dir": str(server.programs.folder),
        "wal": {"enabled": False},
    }


@dataclass(kw_only=True)
class Site:
    """Where backups of one server are made; `server_settings` go over what its fixture says.

    `more` are further parts of the configuration.
    """

    folder: Path
    server: Server
    plans: Mapping[str, Mapping[str, Any]]
    server_settings: Mapping[str, Any] = field(default_factory=dict)
    storage_settings: Mapping[str, Any] = field(default_factory=dict)
    catalog_folder: Path | None = None
    more_storages: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    more: Mapping[str, Any] = field(default_factory=dict)
    more_servers: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.write()
        storages.create(self.workspace)

    @property
    def file(self) -> Path:
        return self.folder / "pgbackstop.yaml"

    @property
    def store(self) -> Path:
        return Path(self.storage_settings.get("path", self.folder / "store"))

    @property
    def state(self) -> StateFolder:
        """The state folder of its host."""
        return StateFolder(self.catalog.root)

    @property
    def catalog(self) -> FolderCatalog:
        return FolderCatalog(self.catalog_folder or self.store / "catalog")

    def write(self) -> None:
        """Writes the configuration anew."""
        server = {**reached(self.server), **self.server_settings}
        document: dict[str, Any] = {
            "servers": {
                "main": {name: value for name, value in server.items() if value is not None},
                **self.more_servers,
            },
            "plans": {name: dict(each) for name, each in self.plans.items()},
            "storages": {
                "local": {"kind": "folder", "path": str(self.store), "reserve": 0, **self.storage_settings},
                **self.more_storages,
            },
            **self.more,
        }
        if self.catalog_folder is not None:
            document["catalog"] = str(self.catalog_folder)
        self.file.write_text(yaml.safe_dump(document))
        load.load(self.file)

    @property
    def workspace(self) -> Workspace:
        return workspace.open_workspace(self.file, on_invalid_record=lambda _error: None)

    def make(self, plan_name: str, *databases: str) -> tuple[Backup, ...]:
        """Runs the plan in this process: quicker than the command line where that is not the point."""
        return backup_run.run(self.workspace, plan_name, attempt.BackupRequest(databases=databases))

    def argv(self, *words: str) -> list[str]:
        return [*COMMAND, "--config", str(self.file), *words]

    def run(self, *words: str, env: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        """The command line to its end."""
        return forks.run("--config", str(self.file), *words, env=environment(env), timeout=2 * PATIENCE)

    def start(
        self, *words: str, env: Mapping[str, str] | None = None, pauses: Mapping[str, float] | None = None
    ) -> subprocess.Popen[str]:
        """The command line, running; use it in a `with` and end it. ``pauses`` as in `forks.start`."""
        return forks.start("--config", str(self.file), *words, env=environment(env), pauses=pauses)

    def backups(self, plan_name: str | None = None) -> list[Backup]:
        """What is on record, the newest first."""
        return list(self.catalog.backups(plan_name))

    def newest(self, plan_name: str | None = None) -> Backup:
        return self.backups(plan_name)[0]

    def proofs(self) -> list[Proof]:
        return list(self.catalog.proofs())

    def path(self, backup: Backup) -> Path:
        """The folder of a backup's bytes."""
        assert backup.location is not None, backup.message
        return self.store / backup.location

    def made(self, plan_name: str, *words: str) -> Backup:
        """Makes one backup that must succeed; returns its record."""
        done = self.run("backup", plan_name, *words)
        assert done.returncode == 0, done.stderr
        return self.newest(plan_name)

    def leftovers(self) -> list[Path]:
        """What no finished run may leave: partial folders, temporary files, probes, unrecorded folders."""
        found = [
            path
            for path in self.store.rglob("*")
            if path.name.endswith((".partial", ".tmp")) or path.name.startswith(".probe")
        ]
        known = {self.path(backup) for backup in self.backups() if backup.location}
        kept = {path.parent for path in self.store.glob("backups/**/backup.json")}
        return found + sorted(kept - known)


def environment(more: Mapping[str, str] | None = None) -> dict[str, str]:
    """What a process of a person has; libpq's variables would hide what the configuration lacks."""
    mine = {name: value for name, value in os.environ.items() if not name.startswith(("PG", "PYTEST"))}
    return {**mine, **(more or {})}


def until(true: Callable[[], object], what: str, *, patience: float = PATIENCE) -> None:
    """Waits until it holds. Raises AssertionError with `what` when that takes too long."""
    deadline = time.monotonic() + patience
    while not true():
        assert time.monotonic() < deadline, f"in vain waited for {what}"
        time.sleep(0.02)


def clients(pid: int) -> list[psutil.Process]:
    """PostgreSQL's client tools that a runner has started and that live."""
    try:
        family = psutil.Process(pid).children(recursive=True)
        return [each for each in family if each.name() in CLIENTS and _works(each)]
    except psutil.NoSuchProcess:
        return []


def _works(process: psutil.Process) -> bool:
    words = process.cmdline()  # none where it has just died
    return bool(words) and "--version" not in words and process.status() != psutil.STATUS_ZOMBIE


def waiting_client(runner: subprocess.Popen[str], name: str) -> psutil.Process:
    """The tool of that name, as soon as the runner has started it."""
    found: list[psutil.Process] = []

    def look() -> bool:
        found[:] = [each for each in clients(runner.pid) if each.name() == name]
        assert found or runner.poll() is None, runner.communicate()
        return bool(found)

    until(look, f"{name} of the runner")
    return found[0]


def gone(processes: Iterable[psutil.Process]) -> bool:
    """Whether none of them lives; a zombie that nobody reaps does not."""
    return not any(each.is_running() and _status(each) != psutil.STATUS_ZOMBIE for each in processes)


def _status(process: psutil.Process) -> str:
    try:
        return process.status()
    except psutil.NoSuchProcess:
        return psutil.STATUS_ZOMBIE


def end(process: psutil.Process) -> None:
    """SIGKILL by its own id."""
    try:
        process.send_signal(signal.SIGKILL)
    except psutil.NoSuchProcess:
        return


def sentence(done: subprocess.CompletedProcess[str]) -> str:
    """What a person reads: standard error without the log's lines; it must be in order."""
    lines = [line for line in done.stderr.splitlines() if not line.startswith("timestamp=")]
    text = "\n".join(lines)
    assert "Traceback" not in done.stderr, done.stderr
    assert "This is a bug" not in done.stderr, done.stderr
    return text


def commands_by_hand(folder: Path) -> list[str]:
    """The very lines of RESTORE.md."""
    lines = (folder / "RESTORE.md").read_text().splitlines()
    return [line.removeprefix("    ") for line in lines if line.startswith("    ")]


def by_hand(
    commands: Sequence[str], server: Server, cwd: Path, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Runs lines in a shell with PostgreSQL's tools and the system's, and no others, against `server`."""
    path = f"{server.programs.folder}:{SYSTEM_PATH}"
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", "\n".join(commands)],
        capture_output=True,
        text=True,
        check=False,
        cwd=cwd,
        timeout=2 * PATIENCE,
        env={**server.environment, "PATH": path, "LC_ALL": "C.UTF-8", **(env or {})},
    )
    assert done.returncode == 0, (commands, done.stdout, done.stderr)
    return done


def restore_by_hand(folder: Path, server: Server, source: Server) -> None:
    """Restores a dump of `source` as its RESTORE.md says; every line must succeed.

    Restoring the roles gives the superuser the password that it has on `source`.
    """
    commands = commands_by_hand(folder)
    assert commands[0] == "sha256sum -c SHA256SUMS"
    for command in commands:
        env = {"PGPASSWORD": source.password} if _accepts(server, source.password) else {}
        by_hand([command], server, folder, env)


def _accepts(server: Server, password: str) -> bool:
    try:
        psycopg.connect(server.conninfo(), password=password).close()
    except psycopg.OperationalError:
        return False
    return True
