"""How long a real Prometheus takes to evaluate the shipped rules for 1,000 plans."""

from __future__ import annotations

import json
import math
import shutil
import socket
import statistics
import subprocess
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml

from benchmarks import common, exporter
from benchmarks.exporter import Process

title = "Rules"
EXPLANATION = """\
A real Prometheus scrapes a real exporter and evaluates both shipped rule files. Each plan is a daily one with
seven backups. *All is well*: each has its copy. *No copy anywhere*: each lacks it, so that one alert a plan
is pending, whose words Prometheus writes anew in each cycle. The disk has fifteen days of samples behind it,
one every 15 s, for the forecast. Times are Prometheus' own (`prometheus_rule_group_last_duration_seconds`); a
cycle is the sum of all groups, though they run side by side. Rules come every 15 s here, twice as often as
shipped, and share the machine with the scrapes and the exporter. Target: below 1 s at 1,000 plans.
"""
TARGET_SECONDS = 1.0
CYCLES = 8
_INTERVAL = 15
_DEADLINE = 180.0
_DAYS, _PAUSE = 15, 15
ALERTS = Path(__file__).resolve().parents[1] / "alerts"
SHAPES = ((100, True), (1_000, True), (1_000, False))


@dataclass(frozen=True, kw_only=True)
class Result:
    """Seconds of each group, cycle by cycle, and how much there was to do."""

    plans: int
    is_well: bool
    series: int
    alerts: int
    cycles: tuple[dict[str, float], ...]

    @property
    def totals(self) -> list[float]:
        """Seconds of each cycle."""
        return [sum(groups.values()) for groups in self.cycles]


class Prometheus:
    """On a free loopback port, with what ``folder`` holds; ended by its own process id."""

    def __init__(self, folder: Path, target: int) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._address = f"127.0.0.1:{free.getsockname()[1]}"
        config = folder / "prometheus.yml"
        pace = f"{_INTERVAL}s"
        scrapes = [
            {"job_name": "pgbackstop", "static_configs": [{"targets": [f"127.0.0.1:{target}"]}]},
            {"job_name": "prometheus", "static_configs": [{"targets": [self._address]}]},
        ]
        document = {
            "global": {"scrape_interval": pace, "evaluation_interval": pace},
            "rule_files": [str(path) for path in sorted(ALERTS.glob("*.rules.yml"))],
            "scrape_configs": scrapes,
        }
        config.write_text(yaml.safe_dump(document))
        command = ["prometheus", f"--config.file={config}", f"--storage.tsdb.path={folder / 'tsdb'}"]
        command += [f"--web.listen-address={self._address}", "--storage.tsdb.retention.time=30d"]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def __enter__(self) -> Prometheus:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        try:
            self._process.wait(60)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def ask(self, query: str) -> list[tuple[dict[str, str], float]]:
        """Labels and value of each answer; nothing while it starts."""
        address = f"http://{self._address}/api/v1/query?{urllib.parse.urlencode({'query': query})}"
        try:
            with urllib.request.urlopen(address, timeout=60) as response:
                answer = json.load(response)
        except (urllib.error.URLError, OSError):
            return []
        return [(each["metric"], float(each["value"][1])) for each in answer["data"]["result"]]

    def number(self, query: str) -> float:
        """The one value, 0 where there is none."""
        return next((value for _, value in self.ask(query)), 0.0)

    def until(self, query: str, least: float) -> None:
        """Wait until the answer is that much. Raises TimeoutError."""
        end = time.monotonic() + _DEADLINE
        while self.number(query) < least:
            if time.monotonic() > end or self._process.poll() is not None:
                raise TimeoutError(query)
            time.sleep(1)

    def groups(self) -> dict[str, float]:
        """Seconds of each group's last evaluation, from Prometheus' page: as fresh as it gets."""
        with urllib.request.urlopen(f"http://{self._address}/metrics", timeout=60) as response:
            lines = response.read().decode().splitlines()
        found = (line for line in lines if line.startswith("prometheus_rule_group_last_duration_seconds{"))
        return {line.rpartition(";")[2].partition('"')[0]: float(line.split()[-1]) for line in found}

    def cycles(self, number: int) -> Iterator[dict[str, float]]:
        """So many evaluations, one after the other."""
        for _ in range(number):
            time.sleep(_INTERVAL)
            yield self.groups()


