"""How fast and how small the exporter is: run as ``python -m benchmarks.exporter``.

Real records in a real folder, the exporter as a process of its own, scraped as Prometheus scrapes it
(OpenMetrics, gzip, one connection kept). In the same run and process as the reader, prometheus-client's
``generate_latest`` renders the same families. Prints a table of medians in Markdown.
"""

from __future__ import annotations

import argparse
import gzip
import http.client
import secrets
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil
import yaml
from prometheus_client import generate_latest
from prometheus_client.core import Metric as ClientMetric
from prometheus_client.registry import Collector

from pgbackstop_catalog.records import codec
from pgbackstop_catalog.records.attempt import Status
from pgbackstop_catalog.records.backup import Backup, StoredFile
from pgbackstop_exporter import supervisor
from pgbackstop_exporter.families.samples import Families
from pgbackstop_exporter.snapshot import CATALOG, Health, Snapshot
from pgbackstop_exporter.sources.catalog import CatalogSource
from pgbackstop_exporter.web import page as web_page
from tests.support import storages

HEADERS = {"Accept": "application/openmetrics-text;version=1.0.0", "Accept-Encoding": "gzip"}
KEPT = 7
SCRAPES = 200
title = "Exporter"
EXPLANATION = """\
The exporter as a process, scraped as Prometheus does (OpenMetrics, gzip, one connection kept), while a run
ends every 20 scrapes and PostgreSQL hangs: it accepts connections and never answers. *First look* is the
time from the start until every record was read. `generate_latest` is prometheus-client rendering the same
families, plain, in the same run: what each scrape would take, on the event loop, without pages that are
built ahead. Targets: p99 below 50 ms at 100 plans and 250 ms at 1,000, the same at 100 and 100,000
records; below 80 MB resident; a run visible within 30 s.
"""
START_SECONDS = 300.0
SHAPES = ((100, 100), (100, 10_000), (100, 100_000), (1_000, 1_000), (1_000, 10_000), (1_000, 100_000))


@dataclass(frozen=True, kw_only=True)
class Result:
    """One line of the table; times in seconds, sizes in bytes."""

    plans: int
    records: int
    series: int
    page: int
    first_look: float
    p50: float
    p99: float
    slowest: float
    client: float
    resident: int
    visible: float


def record(plan: str, number: int, ended: datetime, *, expired: bool) -> Backup:
    """A success with what a small database's record holds: files, row counts, tools."""
    started = ended - timedelta(seconds=60)
    return Backup(
        id=f"{started:%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}",
        plan=plan,
        server="main",
        database="shop",
        backup_type="logical",
        status=Status.SUCCEEDED,
        trigger="schedule",
        scheduled_for=started.replace(microsecond=0),
        started_at=started,
        finished_at=ended,
        duration_seconds=60.0 + number % 7,
        size_bytes=10**7 + number,
        source_size_bytes=10**8,
        files=(StoredFile(path="shop.backup", size_bytes=10**7, sha256="0" * 64),),
        row_counts={f'"public"."table_{n}"': n * 1000 for n in range(20)},
        tools={"pg_dump": "17.11"},
        expired_at=ended if expired else None,
    )


def make_catalog(root: Path, plans: int, records: int) -> None:
    """Records spread over the plans, one a day, of which the newest KEPT are kept."""
    each = records // plans
    now = datetime.now(UTC)
    for plan in range(plans):
        folder = root / "backups" / f"plan-{plan}"
        folder.mkdir(parents=True)
        for number in range(each):
            made = record(f"plan-{plan}", number, now - timedelta(days=number), expired=number >= KEPT)
            (folder / f"{made.id}.json").write_bytes(codec.encode(made))


def make_config(folder: Path, plans: int, port: int) -> Path:
    """As many logical plans of one server, each of one database."""
    one = {"server": "main", "backup_type": "logical", "databases": ["shop"]}
    path = folder / "pgbackstop.yaml"
    document = {
        "servers": {"main": {"port": port, "wal": {"enabled": False}}},
        "plans": {f"plan-{plan}": one for plan in range(plans)},
        "storages": {"local": {"kind": "folder", "path": str(folder)}},
    }
    path.write_text(yaml.safe_dump(document))
    storages.create_for(path)
    return path


class Client(Collector):
    """Our families for prometheus-client to render, made beforehand."""

    def __init__(self, found: Families) -> None:
        self._metrics = []
        for metric, samples in found.at(time.time()):
            name = metric.name.removesuffix("_total") if metric.kind == "counter" else metric.name
            family = ClientMetric(name, metric.help, metric.kind)
            for where, value in samples:
                family.add_sample(metric.name, dict(where.pairs), value)
            self._metrics.append(family)

    def collect(self) -> Iterator[ClientMetric]:
        return iter(self._metrics)


def time_client(config: Path, root: Path, repeats: int) -> tuple[float, int]:
    """Median seconds of generate_latest for the same families, and their number of series."""
    snapshot = Snapshot(
        settings=supervisor.read_settings(config),
        catalog=CatalogSource.of_folder(root).refresh(),
        health={CATALOG: Health(success=True, duration=0.1, last_success=time.time())},
    )
    found = web_page.build(snapshot, now=time.time())
    client = Client(found)
    times = []
    for _ in range(repeats):
        began = time.perf_counter()
        text = generate_latest(client)
        times.append(time.perf_counter() - began)
    return statistics.median(times), sum(not line.startswith(b"#") for line in text.splitlines())


