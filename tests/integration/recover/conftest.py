"""Yards as fixtures."""

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any, Protocol

import pytest

from tests.integration.recover import yard as yards
from tests.integration.recover.yard import Yard
from tests.support import binaries
from tests.support.fixtures import MakeServer
from tests.support.servers import Server


class MakeYard(Protocol):
    """Makes a yard with a private server of that major version, heartbeats' table included."""

    def __call__(self, major: int = binaries.DEFAULT_MAJOR, **settings: Any) -> Yard: ...


@pytest.fixture
def make_yard(make_server: MakeServer) -> Iterator[MakeYard]:
    """Yards of the test's own; ``server`` has more settings of the server, ``wal`` and ``plan`` of ours."""
    with ExitStack() as made:

        def make(major: int = binaries.DEFAULT_MAJOR, **settings: Any) -> Yard:
            server = make_server(
                major,
                settings={**yards.SETTINGS, **settings.get("server", {})},
                environment=settings.get("environment"),
            )
            server.execute(yards.BEATS)
            new = Yard(server, settings.get("wal", {}), settings.get("plan", {}))
            made.callback(new.close)
            return new

        yield make


@pytest.fixture(scope="module", params=binaries.MAJORS, ids=[f"pg{m}" for m in binaries.MAJORS])
def history(request: pytest.FixtureRequest) -> Iterator[Yard]:
    """Each major version with a backup, and forty heartbeats in three segments after it."""
    yield from _history(request.param)


@pytest.fixture(scope="module")
def history17() -> Iterator[Yard]:
    """The same on the default version alone."""
    yield from _history(binaries.DEFAULT_MAJOR)


def _history(major: int) -> Iterator[Yard]:
    try:
        programs = binaries.reachable(major)
    except binaries.NotInstalledError as error:
        pytest.skip(str(error))
    with Server(programs, settings=yards.SETTINGS) as server:
        server.execute(yards.BEATS)
        yard = Yard(server)
        try:
            _fill(yard)
            yield yard
        finally:
            yard.close()


def _fill(yard: Yard) -> None:
    yard.receive()
    yard.backup()
    yard.beat(1, 10)
    yard.server.execute("select pg_create_restore_point('after ten')")
    yard.beat(11, 20)
    yard.switch()
    yard.beat(21, 30)
    yard.switch()
    yard.beat(31, 40)
    yard.caught_up()
