"""The fixtures that hand out real PostgreSQL servers and databases.

pg15, pg16, pg17, pg18   a server of that major version, shared by the session: do not stop it
server                   all of them, one after the other
edge_server              the oldest and the newest of them: for what those between do as one of these
database                 a fresh database with the small shop, on `server` or `edge_server` if the
                         test also asks for that, else on pg17
make_server              starts private servers: make_server(16, settings={...}, durable=True)
private_server           a private pg17, to be stopped and killed
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from typing import Protocol

import pytest

from tests.support import binaries, databases
from tests.support.databases import Database
from tests.support.servers import SUPERUSER, Server


class MakeServer(Protocol):
    """Starts a private server; it is removed when the test ends."""

    def __call__(
        self,
        major: int = binaries.DEFAULT_MAJOR,
        *,
        settings: Mapping[str, str] | None = None,
        durable: bool = False,
        environment: Mapping[str, str] | None = None,
        superuser: str = SUPERUSER,
        initdb: Sequence[str] = (),
    ) -> Server: ...


def _programs(major: int) -> binaries.Binaries:
    try:
        return binaries.reachable(major)
    except binaries.NotInstalledError as error:
        pytest.skip(str(error))


def _shared(major: int) -> Iterator[Server]:
    with Server(_programs(major)) as server:
        yield server


def _of(major: int) -> Callable[[], Iterator[Server]]:
    @pytest.fixture(scope="session", name=f"pg{major}")
    def of_major() -> Iterator[Server]:
        """A server of that major version, shared by the session."""
        yield from _shared(major)

    return of_major


# pytest takes a fixture for what a plugin's module has.
globals().update({f"pg{major}": _of(major) for major in binaries.MAJORS})


@pytest.fixture(scope="session", params=binaries.MAJORS, ids=[f"pg{m}" for m in binaries.MAJORS])
def server(request: pytest.FixtureRequest) -> Server:
    """Each supported major version, one after the other, shared by the session."""
    found = request.getfixturevalue(f"pg{request.param}")
    assert isinstance(found, Server)
    return found


@pytest.fixture(scope="session", params=binaries.EDGES, ids=[f"pg{m}" for m in binaries.EDGES])
def edge_server(request: pytest.FixtureRequest) -> Server:
    """The oldest and the newest supported major version, shared by the session."""
    found = request.getfixturevalue(f"pg{request.param}")
    assert isinstance(found, Server)
    return found


@pytest.fixture
def database(request: pytest.FixtureRequest) -> Iterator[Database]:
    """A fresh database with the small shop, on each `server` or `edge_server` that the test asks for too."""
    asked = [name for name in ("server", "edge_server") if name in request.fixturenames]
    name = asked[0] if asked else f"pg{binaries.DEFAULT_MAJOR}"
    fresh = databases.clone(request.getfixturevalue(name))
    yield fresh
    fresh.drop()


@pytest.fixture
def make_server() -> Iterator[MakeServer]:
    """Starts private servers with settings of the test's choice."""
    with ExitStack() as started:

        def make(
            major: int = binaries.DEFAULT_MAJOR,
            *,
            settings: Mapping[str, str] | None = None,
            durable: bool = False,
            environment: Mapping[str, str] | None = None,
            superuser: str = SUPERUSER,
            initdb: Sequence[str] = (),
        ) -> Server:
            new = Server(
                _programs(major),
                settings=settings,
                durable=durable,
                environment=environment,
                superuser=superuser,
                initdb=initdb,
            )
            return started.enter_context(new)

        yield make


@pytest.fixture
def private_server(make_server: MakeServer) -> Server:
    """A PostgreSQL 17 of the test's own, to be stopped and killed."""
    return make_server()