class Process:
    """The exporter, started and ended by its own process id."""

    def __init__(self, config: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        address = f"--web.listen-address=127.0.0.1:{self.port}"
        command = [sys.executable, "-m", "pgbackstop_exporter.main", address, f"--config.file={config}"]
        self._process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        self._connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)

    def __enter__(self) -> Process:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()
        self._process.terminate()
        self._process.wait(60)

    @property
    def resident(self) -> int:
        """Bytes of memory that it holds."""
        return int(psutil.Process(self._process.pid).memory_info().rss)

    @property
    def cpu(self) -> float:
        """Seconds of processor time that it took so far."""
        used = psutil.Process(self._process.pid).cpu_times()
        return float(used.user + used.system)

    def until_ready(self, limit: float = START_SECONDS) -> float:
        """Seconds until the catalog was read for the first time."""
        began = time.monotonic()
        while time.monotonic() - began < limit:
            try:
                body = self.read()
            except OSError:
                self._connection.close()
            else:
                if b"\nbackup_last_success_time{" in body:
                    return time.monotonic() - began
            time.sleep(0.1)
        raise TimeoutError

    def read(self) -> bytes:
        """The page as text, asked for in the form that Prometheus wants: no other form is kept for us."""
        return gzip.decompress(self.scrape()[1])

    def scrape(self) -> tuple[float, bytes]:
        """Seconds of one scrape, and its bytes."""
        began = time.perf_counter()
        self._connection.request("GET", "/metrics", headers=HEADERS)
        answer = self._connection.getresponse()
        body = answer.read()
        assert answer.status == 200
        return time.perf_counter() - began, body


def measure(plans: int, records: int, scrapes: int) -> Result:
    """One shape, with PostgreSQL hung all the while: it accepts connections and never answers."""
    folder = Path(tempfile.mkdtemp(prefix="pgbackstop-bench-"))
    try:
        with socket.create_server(("127.0.0.1", 0)) as hung:
            make_catalog(folder / "catalog", plans, max(records, plans))
            config = make_config(folder, plans, hung.getsockname()[1])
            return _measure(folder, config, plans, records, scrapes)
    finally:
        shutil.rmtree(folder)


def _measure(folder: Path, config: Path, plans: int, records: int, scrapes: int) -> Result:
    with Process(config) as exporter:
        first_look = exporter.until_ready()
        exporter.scrape()  # the first one in a form builds the page in it
        times = []
        for number in range(scrapes):
            if number % 20 == 0:  # something is always going on: a run ends, the page is built anew
                _finish_run(folder, plan=number % plans)
            times.append(exporter.scrape()[0])
            time.sleep(0.02)
        page = len(exporter.read())
        visible = _time_until_visible(exporter, folder)
        resident = exporter.resident
    client, series = time_client(config, folder / "catalog", 3)
    ordered = sorted(times)
    return Result(
        plans=plans,
        records=records,
        series=series,
        page=page,
        first_look=first_look,
        p50=statistics.median(times),
        p99=ordered[int(len(ordered) * 0.99)],
        slowest=ordered[-1],
        client=client,
        resident=resident,
        visible=visible,
    )


def _finish_run(folder: Path, *, plan: int) -> Backup:
    made = record(f"plan-{plan}", 0, datetime.now(UTC), expired=False)
    path = folder / "catalog" / "backups" / made.plan / f"{made.id}.json"
    temporary = path.with_suffix(".tmp")
    temporary.write_bytes(codec.encode(made))
    temporary.replace(path)
    return made


def _time_until_visible(exporter: Process, folder: Path) -> float:
    """Seconds from a record's appearance until a scrape shows it."""
    made = _finish_run(folder, plan=0)
    assert made.finished_at is not None
    began = time.monotonic()
    while time.monotonic() - began < 60:
        for line in exporter.read().splitlines():
            if line.startswith(b"backup_last_success_time") and b'"plan-0"' in line:
                shown = float(line.split()[-1])
                if abs(shown - made.finished_at.timestamp()) < 0.01:
                    return time.monotonic() - began
        time.sleep(0.1)
    raise TimeoutError


def table(results: list[Result]) -> str:
    """The results in Markdown."""
    head = (
        "| plans | records | series | page | first look | scrape p50 | p99 | slowest | `generate_latest` | "
        "resident | run visible after |\n|---|---|---|---|---|---|---|---|---|---|---|\n"
    )
    return head + "".join(_line(each) for each in results)


def _line(each: Result) -> str:
    cells = (
        f"{each.plans:,}",
        f"{each.records:,}",
        f"{each.series:,}",
        f"{each.page / 1e6:.2f} MB",
        f"{each.first_look:.1f} s",
        f"{each.p50 * 1e3:.1f} ms",
        f"{each.p99 * 1e3:.1f} ms",
        f"{each.slowest * 1e3:.1f} ms",
        f"{each.client * 1e3:.0f} ms",
        f"{each.resident / 1e6:.0f} MB",
        f"{each.visible:.1f} s",
    )
    return "| " + " | ".join(cells) + " |\n"


def run(_options: object) -> str:
    """Every shape, as a section of docs/benchmarks.md."""
    return f"{EXPLANATION}\n{table([measure(plans, records, SCRAPES) for plans, records in SHAPES])}"


def main() -> None:
    """Measure every shape, or those that are named."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scrapes", type=int, default=SCRAPES, help="per shape; %(default)s")
    parser.add_argument("--shape", action="append", metavar="PLANS,RECORDS", help="only this one; repeatable")
    options = parser.parse_args()
    shapes = [tuple(map(int, each.split(","))) for each in options.shape or ()] or list(SHAPES)
    results = []
    for plans, records in shapes:
        results.append(measure(plans, records, options.scrapes))
        print(table(results[-1:]).splitlines()[-1], flush=True)
    print()
    print(table(results))


if __name__ == "__main__":
    main()
