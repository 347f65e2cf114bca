"""WAL: durable segments a second, lag behind a busy server, and what a killed server costs.

usage: python -m benchmarks.wal [--segments N] [--rounds N] [--part speed|lag|rpo] [--output FILE]

Speed: one backlog of WAL on PostgreSQL 15 (the newest that Debian's pgBackRest knows) is archived again
and again, each time by another program, A B C A B C, after one discarded round. What counts is the rate
between the first and the last segment that is durable in the archive, so no program's start counts.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import common, data, wal_loss
from pgbackstop_catalog.decisions import wal_segments
from tests.integration.wal.receiver import Receiver, wait_for
from tests.support import accounts, places
from tests.support.servers import Server

title = "WAL"
SETTINGS = {
    **wal_loss.SETTINGS,
    "archive_mode": "on",
    "archive_command": "false",
    "max_replication_slots": "20",
}
HOLD = "bench_hold"
ROUNDS, SEGMENTS = 3, 120


@dataclass(frozen=True, kw_only=True)
class Backlog:
    """WAL that waits on a server: its complete segments, the oldest first."""

    server: Server
    names: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Contender:
    """A program that archives the backlog; ``run`` returns segments a second."""

    name: str
    target: str
    run: Callable[[Backlog], float]


def make_backlog(server: Server, segments: int) -> Backlog:
    """Rows of text, JSON and numbers; the WAL compresses two to three times. The slot keeps it."""
    server.execute(f"select pg_create_physical_replication_slot('{HOLD}', true)")
    server.execute("create table load (id int, word text, doc jsonb, amount float8)")
    first = _insert_position(server)
    number = 0
    while _insert_position(server) - first < segments * wal_segments.DEFAULT_SEGMENT_BYTES:
        number += 1
        server.execute(
            f"""insert into load select g, md5((g + {number})::text) || ' ' || repeat('lorem ipsum ', 4),
                jsonb_build_object('name', 'item ' || g, 'tags', array['red', 'blue'], 'size', g % 97),
                random() from generate_series(1, 50000) g"""
        )
    row = server.execute(
        f"select pg_walfile_name(restart_lsn), pg_walfile_name(pg_switch_wal() - 1) "
        f"from pg_replication_slots where slot_name = '{HOLD}'"
    )[0]
    server.execute("checkpoint")
    start, end = (wal_segments.Segment.parse(str(name)) for name in row)
    names = [
        wal_segments.Segment(timeline=1, number=number).name()
        for number in range(start.number, end.number + 1)
    ]
    os.sync()
    return Backlog(server=server, names=tuple(names))


def _insert_position(server: Server) -> int:
    return wal_segments.parse_lsn(str(server.execute("select pg_current_wal_insert_lsn()")[0][0]))


@contextlib.contextmanager
def _slot(backlog: Backlog) -> Iterator[str]:
    """A slot at the beginning of the backlog."""
    name = "bench_run"
    backlog.server.execute(f"select pg_copy_physical_replication_slot('{HOLD}', '{name}')")
    try:
        yield name
    finally:
        query = (
            f"select pg_drop_replication_slot(slot_name) from pg_replication_slots where slot_name = '{name}'"
        )

        def dropped() -> bool:
            with contextlib.suppress(Exception):
                backlog.server.execute(query)
            return not backlog.server.execute(
                f"select 1 from pg_replication_slots where slot_name = '{name}'"
            )

        wait_for("the slot is free", dropped)


def _rate(first: float, last: float, count: int) -> float:
    return (count - 1) / (last - first)


def plain_receivewal(backlog: Backlog, compress: str) -> float:
    """pg_receivewal as it comes, into a folder."""
    folder = places.make()
    suffix = ".lz4" if compress == "lz4" else ""
    ends = [folder / f"{name}{suffix}" for name in (backlog.names[0], backlog.names[-1])]
    with _slot(backlog) as slot:
        argv = [str(backlog.server.programs.tool("pg_receivewal")), f"--directory={folder}", f"--slot={slot}"]
        process = subprocess.Popen(
            [*argv, f"--compress={compress}", "--no-loop"],
            env={**os.environ, **backlog.server.environment},
            stderr=subprocess.DEVNULL,
        )
        try:
            first, last = _watch(*ends)
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(30)
    places.remove(folder)
    return _rate(first, last, len(backlog.names))


def _watch(first: Path, last: Path) -> tuple[float, float]:
    """When each of two files was seen to appear, seconds by the monotonic clock."""
    moments: dict[Path, float] = {}

    def both() -> bool:
        for path in (first, last):
            if path not in moments and path.exists():
                moments[path] = time.monotonic()
        return len(moments) == 2

    wal_loss.poll(both)
    return moments[first], moments[last]


def our_stream(backlog: Backlog, compression: str) -> float:
    """``pgbackstop wal receive``: what counts is the index, which is written last."""
    with _slot(backlog) as slot:
        receiver = _receiver(backlog, {"slot": slot, "compression": compression})
        receiver.start()
        try:
            return _indexed(receiver, backlog)
        finally:
            receiver.stop()
            places.remove(receiver.folder)


def our_command(backlog: Backlog, compression: str) -> float:
    """The shipped script as archive_command, and the receiver that checks, hashes and indexes meanwhile."""
    receiver = _receiver(backlog, {"method": "archive_command", "compression": compression})
    account = accounts.unprivileged()
    settings = receiver.command("wal", "archive-command", "main").stdout
    command = next(line for line in settings.splitlines() if line.startswith("archive_command"))
    # The server runs the script as its own account, which must reach what the receiver's made.
    for path in (receiver.folder, *receiver.folder.rglob("*")):
        account.own(path)
    receiver.folder.chmod(0o755)
    receiver.start()
    try:
        wal_loss.poll((receiver.archive / wal_segments.IDENTITY_NAME).exists)  # the receiver is ready
        _archive(backlog, command.partition("=")[2].strip())
        return _indexed(receiver, backlog)
    finally:
        receiver.stop()
        places.remove(receiver.folder)


def _receiver(backlog: Backlog, wal: dict[str, Any]) -> Receiver:
    return Receiver(server=backlog.server, wal=wal, forked=False)


def _indexed(receiver: Receiver, backlog: Backlog) -> float:
    """The rate by the index, which is written last."""
    wal_loss.poll(lambda: backlog.names[-1] in receiver.entries())
    entries = receiver.entries()
    first, last = (entries[name].archived_at.timestamp() for name in (backlog.names[0], backlog.names[-1]))
    return _rate(first, last, len(backlog.names))


def pgbackrest(backlog: Backlog) -> float:
    """pgBackRest asynchronously with two processes, lz4, as its users set it up for speed."""
    folder = places.make()
    account = accounts.unprivileged()
    conf = folder / "pgbackrest.conf"
    conf.write_text(
        f"""[global]
