"""What a catalog of many records costs: its lists and overviews, the exporter's first look and scrapes."""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import yaml

from benchmarks.cli import once
from benchmarks.common import megabytes, table
from benchmarks.exporter import Process
from benchmarks.fleet import catalog
from pgbackstop_catalog.config.catalog_place import CatalogDatabase
from tests.support import catalogs, places, storages
from tests.support.servers import Server

PLANS = 1000
_SCRAPES = 50
_ROUNDS = 3
_PATIENCE = 1800.0  # seconds, on a machine that has other work
# With their exit codes: nothing runs here, so nothing is safe.
_COMMANDS = (
    (("list",), 0),
    (("list", "--status", "failed"), 0),
    (("list", "--status", "available"), 0),
    (("list", "--status", "missed"), 0),
    (("list", "--database", "shop"), 0),
    (("list", "plan-7"), 0),
    (("fleet", "status", "--json"), 1),
    (("status", "--json"), 1),
)
_Row = tuple[str, str, str]


def measure(server: Server, records: int) -> str:
    """Fill a database of the server with so many records, and ask; returns markdown."""
    folder = places.make()
    try:
        file = _configure(folder, catalog.create(server))
        catalog.fill(server, PLANS, records)
        size, number = server.execute(
            "select pg_total_relation_size('pgbackstop.records'), count(*) from pgbackstop.records",
            catalog.DATABASE,
        )[0]
        rows = [_timed(file, words, code) for words, code in _COMMANDS]
        first_look, scrapes = _export(file)
    finally:
        places.remove(folder)
    volume = f"{PLANS:,} plans in {megabytes(int(str(size)))} with their indexes."
    held = f"{int(str(number)):,} records of {volume}"
    head = ("", "by the clock", "processor time of the process")
    return "\n\n".join((held, table(head, [*rows, first_look]), scrapes))


def _configure(folder: Path, place: CatalogDatabase) -> Path:
    file = folder / "pgbackstop.yaml"
    document = {
        "catalog": catalogs.keys(place),
        "state_folder": str(folder / "state"),
        # Nobody is there: only the records matter.
        "servers": {f"server-{n}": {"wal": {"enabled": False}, "port": 9} for n in range(PLANS)},
        "storages": {"disk": {"kind": "folder", "path": str(folder / "store"), "reserve": 0}},
        "plans": {
            f"plan-{n}": {"server": f"server-{n}", "backup_type": "logical", "databases": ["shop"]}
            for n in range(PLANS)
        },
    }
    file.write_text(yaml.safe_dump(document))
    storages.create_for(file)
    return file


def _timed(file: Path, words: Sequence[str], code: int) -> _Row:
    argv = [sys.executable, "-m", "pgbackstop_runner.main", "--config", str(file), *words]
    walls, cpus = zip(*(once(argv, code) for _ in range(_ROUNDS)), strict=True)
    wall, cpu = statistics.median(walls) / 1000, statistics.median(cpus) / 1000
    return f"`{' '.join(words)}`", f"{wall:.2f} s", f"{cpu:.2f} s"


def _export(file: Path) -> tuple[_Row, str]:
    """The exporter on it: its first look, and a sentence on scrapes."""
    with Process(file) as exporter:
        first_look = exporter.until_ready(_PATIENCE)
        row = ("exporter's first look", f"{first_look:.1f} s", f"{exporter.cpu:.1f} s")
        exporter.scrape()  # the first one in a form builds the page in it
        scrapes = sorted(_scrapes(exporter))
        p50, p99 = statistics.median(scrapes), scrapes[int(len(scrapes) * 0.99)]
        return row, (
            f"Scrapes after it: {p50 * 1e3:.1f} ms at the median, {p99 * 1e3:.1f} ms p99, a page of "
            f"{len(exporter.read()) / 1e6:.1f} MB; the exporter held {megabytes(exporter.resident)}."
        )


def _scrapes(exporter: Process) -> Iterator[float]:
    for _ in range(_SCRAPES):
        yield exporter.scrape()[0]
        time.sleep(0.02)
