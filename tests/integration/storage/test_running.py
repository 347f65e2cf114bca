"""A disk that goes away under what runs all the time: it says so, makes nothing, and goes on later."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.daemon.conftest import House, until
from tests.integration.wal.rig import Rig
from tests.support import mounts
from tests.support.mounts import Disk
from tests.support.servers import Server

pytestmark = pytest.mark.root


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Disk]:
    with mounts.disk(tmp_path / "store") as made:
        yield made


def test_the_daemon_goes_on_when_its_catalog_is_back(store: Disk, house: House) -> None:
    house.configure({"p": {"schedule": "0 0 1 1 *"}})
    daemon = house.start_and_wait()
    with store.away():
        until(lambda: "The catalog is not there" in house.log(), "a line in the log")
        # Several heartbeats later it is still one line, and the mount point still empty.
        before = house.log()
        assert daemon.poll() is None
    last = house.state()
    assert last is not None
    until(lambda: (now := house.state()) and now.heartbeat_at > last.heartbeat_at, "another heartbeat")
    assert before.count("The catalog is not there") == 1
    assert house.stop(daemon) == 0


def test_the_receiver_goes_on_when_its_archive_is_back(
    store: Disk, private_server: Server, tmp_path: Path
) -> None:
    rig = Rig(server=private_server, folder=tmp_path)
    with contextlib.closing(rig):
        rig.start()
        rig.streaming()
        rig.arrived(rig.fill())
        with store.away():
            rig.until("it says so", lambda state: "The storage local is not there" in state.message)
            name = rig.fill()
        rig.streaming()
        rig.arrived(name)
        assert rig.stop() == 0
        rig.whole()