repo1-path={folder}/repo
log-path={folder}/log
spool-path={folder}/spool
lock-path={folder}/lock
log-level-console=warn
archive-async=y
process-max=2
compress-type=lz4
[bench]
pg1-path={backlog.server.data}
pg1-port={backlog.server.port}
pg1-socket-path={backlog.server.folder}
pg1-user=postgres
"""
    )
    for name in ("repo", "log", "spool", "lock"):
        (folder / name).mkdir()
    for path in (folder, *folder.iterdir()):
        account.own(path)
    call = ["pgbackrest", f"--config={conf}", "--stanza=bench"]
    passfile = folder / "pgpass"
    passfile.touch(mode=0o600)
    passfile.write_text(f"*:*:*:postgres:{backlog.server.password}\n")
    account.own(passfile)
    environment = {**os.environ, **backlog.server.environment, "PGPASSFILE": str(passfile)}
    subprocess.run([*call, "stanza-create"], check=True, env=environment, **account.credentials)
    try:
        return _archive(backlog, "'" + " ".join([*call, "archive-push", "%p"]) + "'")
    finally:
        _set_command(backlog.server, "'false'")
        time.sleep(1)
        places.remove(folder)


def _archive(backlog: Backlog, command: str) -> float:
    """Let the server's archiver work through the backlog; the rate by the server's own view."""
    server = backlog.server
    status = server.data / "pg_wal" / "archive_status"
    for name in backlog.names:
        done, ready = status / f"{name}.done", status / f"{name}.ready"
        if done.exists():
            done.rename(ready)
        elif not ready.exists():
            ready.touch(mode=0o600)
            accounts.unprivileged().own(ready)
    _set_command(server, command)
    first, last = (status / f"{name}.done" for name in (backlog.names[0], backlog.names[-1]))
    try:
        return _rate(*_watch(first, last), len(backlog.names))
    finally:
        _set_command(server, "'false'")


def _set_command(server: Server, value: str) -> None:
    server.execute(f"alter system set archive_command = {value}")
    server.execute("select pg_reload_conf()")


def speed(segments: int, rounds: int) -> str:
    """The table of rates."""
    contenders = [
        Contender(name="pg_receivewal, lz4", target="", run=lambda each: plain_receivewal(each, "lz4")),
        Contender(
            name="**pgbackstop, streaming, lz4**", target="≥ 28", run=lambda each: our_stream(each, "lz4")
        ),
        Contender(name="pg_receivewal, none", target="", run=lambda each: plain_receivewal(each, "none")),
        Contender(name="pgbackstop, streaming, zstd", target="", run=lambda each: our_stream(each, "zstd")),
        Contender(
            name="**pgbackstop, archive_command, lz4**",
            target="≥ 20",
            run=lambda each: our_command(each, "lz4"),
        ),
    ]
    if shutil.which("pgbackrest"):
        contenders.append(Contender(name="pgBackRest async, 2 processes, lz4", target="", run=pgbackrest))
    rates: dict[str, list[float]] = {contender.name: [] for contender in contenders}
    with Server(data.full_build(15), settings=SETTINGS) as server:
        backlog = make_backlog(server, segments)
        for number in range(rounds + 1):
            for contender in contenders:
                rate = contender.run(backlog)
                print(f"  {contender.name}: {rate:.1f} segments/s (round {number})", flush=True)
                if number:
                    rates[contender.name].append(rate)
    base = statistics.median(rates[contenders[0].name])
    rows = [
        f"| {each.name} | {_spread(rates[each.name])} | {statistics.median(rates[each.name]) / base:.2f} "
        f"| {each.target} |"
        for each in contenders
    ]
    head = (
        "| durable 16 MB segments a second | median (lowest to highest) | ratio | target |\n|---|---|---|---|"
    )
    return "\n".join((head, *rows))


def _spread(values: list[float]) -> str:
    return f"{statistics.median(values):.1f} ({min(values):.1f} to {max(values):.1f})"


def run(options: common.Options) -> str:
    """All parts, as a section of docs/benchmarks.md."""
    return _measured(("speed", "lag", "rpo"), SEGMENTS, options.rounds)


def _measured(parts: Sequence[str], segments: int, rounds: int) -> str:
    measures = {
        "speed": lambda: speed(segments, rounds),
        "lag": lambda: wal_loss.lag(30.0),
        "rpo": lambda: wal_loss.rpo(rounds),
    }
    return "\n\n".join(measures[part]() for part in parts)


def main() -> None:
    """Measure what was asked for, and write the section."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--segments", type=int, default=SEGMENTS)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--part", choices=("speed", "lag", "rpo"), action="append")
    parser.add_argument("--output", type=Path)
    given = parser.parse_args()
    parts = given.part or ("speed", "lag", "rpo")
    text = f"## {title}\n\n{_measured(parts, given.segments, given.rounds)}\n"
    sys.stdout.write("\n" + text)
    if given.output:
        given.output.write_text(text)


if __name__ == "__main__":
    main()
