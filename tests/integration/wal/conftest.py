"""The receiver as a fixture."""

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any, Protocol

import pytest

from tests.integration.wal.receiver import Receiver
from tests.support.servers import Server


class MakeRig(Protocol):
    """Makes a receiver; it is taken down when the test ends."""

    def __call__(self, server: Server, **wal: Any) -> Receiver: ...


@pytest.fixture
def make_rig() -> Iterator[MakeRig]:
    """Receivers of the test's own."""
    with ExitStack() as made:

        def make(server: Server, **wal: Any) -> Receiver:
            receiver = Receiver(server=server, wal=wal)
            made.callback(receiver.close)
            return receiver

        yield make


@pytest.fixture
def receiver(make_rig: MakeRig, private_server: Server) -> Receiver:
    """A receiver of a private PostgreSQL 17."""
    return make_rig(private_server)
