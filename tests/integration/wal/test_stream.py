"""Streaming: what arrives, how it is stored, and that PostgreSQL's and standard tools can use it."""

import datetime
import json
import signal
import subprocess
import time
from typing import Any

import pytest

from pgbackstop_catalog.decisions import wal_segments
from tests.integration.wal import receiver as receivers
from tests.integration.wal.conftest import MakeRig
from tests.integration.wal.receiver import Receiver, wait_for
from tests.support import binaries
from tests.support.servers import Server

TESTERS = {"lz4": ["lz4", "-tq"], "zstd": ["zstd", "-tq"]}
SUFFIXES = {"lz4": ".lz4", "zstd": ".zst", "none": ""}


@pytest.mark.parametrize("compression", ["lz4", "zstd", "none"])
def test_segments_arrive_and_standard_tools_read_them(
    make_rig: MakeRig, private_server: Server, compression: str
) -> None:
    receiver = make_rig(private_server, compression=compression)
    receiver.start()
    receiver.streaming()
    last = receiver.fill(3)
    receiver.arrived(last)
    assert receiver.stop() == 0
    receiver.whole()
    for entry in receiver.entries().values():
        assert entry.path == f"{entry.name[:16]}/{entry.name}{SUFFIXES[compression]}"
        path = receiver.archive / entry.path
        assert path.stat().st_size == entry.size_bytes
        assert path.stat().st_mode & 0o777 == 0o600
        if compression in TESTERS:
            subprocess.run([*TESTERS[compression], path], check=True)
    assert receiver.state().status == "stopped"  # type: ignore[union-attr]


def test_every_major_version(make_rig: MakeRig, server: Server) -> None:
    receiver = make_rig(server, slot=f"arrives{server.major}")
    receiver.start()
    receiver.streaming()
    last = receiver.fill(2)
    receiver.arrived(last)
    assert receiver.stop() == 0
    receiver.whole()
    state = receiver.state()
    assert state is not None
    assert state.last_segment == last
    assert state.timeline == 1
    assert state.failures == 0
    raw = receiver.folder / last
    with raw.open("wb") as out:
        subprocess.run(["lz4", "-dcq", receiver.archive / last[:16] / f"{last}.lz4"], stdout=out, check=True)
    dump = [server.programs.tool("pg_waldump"), raw]
    answer = subprocess.run(dump, capture_output=True, text=True, check=False)
    assert "Heap" in answer.stdout


def test_an_idle_server_is_healthy(receiver: Receiver) -> None:
    receiver.start()
    first = receiver.streaming()
    receiver.fill()
    before = receiver.until("a moment is known", lambda state: state.recoverable_until is not None)
    assert before.recoverable_until is not None
    later = before.recoverable_until + datetime.timedelta(seconds=2)
    after = receiver.until(
        "the moment moves on",
        lambda state: state.recoverable_until is not None and state.recoverable_until > later,
    )
    assert after.status == "streaming"
    assert after.failures == first.failures == 0
    assert after.last_reply_at is not None
    assert first.last_reply_at is not None
    assert after.last_reply_at > first.last_reply_at


@pytest.mark.parametrize("compression", ["lz4", "zstd"])
def test_what_is_said_to_be_recoverable_is_recovered(
    make_rig: MakeRig, private_server: Server, compression: str
) -> None:
    receiver, server = make_rig(private_server, compression=compression), private_server
    server.execute("create table heartbeat (id int primary key, at timestamptz default clock_timestamp())")
    receiver.start()
    receiver.streaming()
    base = receivers.base_backup(server, receiver.folder)
    for number in range(40):
        server.execute(f"insert into heartbeat values ({number})")
        if number % 10 == 0:
            receiver.fill()
        time.sleep(0.02)
    written = server.execute("select max(at) from heartbeat")[0][0]
    state = receiver.until(
        "the last heartbeat is received",
        lambda state: state.recoverable_until is not None and state.recoverable_until > written,  # type: ignore[operator]
    )
    server.kill()
    wait_for("pg_receivewal has noticed", lambda: receiver.receivewal is None)
    receiver.until("the state says why", lambda state: state.status == "down" and state.message)
    with receivers.recovered(server, base, receiver.archive) as found:
        assert found.execute("select count(*), max(at) from heartbeat") == [(40, written)]
    assert state.recoverable_until is not None


