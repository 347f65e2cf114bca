"""A version that is newer than any that was tested is accepted, and said so where one asks."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from pgbackstop_runner.postgres import versions
from tests.support import backups, binaries, places
from tests.support.backups import Site
from tests.support.databases import Database

NEXT = versions.NEWEST_TESTED + 1
# As a beta calls itself; what it does is what the tested one does.
SCRIPT = '[ "$1" = --version ] && echo "pg_dump (PostgreSQL) {major}beta2" || exec {real} "$@"'


@pytest.fixture
def newer(database: Database) -> Iterator[Path]:
    """A copy of the programs, where everybody may run them, whose pg_dump is of the next version."""
    folder = places.make()
    copy = folder / "pg"
    subprocess.run(["cp", "-r", str(database.server.programs.folder.parent), str(copy)], check=True)
    subprocess.run(["chmod", "-R", "a+rX", str(copy)], check=True)
    real = (copy / "bin" / "pg_dump").rename(copy / "bin" / "pg_dump.real")
    (copy / "bin" / "pg_dump").write_text(f"#!/bin/sh\n{SCRIPT.format(major=NEXT, real=real)}\n")
    (copy / "bin" / "pg_dump").chmod(0o755)
    yield copy / "bin"
    places.remove(folder)


def test_tools_of_the_next_version(database: Database, newer: Path, tmp_path: Path) -> None:
    site = Site(
        folder=tmp_path / "site",
        server=database.server,
        plans={"daily": backups.plan(databases=[database.name], drill={"enabled": False})},
        server_settings={"bin_dir": str(newer)},
    )
    said = site.run("check", "daily")
    assert said.returncode == 0, said.stderr
    assert f"warning: The client tools are of PostgreSQL {NEXT}: not tested with {NEXT} yet" in said.stdout
    (document,) = json.loads(site.run("check", "daily", "--json").stdout)
    assert [f"not tested with {NEXT} yet" in each for each in document["warnings"]] == [True]
    backup = site.made("daily")
    assert backup.tools == {"pg_dump": str(NEXT)}
    assert backup.warnings == ()


@pytest.mark.parametrize("major", binaries.MAJORS)
def test_of_what_was_tested_nothing_is_said(major: int) -> None:
    assert versions.untested("The server is", major) == ""


def test_a_server_of_the_next_version() -> None:
    said = versions.untested("The server is", NEXT)
    assert said.startswith(f"The server is of PostgreSQL {NEXT}: not tested with {NEXT} yet")
