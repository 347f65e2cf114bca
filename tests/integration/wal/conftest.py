"""The rig as a fixture."""

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any, Protocol

import pytest

from tests.integration.wal.rig import Rig
from tests.support.servers import Server


class MakeRig(Protocol):
    """Makes a rig; it is taken down when the test ends."""

    def __call__(self, server: Server, **wal: Any) -> Rig: ...


@pytest.fixture
def make_rig() -> Iterator[MakeRig]:
    """Receivers of the test's own."""
    with ExitStack() as made:

        def make(server: Server, **wal: Any) -> Rig:
            rig = Rig(server=server, wal=wal)
            made.callback(rig.close)
            return rig

        yield make


@pytest.fixture
def rig(make_rig: MakeRig, private_server: Server) -> Rig:
    """A receiver of a private PostgreSQL 17."""
    return make_rig(private_server)
