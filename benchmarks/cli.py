"""How fast `pgbackstop list` answers, as a person waits for it: process start to last byte.

usage: python -m benchmarks.cli [--runs N] [--json]

CPU is the least processor time of a run, which other work on the machine hardly changes.

Targets: < 250 ms with 50 records, < 1 s with 10,000 (`--all`). The records are like real ones: 12 files and
300 row counts each.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

from benchmarks import common
from pgbackstop_catalog.records import codec
from pgbackstop_catalog.records.attempt import Status
from pgbackstop_catalog.records.backup import Backup, StoredFile
from tests.support import storages

title = "Command line"
RUNS = 9
_TIMES = ("median_ms", "best_ms", "cpu_ms")
_PROGRAM = Path(sys.executable).with_name("pgbackstop")


@dataclass(frozen=True, kw_only=True)
class Case:
    """A command line over so many records, and how long it may take.

    With ``servers`` there are so many of a group, with two plans each, which share the records.
    """

    name: str
    records: int
    arguments: tuple[str, ...]
    target_ms: float | None = None
    code: int = 0
    servers: int = 0


CASES = (
    Case(name="python -c pass, for scale", records=0, arguments=()),
    Case(name="--version", records=0, arguments=("--version",)),
    Case(name="list, 50 records", records=50, arguments=("list",), target_ms=250),
    # Nothing runs here, so nothing is safe.
    Case(name="status, 50 records", records=50, arguments=("status",), code=1),
    Case(name="list, newest 50 of 10,000", records=10_000, arguments=("list",), target_ms=250),
    Case(name="list --all, 10,000 records", records=10_000, arguments=("list", "--all"), target_ms=1000),
    Case(name="list --status failed, 10,000", records=10_000, arguments=("list", "--status", "failed")),
    Case(name="list, 1,000 servers", records=10_000, arguments=("list",), servers=1000),
    Case(name="config check, 1,000 servers", records=10_000, arguments=("config", "check"), servers=1000),
    Case(
        name="fleet status, 1,000 servers",
        records=10_000,
        arguments=("fleet", "status"),
        servers=1000,
        target_ms=2500,
        code=1,  # nothing runs here either
    ),
    Case(
        name="fleet search, 1,000 servers",
        records=10_000,
        arguments=("fleet", "search", "server-0042"),
        servers=1000,
        target_ms=2500,
    ),
)


def measure(runs: int) -> list[dict[str, object]]:
    """Median and best of each case, in milliseconds."""
    with tempfile.TemporaryDirectory(prefix="pgbackstop-bench-") as folder:
        wanted = {(case.records, case.servers) for case in CASES}
        configs = {each: _fill(Path(folder), *each) for each in wanted}
        return [_result(case, configs[case.records, case.servers], runs) for case in CASES]


def _result(case: Case, config: Path, runs: int) -> dict[str, object]:
    argv = [str(_PROGRAM), "--config", str(config), *case.arguments]
    if not case.arguments:
        argv = [sys.executable, "-c", "pass"]
    once(argv, case.code)  # which writes bytecode where it is missing
    times, processor = zip(*(once(argv, case.code) for _ in range(runs)), strict=True)
    return {
        "case": case.name,
        "median_ms": round(statistics.median(times)),
        "best_ms": round(min(times)),
        "cpu_ms": round(min(processor)),
        "target_ms": case.target_ms,
    }


def once(argv: list[str], code: int) -> tuple[float, float]:
    """Wall and processor time in milliseconds; the second says more on a machine with other work."""
    before, started = _processor_seconds(), time.perf_counter()
    done = subprocess.run(argv, check=False, stdout=subprocess.DEVNULL)
    assert done.returncode == code, done
    wall = time.perf_counter() - started
    return wall * 1000, (_processor_seconds() - before) * 1000


def _processor_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _fill(folder: Path, count: int, servers: int) -> Path:
    """A configuration whose catalog holds ``count`` records, of one server or of many."""
    home = folder / f"{count}-{servers}"
    home.mkdir()
    config = home / "pgbackstop.yaml"
    config.write_text(_FLEET.replace("COUNT", str(servers)) if servers else _ONE)
    if servers:
        for number in range(servers):
            for kind in ("logical", "physical"):
                _fill_plan(home, count // servers // 2, f"server-{number + 1:04}", kind)
    else:
        _fill_plan(home, count, "main", "logical")
    storages.create_for(config)
    return config


_ONE = "servers: {main: {}}\nstorages: {disk: {kind: folder, path: store}}\n"
_FLEET = """
storages: {disk: {kind: folder, path: store}}
groups:
  all:
    servers: ["server-[0001:COUNT]"]
    labels: {team: payments}
    plans:
      logical: {backup_type: logical, schedule: "H H * * *"}
      physical: {backup_type: physical, schedule: "H H * * *"}
