"""Primaries as fixtures."""

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any, Protocol

import pytest

from tests.integration.recover import primary as primaries
from tests.integration.recover.primary import Primary
from tests.support import binaries
from tests.support.fixtures import MakeServer
from tests.support.servers import Server


class MakePrimary(Protocol):
    """Makes a primary with a private server of that major version, heartbeats' table included."""

    def __call__(self, major: int = binaries.DEFAULT_MAJOR, **settings: Any) -> Primary: ...


@pytest.fixture
def make_primary(make_server: MakeServer) -> Iterator[MakePrimary]:
    """Primaries of the test's own.

    ``server`` has more settings of the server, ``initdb`` options of that, ``wal`` and ``plan`` ours.
    """
    with ExitStack() as made:

        def make(major: int = binaries.DEFAULT_MAJOR, **settings: Any) -> Primary:
            server = make_server(
                major,
                settings={**primaries.SETTINGS, **settings.get("server", {})},
                environment=settings.get("environment"),
                initdb=settings.get("initdb", ()),
            )
            server.execute(primaries.BEATS)
            new = Primary(server, settings.get("wal", {}), settings.get("plan", {}))
            made.callback(new.close)
            return new

        yield make


@pytest.fixture(scope="module", params=binaries.MAJORS, ids=[f"pg{m}" for m in binaries.MAJORS])
def history(request: pytest.FixtureRequest) -> Iterator[Primary]:
    """Each major version with a backup, and forty heartbeats in three segments after it."""
    yield from _history(request.param)


@pytest.fixture(scope="module")
def history17() -> Iterator[Primary]:
    """The same on the default version alone."""
    yield from _history(binaries.DEFAULT_MAJOR)


def _history(major: int) -> Iterator[Primary]:
    try:
        programs = binaries.reachable(major)
    except binaries.NotInstalledError as error:
        pytest.skip(str(error))
    with Server(programs, settings=primaries.SETTINGS) as server:
        server.execute(primaries.BEATS)
        primary = Primary(server)
        try:
            _fill(primary)
            yield primary
        finally:
            primary.close()


def _fill(primary: Primary) -> None:
    primary.receive()
    primary.backup()
    primary.beat(1, 10)
    primary.server.execute("select pg_create_restore_point('after ten')")
    primary.beat(11, 20)
    primary.switch()
    primary.beat(21, 30)
    primary.switch()
    primary.beat(31, 40)
    primary.caught_up()
