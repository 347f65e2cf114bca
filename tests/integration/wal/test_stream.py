"""Streaming: what arrives, how it is stored, and that PostgreSQL's and standard tools can use it."""

import datetime
import subprocess
import time

import pytest

from tests.integration.wal import rig as rigs
from tests.integration.wal.conftest import MakeRig
from tests.integration.wal.rig import Rig, wait_for
from tests.support.servers import Server

TESTERS = {"lz4": ["lz4", "-tq"], "zstd": ["zstd", "-tq"]}
SUFFIXES = {"lz4": ".lz4", "zstd": ".zst", "none": ""}


@pytest.mark.parametrize("compression", ["lz4", "zstd", "none"])
def test_segments_arrive_and_standard_tools_read_them(
    make_rig: MakeRig, private_server: Server, compression: str
) -> None:
    rig = make_rig(private_server, compression=compression)
    rig.start()
    rig.streaming()
    last = rig.fill(3)
    rig.arrived(last)
    assert rig.stop() == 0
    rig.whole()
    for entry in rig.entries().values():
        assert entry.path == f"{entry.name[:16]}/{entry.name}{SUFFIXES[compression]}"
        path = rig.archive / entry.path
        assert path.stat().st_size == entry.size_bytes
        assert path.stat().st_mode & 0o777 == 0o600
        if compression in TESTERS:
            subprocess.run([*TESTERS[compression], path], check=True)
    assert rig.state().status == "stopped"  # type: ignore[union-attr]


def test_every_major_version(make_rig: MakeRig, server: Server) -> None:
    rig = make_rig(server, slot=f"arrives{server.major}")
    rig.start()
    rig.streaming()
    last = rig.fill(2)
    rig.arrived(last)
    assert rig.stop() == 0
    rig.whole()
    state = rig.state()
    assert state is not None
    assert state.last_segment == last
    assert state.timeline == 1
    assert state.failures == 0
    raw = rig.folder / last
    with raw.open("wb") as out:
        subprocess.run(["lz4", "-dcq", rig.archive / last[:16] / f"{last}.lz4"], stdout=out, check=True)
    dump = [server.programs.tool("pg_waldump"), raw]
    answer = subprocess.run(dump, capture_output=True, text=True, check=False)
    assert "Heap" in answer.stdout


def test_an_idle_server_is_healthy(rig: Rig) -> None:
    rig.start()
    first = rig.streaming()
    rig.fill()
    before = rig.until("a moment is known", lambda state: state.recoverable_until is not None)
    assert before.recoverable_until is not None
    later = before.recoverable_until + datetime.timedelta(seconds=4)
    after = rig.until(
        "the moment moves on",
        lambda state: state.recoverable_until is not None and state.recoverable_until > later,
    )
    assert after.status == "streaming"
    assert after.failures == first.failures == 0
    assert after.last_reply_at is not None
    assert first.last_reply_at is not None
    assert after.last_reply_at > first.last_reply_at


def test_what_is_said_to_be_recoverable_is_recovered(rig: Rig) -> None:
    server = rig.server
    server.execute("create table heartbeat (id int primary key, at timestamptz default clock_timestamp())")
    rig.start()
    rig.streaming()
    base = rigs.base_backup(server, rig.folder)
    for number in range(40):
        server.execute(f"insert into heartbeat values ({number})")
        if number % 10 == 0:
            rig.fill()
        time.sleep(0.02)
    written = server.execute("select max(at) from heartbeat")[0][0]
    state = rig.until(
        "the last heartbeat is received",
        lambda state: state.recoverable_until is not None and state.recoverable_until > written,  # type: ignore[operator]
    )
    server.kill()
    wait_for("pg_receivewal has noticed", lambda: rig.receivewal is None)
    rig.until("the state says why", lambda state: state.status == "down" and state.message)
    with rigs.recovered(server, base, rig.archive) as found:
        assert found.execute("select count(*), max(at) from heartbeat") == [(40, written)]
    assert state.recoverable_until is not None


def test_a_restarted_server_is_streamed_from_again(rig: Rig) -> None:
    rig.start()
    rig.streaming()
    rig.arrived(rig.fill(2))
    rig.server.restart()
    last = rig.fill(2)
    rig.arrived(last)
    state = rig.until("it streams", lambda state: state.status == "streaming" and not state.message)
    assert 1 <= state.failures <= 4
    rig.stop()
    rig.whole()