def test_nothing_that_counts_as_received_is_only_in_memory(receiver: Receiver) -> None:
    server = receiver.server
    server.execute("create table heartbeat (id int primary key, at timestamptz default clock_timestamp())")
    receiver.start()
    receiver.streaming()
    base = receivers.base_backup(server, receiver.folder)
    receiver.arrived(receiver.fill())
    for number in range(20):  # far less than a block of lz4
        server.execute(f"insert into heartbeat values ({number})")
    written = server.execute("select max(at) from heartbeat")[0][0]
    receiver.until(
        "the last heartbeat counts as received",
        lambda state: state.recoverable_until is not None and state.recoverable_until > written,  # type: ignore[operator]
    )
    child = wait_for("pg_receivewal runs", lambda: receiver.receivewal)
    child.kill()  # it can write nothing down any more, and the server is gone before it is started again
    server.kill()
    receiver.stop(signal.SIGKILL)
    with receivers.recovered(server, base, receiver.archive) as found:
        assert found.execute("select count(*), max(at) from heartbeat") == [(20, written)]


def test_a_restarted_server_is_streamed_from_again(receiver: Receiver) -> None:
    receiver.start()
    receiver.streaming()
    receiver.arrived(receiver.fill(2))
    receiver.server.restart()
    last = receiver.fill(2)
    receiver.arrived(last)
    state = receiver.until(
        "it streams", lambda state: state.status == "streaming" and not state.message and state.failures >= 1
    )
    assert state.failures <= 8  # no crash loop
    receiver.stop()
    receiver.whole()


def test_a_promotion_is_followed(receiver: Receiver) -> None:
    receiver.start()
    receiver.streaming()
    last = receiver.fill(2)
    receiver.arrived(last)
    receiver.server.stop()
    (receiver.server.data / "standby.signal").touch()
    receiver.server.start()
    receiver.until(
        "it streams from the standby", lambda state: state.status == "streaming" and not state.message
    )
    assert receiver.server.execute("select pg_promote()") == [(True,)]
    new = receiver.fill(2)
    assert new.startswith("00000002")
    receiver.arrived(new)
    state = receiver.until("it follows", lambda state: state.timeline == 2 and state.status == "streaming")
    assert state.gaps == ()
    assert receiver.entries()["00000002.history"].path == "00000002.history"
    history = (receiver.archive / "00000002.history").read_text()
    assert wal_segments.parse_history(history) is not None
    receiver.stop()


def test_a_build_without_lz4_is_helped_out(receiver: Receiver) -> None:
    programs = receiver.server.programs
    script = (
        'case "$*" in *--compress=lz4*)\n'
        '    echo "pg_receivewal: error: this build does not support compression with LZ4" >&2; exit 1 ;;\n'
        f'esac\nexec {programs.tool("pg_receivewal")} "$@"'
    )
    receiver.bin_dir = binaries.with_script(programs, receiver.folder / "bin", "pg_receivewal", script)
    receiver.start()
    receiver.streaming()
    last = receiver.fill(2)
    receiver.arrived(last)
    receiver.stop()
    receiver.whole()
    subprocess.run(["lz4", "-tq", receiver.archive / receiver.entries()[last].path], check=True)


def test_status_works_with_everything_down(receiver: Receiver) -> None:
    empty = receiver.command("wal", "status")
    assert empty.returncode == 0
    assert "never ran" in empty.stdout
    receiver.start()
    receiver.streaming()
    receiver.base_backup_record()
    last = receiver.fill()
    receiver.arrived(last)

    def growing() -> dict[str, Any] | None:
        """The report, once the receiver's state has come as far as the archive: it is a second behind."""
        report: dict[str, Any] = json.loads(receiver.command("wal", "status", "main", "--json").stdout)[0]
        return report if [each["ends"] for each in report["windows"]] == ["received"] else None

    running = wait_for("a window that grows", growing)
    assert running["receiver_running"]
    assert running["slot_active"]
    assert running["lag_bytes"] is not None
    receiver.stop()
    receiver.server.stop()
    down = receiver.command("wal", "status")
    assert down.returncode == 0
    assert "main: the server does not answer: Nothing answers" in down.stdout
    assert "main: no receiver runs" in down.stdout
    report = json.loads(receiver.command("wal", "status", "--json").stdout)[0]
    assert report["lag_bytes"] is None
    assert report["segments"] == len(receiver.segments())
    assert report["windows"][0]["end"] >= running["windows"][0]["end"]
    assert receiver.command("wal", "status", "other").returncode == 7


def test_one_receiver_for_each_server(receiver: Receiver) -> None:
    receiver.start()
    receiver.streaming()
    second = receiver.command("wal", "receive", "main")
    assert second.returncode == 4
    assert "The WAL receiver of main is already running" in second.stderr
    receiver.wal["enabled"] = False
    refused = receiver.command("wal", "receive", "main")
    assert refused.returncode == 2
    assert "wal.enabled" in refused.stderr
