"""A disk that goes away under what runs all the time: it says so, makes nothing, and goes on later."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.daemon.conftest import Daemons, until
from tests.integration.wal.receiver import Receiver
from tests.support import mounts
from tests.support.mounts import Disk
from tests.support.servers import Server

pytestmark = pytest.mark.root


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Disk]:
    with mounts.disk(tmp_path / "store") as made:
        yield made


def test_the_daemon_goes_on_when_its_catalog_is_back(store: Disk, daemons: Daemons) -> None:
    daemons.configure({"p": {"schedule": "0 0 1 1 *"}})
    daemon = daemons.start_and_wait()
    with store.away():
        until(lambda: "The catalog is not there" in daemons.log(), "a line in the log")
        # Several heartbeats later it is still one line, and the mount point still empty.
        before = daemons.log()
        assert daemon.poll() is None
    last = daemons.state()
    assert last is not None
    until(lambda: (now := daemons.state()) and now.heartbeat_at > last.heartbeat_at, "another heartbeat")
    assert before.count("The catalog is not there") == 1
    assert daemons.stop(daemon) == 0


def test_the_receiver_goes_on_when_its_archive_is_back(
    store: Disk, private_server: Server, tmp_path: Path
) -> None:
    receiver = Receiver(server=private_server, folder=tmp_path)
    with contextlib.closing(receiver):
        receiver.start()
        receiver.streaming()
        receiver.arrived(receiver.fill())
        with store.away():
            receiver.until("it says so", lambda state: "The storage local is not there" in state.message)
            name = receiver.fill()
        receiver.streaming()
        receiver.arrived(name)
        assert receiver.stop() == 0
        receiver.whole()
