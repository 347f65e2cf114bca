"""What a scrape takes while something hangs, ours and others': run as ``python -m benchmarks hung``.

The exporter and postgres_exporter beside a real PostgreSQL that is stopped by SIGSTOP; the exporter also with
a catalog whose files cannot be read to their end.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import secrets
import shutil
import statistics
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import yaml

from benchmarks import common, exporter, peers
from benchmarks.data import full_build
from tests.support import places, ports
from tests.support.servers import SUPERUSER, Server

title = "What hangs"
PLANS = 100
RECORDS = 1_000
BACKUPS = 10
SCRAPES = 150
PAUSE = 0.3  # so that the scrapes outlast the exporter's own time limits of 5 to 30 s
TARGET_SECONDS = 1.0
PATIENCE = 10.0  # seconds; Prometheus' default
EXPLANATION = f"""\
{PLANS} plans with {RECORDS:,} records of a real PostgreSQL; {SCRAPES} scrapes, {PAUSE} s apart. *Stopped*:
every process of the server by SIGSTOP. *Catalog hung*: a file of it whose reading never ends (a pipe that
nobody writes to). `postgres_exporter` is Debian's, with its default collectors; `pgbackrest info` is what an
exporter of pgBackRest runs and parses, over {BACKUPS} backups of one stanza. Target: below 1 s, whatever
hangs.
"""


@dataclass(frozen=True, kw_only=True)
class Result:
    """Seconds of each scrape; None is one without an answer in time."""

    program: str
    state: str
    times: tuple[float | None, ...]


def run(_options: object) -> str:
    """All of it, as a section of docs/benchmarks.md."""
    folder = places.make()
    settings = {"archive_mode": "on", "archive_command": "true"}
    try:
        with Server(full_build(15), settings=settings) as server:
            results = [*_exporter(folder, server), *_postgres_exporter(folder, server)]
            info = _pgbackrest(folder, server)
    finally:
        shutil.rmtree(folder)
    rows = [_row(each) for each in results] + info
    head = ("program", "state", "scrape p50", "p99", "slowest", "below 1 s")
    return f"{EXPLANATION}\n{common.table(head, rows)}"


def _exporter(folder: Path, server: Server) -> Iterator[Result]:
    root = folder / "catalog"
    exporter.make_catalog(root, PLANS, RECORDS)
    config = exporter.make_config(folder, PLANS, server.port)
    document = yaml.safe_load(config.read_text())
    document["servers"]["main"] |= {"user": SUPERUSER, "password_file": str(server.password_file)}
    config.write_text(yaml.safe_dump(document))
    with exporter.Process(config) as ours:
        ours.until_ready()
        _says(ours, b'\nbackup_postgres_up{server="main"} 1.0\n')

        def scrape() -> float:
            return ours.scrape()[0]

        yield _measured("pgbackstop-exporter", "all answers", scrape)
        with _stopped(server):
            yield _measured("pgbackstop-exporter", "PostgreSQL stopped", scrape)
            _says(ours, b'\nbackup_postgres_up{server="main"} 0.0\n')
        with _pipe(root / "backups" / "plan-0"):
            yield _measured("pgbackstop-exporter", "catalog hung", scrape)
            _says(ours, b"\nbackup_catalog_up 0.0\n")


def _says(process: exporter.Process, line: bytes) -> None:
    """Wait until it does: what answers, or hangs, is told. Raises Failed."""
    common.until(lambda: line in process.read(), line.decode(), 60)


def _postgres_exporter(folder: Path, server: Server) -> Iterator[Result]:
    program = shutil.which("prometheus-postgres-exporter")
    if program is None:
        return
    port = ports.free()
    argv = [program, f"--web.listen-address=127.0.0.1:{port}", "--log.level=error"]
    environment = {
        "DATA_SOURCE_URI": f"127.0.0.1:{server.port}/postgres?sslmode=disable",
        "DATA_SOURCE_USER": SUPERUSER,
        "DATA_SOURCE_PASS_FILE": str(server.password_file),
    }
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(argv, env={**os.environ, **environment}, stdout=log, stderr=log)
    try:
        scrape = _theirs(port)
        common.until(lambda: scrape() is not None, "postgres_exporter", 60)
        yield _measured("postgres_exporter", "all answers", scrape)
        with _stopped(server):
            yield _measured("postgres_exporter", "PostgreSQL stopped", scrape, scrapes=3)
    finally:
        process.terminate()
        process.wait(60)


def _theirs(port: int) -> Callable[[], float | None]:
    def scrape() -> float | None:
        began = time.perf_counter()
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
        with contextlib.closing(connection):
            try:
                connection.request("GET", "/metrics", headers=exporter.HEADERS)
                connection.getresponse().read()
            except OSError:
                return None
        return time.perf_counter() - began

    return scrape


def _pgbackrest(folder: Path, server: Server) -> list[tuple[str, ...]]:
    command = peers.pgbackrest_info(server, folder, BACKUPS)
    if command is None:
        return []
    times = []
    for _ in range(20):
        began = time.perf_counter()
        common.quietly(command)
        times.append(time.perf_counter() - began)
    return [("pgbackrest info", "all answers", _ms(statistics.median(times)), "", _ms(max(times)), "")]


@contextlib.contextmanager
def _stopped(server: Server) -> Iterator[None]:
    postmaster = psutil.Process(server.pid)
    family = [postmaster, *postmaster.children(recursive=True)]
    for each in family:
        each.suspend()
    try:
        yield
    finally:
        for each in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                each.resume()


@contextlib.contextmanager
def _pipe(plan: Path) -> Iterator[None]:
    path = plan / f"20260101T000000Z-{secrets.token_hex(3)}.json"
    os.mkfifo(path)
    try:
        yield
    finally:
        # Whoever reads it is let go.
        with contextlib.suppress(OSError):
            os.close(os.open(path, os.O_WRONLY | os.O_NONBLOCK))
        path.unlink()


def _measured(
    program: str, state: str, scrape: Callable[[], float | None], *, scrapes: int = SCRAPES
) -> Result:
    times = []
    for _ in range(scrapes):
        times.append(scrape())
        time.sleep(PAUSE)
    return Result(program=program, state=state, times=tuple(times))


def _row(each: Result) -> tuple[str, ...]:
    answered = sorted(taken for taken in each.times if taken is not None)
    if len(answered) < len(each.times):
        none = f"{len(each.times) - len(answered)} of {len(each.times)} without an answer in {PATIENCE:.0f} s"
        return each.program, each.state, none, "", "", "**no**"
    p99 = answered[int(len(answered) * 0.99)]
    shown = (_ms(statistics.median(answered)), _ms(p99), _ms(answered[-1]))
    return each.program, each.state, *shown, common.met(answered[-1], TARGET_SECONDS)


def _ms(seconds: float) -> str:
    return f"{seconds * 1e3:.1f} ms"
