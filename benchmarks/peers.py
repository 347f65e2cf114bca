"""The commands that are compared: ours as a process from start to exit, PostgreSQL's own, other programs'."""

from __future__ import annotations

import getpass
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks import common
from benchmarks.common import Command, Sample, Side
from benchmarks.data import DATABASE
from tests.support import accounts, places, storages
from tests.support.servers import SUPERUSER, Server

PGBACKSTOP = Path(sys.executable).with_name("pgbackstop")
STANZA = "bench"
_BARMAN = ("barman", "psycopg2-binary", "python-dateutil")


def store(server: Server, folder: Path, plan: dict[str, object]) -> Path:
    """A configuration with one plan, whose storage is the folder; returns its file. JSON is YAML."""
    config = folder / "pgbackstop.yaml"
    document = {
        "servers": {
            "bench": {
                "port": server.port,
                "user": SUPERUSER,
                "password_file": str(server.password_file),
                "bin_dir": str(server.programs.folder),
                "wal": {"enabled": False},
            }
        },
        "storages": {"disk": {"kind": "folder", "path": str(folder)}},
        "plans": {"bench": {"server": "bench", **plan}},
    }
    config.write_text(json.dumps(document))
    storages.create_for(config)
    return config


def backup(config: Path, server: Server) -> Sample:
    """`pgbackstop backup`, timed. Raises Failed."""
    argv = [str(PGBACKSTOP), "--config", str(config), "backup", "bench"]
    return common.timed(Command(argv=argv, server=server, watch_memory=True), config.parent)


def ours(name: str, server: Server, **plan: object) -> Side:
    """`pgbackstop backup` of a plan into an empty store."""
    if plan["backup_type"] == "logical":
        plan.setdefault("databases", [DATABASE])
    return Side(name=name, run=lambda folder: backup(store(server, folder, plan), server))


def tool(name: str, server: Server, *argv: str, into: str = "", output: str = "") -> Side:
    """A tool of PostgreSQL. It writes to ``into`` by that option, or its standard output to a file."""

    def run(folder: Path) -> Sample:
        program = str(server.programs.tool(argv[0]))
        target = [f"{into}={folder / 'result'}"] if into else []
        command = Command(
            argv=[program, *argv[1:], *target],
            server=server,
            environment=server.environment,
            output=folder / output if output else None,
        )
        return common.timed(command, folder)

    return Side(name=name, run=run)


def pgbackrest(name: str, server: Server) -> Side | None:
    """pgBackRest, full, zst, two processes, as the account of the server; None where it is not installed."""
    program = shutil.which("pgbackrest")
    if program is None:
        return None
    account = accounts.unprivileged()

    def run(folder: Path) -> Sample:
        account.own(folder)
        config = folder / "pgbackrest.conf"
        config.write_text(_PGBACKREST.format(folder=folder, server=server, stanza=STANZA, user=SUPERUSER))
        environment = {**server.environment, "PGPASSFILE": str(_passfile(server, folder))}

        def command(*arguments: str) -> Command:
            argv = [program, f"--config={config}", f"--stanza={STANZA}", *arguments]
            return Command(argv=argv, server=server, environment=environment, account=account)

        common.quietly(command("stanza-create"))
        return common.timed(command("--type=full", "backup"), folder / "repo")

    return Side(name=name, run=run)


def pgbackrest_restore(name: str, server: Server, store: Path) -> Side | None:
    """pgBackRest's restore of a full backup, zst, two processes; None where it is not installed.

    Takes that backup into ``store`` at once.
    """
    program = shutil.which("pgbackrest")
    if program is None:
        return None
    command = _stanza(program, server, store / "pgbackrest")
    common.quietly(command("--type=full", "backup"))

    def run(folder: Path) -> Sample:
        target = folder / "data"
        target.mkdir(mode=0o700)
        accounts.unprivileged().own(target)
        return common.timed(command(f"--pg1-path={target}", "--archive-mode=off", "restore"), folder)

    return Side(name=name, run=run)


