"""From an empty folder to a backup that was read back: `pgbackstop init`, and what it says to do next."""

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.support import databases, terminal
from tests.support.databases import Database
from tests.support.servers import Server

PASSWORD = "of this test"
ARGV = [sys.executable, "-m", "pgbackstop_runner.main"]


def run(argv: list[str], environment: Mapping[str, str], folder: Path) -> str:
    """Returns what it printed; it must succeed."""
    done = subprocess.run(
        argv,
        env=environment,
        cwd=folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, (argv, done.stdout, done.stderr)
    return done.stdout


@pytest.fixture
def shop(private_server: Server) -> Database:
    return databases.clone(private_server)


def test_the_way_that_it_shows_ends_in_a_backup_that_was_read_back(shop: Database, tmp_path: Path) -> None:
    server = shop.server
    path = f"{server.programs.folder}:{os.environ['PATH']}"
    mine = {"PATH": path, "HOME": str(tmp_path)}
    code, said = terminal.answer(
        [*ARGV, "init"],
        [
            ("Host of PostgreSQL", f"127.0.0.1:{server.port}"),
            ("Role that makes the backups", "back-up"),
            ("Password of back-up", PASSWORD),
            ("Again", PASSWORD),
            ("Folder for the backups", "store"),
            ("Address of a storage for copies", ""),
            ("Back up what", "both"),
        ],
        env=mine,
        cwd=tmp_path,
    )
    assert code == 0, said
    superuser = {**server.environment, "PATH": path}
    steps = [shlex.split(line) for line in said.splitlines() if line.startswith("  ")]
    assert [step[0] for step in steps] == ["psql", "psql", "pgbackstop", "pgbackstop", "pgbackstop"]
    run([*steps[0], "-v", "ON_ERROR_STOP=1"], superuser, tmp_path)
    assert steps[1][-2:] == ["-c", '\\password "back-up"']  # it reads from a terminal
    server.execute(f"alter role \"back-up\" password '{PASSWORD}'")
    for step in steps[2:]:
        run([*ARGV, *step[1:]], mine, tmp_path)
    run([*ARGV, "backup", "main-physical"], mine, tmp_path)
    run([*ARGV, "verify"], mine, tmp_path)
    made = json.loads(run([*ARGV, "list", "--json"], mine, tmp_path))
    assert {(each["database"], each["status"]) for each in made} >= {
        (shop.name, "succeeded"),
        ("", "succeeded"),
    }