"""


def _fill_plan(home: Path, count: int, server: str, kind: Literal["logical", "physical"]) -> None:
    backups = home / "store" / "catalog" / "backups" / f"{server}-{kind}"
    backups.mkdir(parents=True)
    newest = datetime(2026, 11, 22, 2, tzinfo=UTC)
    model = codec.encode(_record(0, newest, server, kind)), codec.encode(_record(9, newest, server, kind))
    for number in range(count):
        moment = newest - timedelta(hours=number)
        backup_id = f"{moment:%Y%m%dT%H%M%SZ}-{number:06x}"
        text = model[number % 10 == 9].replace(b"2026-11-22T02", f"{moment:%Y-%m-%dT%H}".encode())
        first, _, rest = text.partition(b'"id": "')
        content = first + b'"id": "' + backup_id.encode() + rest[len(backup_id) :]
        (backups / f"{backup_id}.json").write_bytes(content)


def _record(number: int, moment: datetime, server: str, kind: Literal["logical", "physical"]) -> Backup:
    failed = number % 10 == 9
    return Backup(
        id=f"{moment:%Y%m%dT%H%M%SZ}-{number:06x}",
        plan=f"{server}-{kind}",
        server=server,
        database="shop" if kind == "logical" else "",
        backup_type=kind,
        status=Status.FAILED if failed else Status.SUCCEEDED,
        message="pg_dump ended with status 1: connection lost" if failed else "",
        started_at=moment,
        finished_at=moment + timedelta(seconds=41),
        duration_seconds=41.2,
        size_bytes=0 if failed else 1_234_567_890,
        files=tuple(
            StoredFile(path=f"{part}.dat.zst", size_bytes=100_000_000, sha256=f"{part:064x}")
            for part in range(12)
        ),
        row_counts={f'"public"."table_{table}"': table * 1000 for table in range(300)},
    )


def run(_options: common.Options) -> str:
    """Every case, as a section of docs/benchmarks.md."""
    head = ("process, start to last byte", "median", "best", "CPU", "target", "met")
    return common.table(head, [_cells(each) for each in measure(RUNS)])


def _cells(result: dict[str, object]) -> tuple[str, ...]:
    target, median = result["target_ms"], result["median_ms"]
    verdict = ("", "")
    if isinstance(target, int | float) and isinstance(median, int | float):
        verdict = (f"< {target:.0f} ms", common.met(median, target))
    return (str(result["case"]), *(f"{result[key]} ms" for key in _TIMES), *verdict)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--runs", type=int, default=RUNS)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    results = measure(given.runs)
    if given.json:
        print(json.dumps(results, indent=2))
        return
    print(f"{'case':<32}{'median':>9}{'best':>9}{'CPU':>9} {'target':>8}")
    for each in results:
        target = f"{each['target_ms']} ms" if each["target_ms"] else ""
        times = "".join(f"{each[key]:>6} ms" for key in _TIMES)
        print(f"{each['case']:<32}{times} {target:>8}")


if __name__ == "__main__":
    main()
