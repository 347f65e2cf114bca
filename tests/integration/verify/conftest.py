"""Backups made once for all tests of a module, and copied for each that damages one."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pgbackstop_catalog.records.backup import Backup
from tests.support import accounts, binaries, places
from tests.support.backups import Site, plan
from tests.support.servers import Server

CopyOf = Callable[..., tuple[Site, Backup]]
_MADE: dict[tuple[Any, ...], Site] = {}


@pytest.fixture
def copy_of(tmp_path: Path) -> CopyOf:
    """A site with one good backup that nobody verified yet: a copy of one made before, if there is one."""

    def copy(server: Server, backup_type: str, **settings: Any) -> tuple[Site, Backup]:
        wanted = plan(backup_type, verify=False, **settings)
        key = (server.port, repr(wanted))
        if key not in _MADE:
            _MADE[key] = Site(folder=places.make(), server=server, plans={"p": wanted})
            _MADE[key].make("p")
        shutil.copytree(_MADE[key].store, tmp_path / "store")
        site = Site(folder=tmp_path, server=server, plans={"p": wanted})
        return site, site.newest("p")

    return copy


def _with_tablespace(major: int) -> Iterator[Server]:
    try:
        programs = binaries.reachable(major)
    except binaries.NotInstalledError as error:
        pytest.skip(str(error))
    with Server(programs) as server:
        location = server.folder / "far"
        location.mkdir()
        accounts.unprivileged().own(location)
        server.execute(f"create tablespace far location '{location}'")
        server.execute("create table apart tablespace far as select generate_series(1, 20000) as n")
        yield server


@pytest.fixture(scope="module")
def tablespaces() -> Iterator[Server]:
    """A private server of the default version with a second tablespace."""
    yield from _with_tablespace(binaries.DEFAULT_MAJOR)


@pytest.fixture(scope="module", params=binaries.EDGES, ids=[f"pg{m}" for m in binaries.EDGES])
def edge_with_tablespaces(request: pytest.FixtureRequest) -> Iterator[Server]:
    """The same of the oldest and the newest supported major version."""
    yield from _with_tablespace(request.param)