def pgbackrest_info(server: Server, store: Path, backups: int) -> Command | None:
    """`pgbackrest info` as an exporter asks for it, over so many backups; None where it is not installed."""
    program = shutil.which("pgbackrest")
    if program is None:
        return None
    command = _stanza(program, server, store / "pgbackrest")
    for number in range(backups):
        common.quietly(command("--type=incr" if number else "--type=full", "backup"))
    return command("--output=json", "info")


def _stanza(program: str, server: Server, home: Path) -> Callable[..., Command]:
    """A new repository for the server; gives the commands about it."""
    account = accounts.unprivileged()
    home.mkdir()
    account.own(home)
    config = home / "pgbackrest.conf"
    config.write_text(_PGBACKREST.format(folder=home, server=server, stanza=STANZA, user=SUPERUSER))
    environment = {**server.environment, "PGPASSFILE": str(_passfile(server, home))}

    def command(*arguments: str) -> Command:
        argv = [program, f"--config={config}", f"--stanza={STANZA}", *arguments]
        return Command(argv=argv, server=server, environment=environment, account=account)

    common.quietly(command("stanza-create"))
    return command


_PGBACKREST = """\
[global]
repo1-path={folder}/repo
lock-path={folder}/lock
log-path={folder}/log
log-level-file=off
process-max=2
compress-type=zst
start-fast=y
archive-check=n
archive-copy=n
[{stanza}]
pg1-path={server.data}
pg1-port={server.port}
pg1-socket-path={server.folder}
pg1-user={user}
"""


def _passfile(server: Server, folder: Path) -> Path:
    """pgBackRest connects by the socket, as another account: a password file of its own."""
    path = folder / "pgpass"
    path.write_text(f"*:*:*:*:{server.password}\n")
    path.chmod(0o600)
    accounts.unprivileged().own(path)
    return path


@dataclass(frozen=True, kw_only=True)
class Barman:
    """Barman from PyPI in a virtual environment of the benchmark's own."""

    program: Path
    config: Path
    home: Path
    server: Server

    def command(self, *arguments: str) -> Command:
        """A Barman command."""
        argv = [str(self.program), "--config", str(self.config), *arguments]
        return Command(argv=argv, server=self.server, environment=self.server.environment)

    def backup(self, _folder: Path) -> Sample:
        """One backup, timed; removed again afterwards."""
        base = self.home / STANZA / "base"
        sample = common.timed(self.command("backup", STANZA), base)
        common.quietly(self.command("delete", STANZA, "latest"))
        return sample


def barman(name: str, server: Server) -> Side:
    """Barman with pg_basebackup, compressed by the server with zstd, two workers. Installs it."""
    folder = places.make()
    subprocess.run([sys.executable, "-m", "venv", folder / "venv"], check=True)
    pip = [
        str(folder / "venv" / "bin" / "pip"),
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--no-deps",
    ]
    subprocess.run([*pip, *_BARMAN, "six"], check=True)
    home, config = folder / "home", folder / "barman.conf"
    incoming = home / STANZA / "incoming"
    incoming.mkdir(parents=True)
    accounts.unprivileged().own(incoming)
    words = {"folder": folder, "server": server, "stanza": STANZA, "user": SUPERUSER}
    config.write_text(_BARMAN_CONFIG.format(account=getpass.getuser(), **words))
    server.execute(f"alter system set archive_command = 'cp %p {incoming}/%f'")
    server.execute("select pg_reload_conf()")
    made = Barman(program=folder / "venv" / "bin" / "barman", config=config, home=home, server=server)
    common.quietly(made.command("switch-wal", "--force", "--archive", "--archive-timeout", "60", STANZA))
    return Side(name=name, run=made.backup)


_BARMAN_CONFIG = """\
[barman]
barman_home = {folder}/home
barman_lock_directory = {folder}/home
barman_user = {account}
log_file = {folder}/barman.log
log_level = WARNING
minimum_redundancy = 0

[{stanza}]
description = benchmark
conninfo = host=127.0.0.1 port={server.port} user={user} dbname=postgres
streaming_conninfo = host=127.0.0.1 port={server.port} user={user} dbname=postgres
backup_method = postgres
backup_compression = zstd
backup_compression_level = 3
backup_compression_workers = 2
backup_compression_location = server
backup_compression_format = tar
immediate_checkpoint = true
archiver = on
path_prefix = {server.programs.folder}
"""
