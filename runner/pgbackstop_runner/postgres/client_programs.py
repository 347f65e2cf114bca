"""PostgreSQL's client tools on this host: which folder serves which server.

A tool must be at least as new as the server; of those the oldest is taken, because a dump restores best
into the version whose pg_dump made it.
"""

from __future__ import annotations

import dataclasses
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from pgbackstop_catalog import errors
from pgbackstop_runner.failures import AttemptFailed
from pgbackstop_runner.postgres import client_process
from pgbackstop_runner.system import accounts, jail, jail_choice
from pgbackstop_runner.system.jail import Cell, Jail
from pgbackstop_runner.system.jail_choice import Wish

_VERSION = re.compile(r"\(PostgreSQL\) (\d+)(?:\.(\d+))?")
# Where Debian, Red Hat and PostgreSQL's own build put each version. Debian's /usr/bin/pg_dump is a
# wrapper that picks a version by itself, so PATH comes last.
_PLACES = ("/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/usr/local/pgsql*/bin", "/opt/postgresql*/bin")


@dataclass(frozen=True, kw_only=True)
class Binaries:
    """A folder of client tools of one version, and the ``jail`` that they run in, if they do.

    Those that only read files are kept in for ``reading`` alone.
    """

    folder: Path
    version: str
    jail: Jail | None = None
    reading: Jail | None = None

    @property
    def major(self) -> int:
        """17 of 17.10."""
        return int(self.version.partition(".")[0])

    def path(self, tool: str) -> str:
        """The tool's absolute path, as argv[0]."""
        return str(self.folder / tool)

    def cell(self, *reads: Path) -> Cell | None:
        """Where a tool runs that reads these files; None where it needs no jail."""
        return None if self.jail is None else self.jail.client(self.folder, *reads)

    def reader(self, *reads: Path) -> Cell | None:
        """Where a tool runs that reads these files and talks to nobody."""
        found = self.jail or self.reading
        return None if found is None else found.reader(self.folder, *reads)

    def has(self, tool: str) -> bool:
        """Whether the folder holds the tool."""
        return os.access(self.folder / tool, os.X_OK)


def find(server_major: int, bin_dir: Path | None = None) -> Binaries:
    """The tools to use for a server of that major version. Raises ConfigError where there are none."""
    if bin_dir is not None:
        return _configured(bin_dir, server_major)
    usable = [each for each in installed() if each.major >= server_major]
    if not usable:
        seen = ", ".join(each.version for each in installed()) or "none"
        raise errors.ConfigError(
            f"The client tools are too old: the server is PostgreSQL {server_major}, installed here: {seen}.",
            remedy=f"Install postgresql-client-{server_major} or newer, or set bin_dir of the server.",
        )
    return min(usable, key=lambda each: each.major)


def confined(found: Binaries, wish: Wish) -> Binaries:
    """The same, so that what reads a backup's content runs in the jail that this host has, if it has one."""
    choice = jail_choice.choose(jail.host(), wish)
    kept = Jail(mechanism=choice.mechanism, who=accounts.account(), sockets=Path("/"))
    return found if choice.mechanism == "none" else dataclasses.replace(found, reading=kept)


def of_server(major: int, needed: Sequence[str], bin_dir: Path | None = None) -> Binaries:
    """The programs of a server of exactly that major version. Raises ConfigError, saying what to install."""
    known = installed() if bin_dir is None else (_look(bin_dir),)
    same = [each for each in known if each is not None and each.major == major]
    for each in same:
        if all(each.has(name) for name in needed):
            return each
    lacks = [f"{same[0].folder} lacks {name}" for name in needed if not same[0].has(name)] if same else []
    why = lacks[0] if lacks else f"not in {bin_dir}" if bin_dir is not None else "none is installed here"
    raise errors.ConfigError(
        f"The programs of a PostgreSQL {major} server are needed: {why}.",
        remedy=f"Install postgresql-{major} on this host, or set bin_dir of the server.",
    )


@cache
def installed() -> tuple[Binaries, ...]:
    """All versions of the client tools on this host."""
    found = (_look(folder) for folder in _folders())
    return tuple(each for each in found if each is not None)


def _configured(bin_dir: Path, server_major: int) -> Binaries:
    binaries = _look(bin_dir)
    if binaries is None:
        raise errors.ConfigError(
            f"There is no pg_dump that runs in {bin_dir}.",
            remedy="Correct bin_dir of the server, or leave it out.",
        )
    if binaries.major < server_major:
        raise errors.ConfigError(
            f"The client tools in {bin_dir} are too old: {binaries.version}, the server is {server_major}.",
            remedy=f"Install postgresql-client-{server_major} or newer and correct bin_dir.",
        )
    return binaries


def _folders() -> Iterator[Path]:
    named: Iterable[Path] = (path for place in _PLACES for path in sorted(Path("/").glob(place.lstrip("/"))))
    on_path = (Path(each) for each in os.environ.get("PATH", "").split(":") if each)
    seen: set[Path] = set()
    for folder in (*named, *on_path):
        if folder not in seen and os.access(folder / "pg_dump", os.X_OK):
            seen.add(folder)
            yield folder


def _look(folder: Path) -> Binaries | None:
    try:
        answer = client_process.listing("pg_dump", [str(folder / "pg_dump"), "--version"], seconds=10)
    except AttemptFailed:
        return None
    match = _VERSION.search(answer)
    if match is None:
        return None
    return Binaries(folder=folder, version=".".join(part for part in match.groups() if part))