def run(_options: object) -> str:
    """Every shape, as a section of docs/benchmarks.md."""
    if shutil.which("prometheus") is None:
        return "Not measured: Prometheus is not installed."
    results = [measure(plans, is_well=is_well) for plans, is_well in SHAPES]
    return f"{EXPLANATION}\n{_cycles(results)}\n\n{_groups(results[1])}"


def measure(plans: int, *, is_well: bool) -> Result:
    """One number of plans, with their copies or without."""
    folder = Path(tempfile.mkdtemp(prefix="pgbackstop-bench-"))
    try:
        exporter.make_catalog(folder / "catalog", plans, 7 * plans)
        with socket.create_server(("127.0.0.1", 0)) as hung:
            config = exporter.make_config(folder, plans, hung.getsockname()[1])
            if not is_well:
                _want_copies(config)
            with Process(config) as scraped:
                scraped.until_ready()
                _past(folder, scraped.port)
                with Prometheus(folder, scraped.port) as prometheus:
                    return _measure(prometheus, plans, is_well=is_well)
    finally:
        shutil.rmtree(folder)


def _measure(prometheus: Prometheus, plans: int, *, is_well: bool) -> Result:
    prometheus.until("count(backup_last_success_time)", plans)
    prometheus.until('count(ALERTS{alertname="BackupCopyMissing"})', 0 if is_well else plans)
    cycles = tuple(prometheus.cycles(CYCLES))
    return Result(
        plans=plans,
        is_well=is_well,
        series=int(prometheus.number('count({job="pgbackstop"})')),
        alerts=int(prometheus.number("count(ALERTS)")),
        cycles=cycles,
    )


def _want_copies(config: Path) -> None:
    document = yaml.safe_load(config.read_text())
    document["storages"]["offsite"] = {"kind": "s3", "bucket": "backups"}
    for plan in document["plans"].values():
        plan["copies"] = ["offsite"]
    config.write_text(yaml.safe_dump(document))


def _past(folder: Path, port: int) -> None:
    """Blocks with fifteen days of a disk that fills and empties with each week."""
    where = f'{{job="pgbackstop",instance="127.0.0.1:{port}",path="{folder}"}}'
    now = int(time.time()) - 600
    samples = (
        f"disk_free_bytes{where} {10**12 + 10**11 * math.sin(moment / 96000):.0f} {moment}\n"
        for moment in range(now - _DAYS * 86400, now, _PAUSE)
    )
    text = folder / "past.txt"
    with text.open("w") as file:
        file.write("# TYPE disk_free_bytes gauge\n")
        file.writelines(samples)
        file.write("# EOF\n")
    command = ["promtool", "tsdb", "create-blocks-from", "openmetrics", str(text), str(folder / "tsdb")]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def _cycles(results: list[Result]) -> str:
    rows = [
        (
            f"{each.plans:,}",
            "all is well" if each.is_well else "no copy anywhere",
            f"{each.series:,}",
            f"{each.alerts:,}",
            f"**{statistics.median(each.totals) * 1e3:.0f} ms**",
            f"{max(each.totals) * 1e3:.0f} ms",
            common.met(max(each.totals), TARGET_SECONDS),
        )
        for each in results
    ]
    head = ("plans", "", "series", "alerts pending or firing", "cycle, median", "slowest", "below 1 s")
    return common.table(head, rows)


def _groups(result: Result) -> str:
    names = sorted(result.cycles[0])
    rows = [
        (name, f"{statistics.median(each[name] for each in result.cycles) * 1e3:.1f} ms") for name in names
    ]
    return common.table((f"group, {result.plans:,} plans", "median"), rows)
