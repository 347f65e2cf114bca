"""What a catalog of many records costs: its lists and overviews, the exporter's first look and scrapes."""

from __future__ import annotations

import resource
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

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
_COMMANDS = (
    ("list",),
    ("list", "--status", "failed"),
    ("list", "--status", "available"),
    ("list", "--status", "missed"),
    ("list", "--database", "shop"),
    ("list", "plan-7"),
    ("fleet", "status", "--json"),
    ("status", "--json"),
)


@dataclass(frozen=True, kw_only=True)
class Command:
    """Seconds of a command: the median by the clock, and that of the processor's for the process itself."""

    words: str
    wall: float
    cpu: float


@dataclass(frozen=True, kw_only=True)
class Exported:
    """The exporter on it, by the clock in seconds; ``peak`` and ``page`` in bytes."""

    first_look: float
    cpu: float
    scrapes: tuple[float, ...]
    resident: int
    page: int


@dataclass(frozen=True, kw_only=True)
class Records:
    """All of it; ``size`` is the table's with its indexes, in bytes."""

    number: int
    size: int
    commands: tuple[Command, ...]
    exported: Exported


def measure(server: Server, records: int) -> Records:
    """Fill a database of the server with so many records, and ask."""
    folder = places.make()
    try:
        file = _configure(folder, catalog.create(server))
        catalog.fill(server, PLANS, records)
        size, number = server.execute(
            "select pg_total_relation_size('pgbackstop.records'), count(*) from pgbackstop.records",
            catalog.DATABASE,
        )[0]
        return Records(
            number=int(str(number)),
            size=int(str(size)),
            commands=tuple(_timed(file, words) for words in _COMMANDS),
            exported=_export(file),
        )
    finally:
        shutil.rmtree(folder)


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


def _timed(file: Path, words: Sequence[str]) -> Command:
    walls, cpus = [], []
    for _ in range(_ROUNDS):
        began, used = time.perf_counter(), _cpu()
        subprocess.run(
            [sys.executable, "-m", "pgbackstop_runner.main", "--config", str(file), *words],
            stdout=subprocess.DEVNULL,
            check=False,  # status tells by its exit code that nothing is safe here
        )
        walls.append(time.perf_counter() - began)
        cpus.append(_cpu() - used)
    return Command(words=" ".join(words), wall=statistics.median(walls), cpu=statistics.median(cpus))


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _export(file: Path) -> Exported:
    with Process(file) as exporter:
        first_look = exporter.until_ready(_PATIENCE)
        cpu = exporter.cpu
        exporter.scrape()  # the first one in a form builds the page in it
        return Exported(
            first_look=first_look,
            cpu=cpu,
            scrapes=tuple(sorted(_scrapes(exporter))),
            resident=exporter.resident,
            page=len(exporter.read()),
        )


def _scrapes(exporter: Process) -> Iterator[float]:
    for _ in range(_SCRAPES):
        yield exporter.scrape()[0]
        time.sleep(0.02)


def report(found: Records) -> str:
    """Markdown."""
    exported = found.exported
    p50, p99 = statistics.median(exported.scrapes), exported.scrapes[int(len(exported.scrapes) * 0.99)]
    rows = [(f"`{each.words}`", f"{each.wall:.2f} s", f"{each.cpu:.2f} s") for each in found.commands]
    rows.append(("exporter's first look", f"{exported.first_look:.1f} s", f"{exported.cpu:.1f} s"))
    return (
        f"{found.number:,} records of {PLANS:,} plans in {megabytes(found.size)} with their indexes.\n\n"
        f"{table(('', 'by the clock', 'processor time of the process'), rows)}\n\n"
        f"Scrapes after it: {p50 * 1e3:.1f} ms at the median, {p99 * 1e3:.1f} ms p99, a page of "
        f"{exported.page / 1e6:.1f} MB; the exporter held {megabytes(exported.resident)}."
    )
