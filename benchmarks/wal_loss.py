"""WAL: how far the archive is behind a busy server, and what a killed server costs (``benchmarks.wal``)."""

from __future__ import annotations

import contextlib
import os
import statistics
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from datetime import datetime

import psycopg

from pgbackstop_catalog.decisions import wal_segments
from pgbackstop_runner.system.state_folder import StateFolder
from pgbackstop_runner.wal import state as wal_state
from tests.integration.wal import receiver as receivers
from tests.integration.wal.receiver import Receiver
from tests.support import binaries
from tests.support.servers import Server

SETTINGS = {
    "fsync": "on",
    "shared_buffers": "256MB",
    "max_wal_size": "16GB",
    "min_wal_size": "80MB",
    "checkpoint_timeout": "1h",
    "autovacuum": "off",
}
HEARTBEAT = 0.05  # seconds
LIMIT = 600.0  # seconds for one contender's round


def poll(probe: Callable[[], bool]) -> None:
    """Wait, looking often; raises TimeoutError after LIMIT."""
    deadline = time.monotonic() + LIMIT
    while not probe():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {LIMIT:.0f} s")
        time.sleep(0.01)


def lag(seconds: float) -> str:
    """From the moment a segment is full on the server until it is in the index, under pgbench."""
    with Server(binaries.reachable(17), settings=SETTINGS) as server:
        receiver = Receiver(server=server, forked=False)
        receiver.start()
        try:
            receiver.streaming()
            _pgbench(server, "--initialize", "--scale=20", "--quiet")
            server.execute("create table bulk (id int, word text)")
            script = receiver.folder / "bulk.sql"
            script.write_text(BULK)
            ends = _positions(server, seconds, f"--file={script}@1")
            time.sleep(2)
            lags = sorted(_lags(ends, receiver))
            state = receiver.state()
        finally:
            receiver.stop()
            receiver.close()
    assert state is not None
    assert not state.gaps
    worst, p95 = lags[-1], lags[int(len(lags) * 0.95)]
    return (
        f"| lag after a segment closes, full-speed pgbench ({len(lags)} segments) | seconds | target |\n"
        f"|---|---|---|\n| median | {statistics.median(lags):.2f} | |\n"
        f"| 95th percentile | {p95:.2f} | |\n| **longest** | {worst:.2f} | < 1 |"
    )


BULK = r"""
\set n random(1, 1000000)
insert into bulk select :n + g, md5((:n + g)::text) || repeat('lorem ipsum ', 4)
from generate_series(1, 500) g;
"""


def _positions(server: Server, seconds: float, bulk: str) -> list[tuple[int, float]]:
    """Flushed positions and when they were seen, while pgbench runs its own transactions and bulk loads."""
    words = ("--client=4", "--jobs=1", f"--time={seconds:.0f}", "--no-vacuum", "--builtin=tpcb-like@4", bulk)
    process = _start_pgbench(server, *words)
    seen: list[tuple[int, float]] = []
    with server.connect() as connection:
        while process.poll() is None:
            row = connection.execute("select pg_current_wal_flush_lsn() - '0/0'").fetchone()
            assert row is not None
            seen.append((int(str(row[0])), time.time()))
            time.sleep(0.02)
    assert process.returncode == 0
    return seen


def _lags(seen: list[tuple[int, float]], receiver: Receiver) -> Iterator[float]:
    started = seen[0][0]
    for entry in receiver.entries().values():
        end = wal_segments.Segment.parse(entry.name).next().number * wal_segments.DEFAULT_SEGMENT_BYTES
        closed = next((moment for position, moment in seen if position >= end), None)
        if closed is not None and end > started:
            yield entry.archived_at.timestamp() - closed


def _pgbench(server: Server, *words: str) -> None:
    process = _start_pgbench(server, *words)
    assert process.wait(LIMIT) == 0


def _start_pgbench(server: Server, *words: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [server.programs.tool("pgbench"), *words],
        env={**os.environ, **server.environment},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def rpo(rounds: int) -> str:
    """Kill -9 the server under heartbeats and pgbench, recover from base backup and archive, count."""
    rows = [_lost(number) for number in range(1, rounds + 1)]
    head = (
        "| kill -9 of the server, then recovery | heartbeats acknowledged | rows lost | seconds lost "
        "| target |\n|---|---|---|---|---|"
    )
    return "\n".join((head, *rows))


def _lost(number: int) -> str:
    with Server(binaries.reachable(17), settings=SETTINGS) as server:
        receiver = Receiver(server=server, forked=False)
        receiver.start()
        try:
            receiver.streaming()
            server.execute("create table heartbeat (id int primary key, at timestamptz not null)")
            base = receivers.base_backup(server, receiver.folder)
            _pgbench(server, "--initialize", "--scale=2", "--quiet")
            load = _start_pgbench(server, "--client=2", "--time=120", "--no-vacuum", "--rate=200")
            last = _beat(server, 10.0)
            load.wait(60)
            poll(lambda: receiver.receivewal is None)
            claimed = wal_state.read(StateFolder(receiver.catalog).wal("main"))
            with receivers.recovered(server, base, receiver.archive) as found:
                row = found.execute("select count(*), max(at) from heartbeat")[0]
        finally:
            receiver.stop()
            receiver.close()
    count, newest = int(str(row[0])), row[1]
    assert isinstance(newest, datetime)
    assert claimed is not None
    seconds = (last[1] - newest).total_seconds()
    return f"| round {number} | {last[0]} | {last[0] - count} | {max(0.0, seconds):.2f} | ≤ 1 |"


def _beat(server: Server, seconds: float) -> tuple[int, datetime]:
    """Heartbeats until the server is killed amid them: how many were acknowledged, and the last."""
    count, moment = 0, None
    killer = threading.Timer(seconds, server.kill)
    killer.start()
    with contextlib.suppress(psycopg.OperationalError), server.connect() as connection:
        while True:
            row = connection.execute(
                b"insert into heartbeat values (%s, clock_timestamp()) returning at", (count + 1,)
            ).fetchone()
            assert row is not None
            count, moment = count + 1, row[0]
            time.sleep(HEARTBEAT)
    killer.join()
    assert isinstance(moment, datetime)
    return count, moment
