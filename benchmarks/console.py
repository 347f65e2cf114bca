"""What the console takes of the daemon that serves it: run as ``python -m benchmarks.console``.

The daemon as a process of its own, with real records in a real folder; each page is asked for in turn, by one
who is logged in, the API by a token. CPU is what all threads of the daemon were running, by the kernel's own
count: other work on the machine hardly changes it.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import re
import secrets
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlencode

import bcrypt
import psutil
import yaml

from benchmarks import common, exporter
from pgbackstop_catalog.model import utc_now
from pgbackstop_runner import workspace
from pgbackstop_runner.console import tokens
from tests.support import places, ports

title = "Web console"
PLANS, RECORDS, ROUNDS = 100, 10_000, 10
PAGE_MS, API_MS, FIRST_PAGE, START_SECONDS = 100.0, 50.0, 150_000, 120.0
FRESH = 2.1  # seconds after which the overview is read anew, and not shown as it was
EXPLANATION = """\
The daemon with {plans:,} plans and {records:,} records, its console asked {rounds} times for each page.
CPU is that of all threads of the daemon during one answer; what the daemon does of its own meanwhile
counts too. The overview is read anew each time: that is done every 2 s at most, for all who look, and by
pages that follow the stream only when something changed. *First page* is what a browser fetches that was
never here: the overview, styles and scripts.
"""
ADDRESS = re.compile(rb'(?:href|src)="([^"]*/static/[^"]+)"')


@dataclass(frozen=True, kw_only=True)
class Page:
    """What is asked for, and the most milliseconds of CPU that it may take; ``rest`` is waited before."""

    name: str
    path: str
    target_ms: float = PAGE_MS
    rest: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Result:
    """Milliseconds of each answer, and the bytes of the last."""

    page: Page
    wall: tuple[float, ...]
    cpu: tuple[float, ...]
    size: int


@dataclass(kw_only=True)
class Daemon:
    """A daemon whose console answers, and one who asks it."""

    process: psutil.Process
    port: int
    headers: Mapping[str, str]

    def ask(self, method: str, path: str, body: str | None = None) -> tuple[http.client.HTTPResponse, bytes]:
        """One request and its answer, on a connection of its own."""
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)) as line:
            line.request(method, path, body, headers=dict(self.headers))
            answer = line.getresponse()
            return answer, answer.read()

    def get(self, path: str) -> bytes:
        """What is there. Raises Failed where it is refused."""
        answer, body = self.ask("GET", path)
        if answer.status != 200:
            raise common.Failed(f"{path}: {answer.status}: {body.decode(errors='replace')[-500:]}")
        return body

    def cpu(self) -> float:
        """Seconds that its threads were running, so far."""
        threads = Path(f"/proc/{self.process.pid}/task").glob("*/schedstat")
        return sum(int(each.read_text().split()[0]) for each in threads) / 1e9

    def answers(self) -> bool:
        """Whether the login is shown. Raises Failed where the daemon has ended."""
        if not self.process.is_running():
            raise common.Failed("The daemon has ended.")
        try:
            return self.ask("GET", "/login")[0].status == 200
        except OSError:
            return False


def pages(newest: str) -> tuple[Page, ...]:
    """All that is asked for; ``newest`` is a backup's id."""
    return (
        Page(name="overview", path="/", rest=FRESH),
        Page(name="backups", path="/backups"),
        Page(name="backups, filtered, none found", path="/backups?state=failed"),
        Page(name="backups of a plan", path="/backups?plan=plan-7"),
        Page(name="a backup", path=f"/backups/{newest}"),
        Page(name="plans", path="/plans"),
        Page(name="a plan with its plots", path="/plans/plan-7"),
        Page(name="retention of a plan", path="/plans/plan-7/retention"),
        Page(name="restores", path="/restores"),
        Page(name="activity", path="/activity"),
        Page(name="API, status", path="/api/v1/status", target_ms=API_MS, rest=FRESH),
        Page(name="API, backups", path="/api/v1/backups", target_ms=API_MS),
        Page(name="API, backups that failed, none", path="/api/v1/backups?status=failed", target_ms=API_MS),
    )


def measure(daemon: Daemon, page: Page, rounds: int) -> Result:
    """Ask so many times, after once that is not counted."""
    size = len(daemon.get(page.path))
    wall, cpu = [], []
    for _ in range(rounds):
        time.sleep(page.rest)
        before, began = daemon.cpu(), time.perf_counter()
        size = len(daemon.get(page.path))
        wall.append((time.perf_counter() - began) * 1000)
        cpu.append((daemon.cpu() - before) * 1000)
    return Result(page=page, wall=tuple(wall), cpu=tuple(cpu), size=size)


def first_page(daemon: Daemon) -> int:
    """Bytes of the overview with all that it refers to, and the script that its script starts."""
    overview = daemon.get("/")
    others = {"/static/worker.js", *(each.decode() for each in ADDRESS.findall(overview))}
    return len(overview) + sum(len(daemon.get(each)) for each in others)


@contextlib.contextmanager
def running(plans: int, records: int) -> Iterator[Daemon]:
    """A daemon over such a catalog, with somebody who has logged in."""
    folder, port, password = places.make(), ports.free(), secrets.token_urlsafe()
    try:
        exporter.make_catalog(folder / "catalog", plans, records)
        config = _configured(exporter.make_config(folder, plans, ports.free()), port, password)
        opened = workspace.open_workspace(config, on_invalid_record=lambda _error: None)
        secret, _ = tokens.create(
            opened, "bench", "viewer", seconds=86400, operator="bench", now=utc_now() - timedelta(seconds=1)
        )
        argv = [sys.executable, "-m", "pgbackstop_runner.main", "--config", str(config), "daemon"]
        with subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            try:
                made = Daemon(process=psutil.Process(process.pid), port=port, headers={})
                common.until(made.answers, "the console", START_SECONDS)
                made.headers = {"Cookie": _login(made, password), "Authorization": f"Bearer {secret}"}
                yield made
            finally:
                process.terminate()
    finally:
        shutil.rmtree(folder)


def _configured(config: Path, port: int, password: str) -> Path:
    """The same configuration with a console, and nothing that is due while we measure."""
    hashed = bcrypt.hashpw(password.encode(), bcrypt.gensalt(4)).decode()
    document = yaml.safe_load(config.read_text())
    for plan in document["plans"].values():
        plan |= {"schedule": f"0 0 1 {utc_now().month % 12 + 1} *", "drill": {"enabled": False}}
    users = {"vera": {"role": "viewer", "password_hash": hashed}}
    document["console"] = {"listen": f"127.0.0.1:{port}", "users": users}
    config.write_text(yaml.safe_dump(document))
    return config


def _login(daemon: Daemon, password: str) -> str:
    """The cookie of a session."""
    daemon.headers = {"Content-Type": "application/x-www-form-urlencoded"}
    answer, body = daemon.ask("POST", "/login", urlencode({"name": "vera", "password": password}))
    if answer.status != 303:
        raise common.Failed(f"login: {answer.status}: {body.decode()[-500:]}")
    return answer.headers["Set-Cookie"].partition(";")[0]


def report(plans: int, records: int, rounds: int) -> str:
    """Every page, the first page's bytes and the daemon's memory, in Markdown."""
    with running(plans, records) as daemon:
        newest = next(iter(re.findall(rb'href="/backups/([^"?]+)"', daemon.get("/backups")))).decode()
        results = [measure(daemon, each, rounds) for each in pages(newest)]
        size, resident = first_page(daemon), daemon.process.memory_info().rss
    head = ("answer", "CPU p50", "CPU p95", "target", "met", "wall p95", "bytes")
    whole = (
        ("first page", f"{size / 1000:.0f} kB", f"< {FIRST_PAGE / 1000:.0f} kB", _is_below(size, FIRST_PAGE)),
        (
            "daemon, resident",
            common.megabytes(resident),
            f"< {common.megabytes(common.MEMORY_TARGET)}",
            _is_below(resident, common.MEMORY_TARGET),
        ),
    )
    explained = EXPLANATION.format(plans=plans, records=records, rounds=rounds)
    pages_table = common.table(head, [_row(each) for each in results])
    return f"{explained}\n{pages_table}\n\n{common.table(('', 'size', 'target', 'met'), whole)}"


def _row(result: Result) -> tuple[str, ...]:
    cpu, target = _p95(result.cpu), result.page.target_ms
    return (
        result.page.name,
        f"{statistics.median(result.cpu):.1f} ms",
        f"{cpu:.1f} ms",
        f"< {target:.0f} ms",
        _is_below(cpu, target),
        f"{_p95(result.wall):.1f} ms",
        f"{result.size:,}",
    )


def _p95(times: tuple[float, ...]) -> float:
    return sorted(times)[int(len(times) * 0.95)] if len(times) > 1 else times[0]


def _is_below(value: float, limit: float) -> str:
    return "yes" if value < limit else "**no**"


def run(_options: object) -> str:
    """All of it, as a section of docs/benchmarks.md."""
    return report(PLANS, RECORDS, ROUNDS)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--plans", type=int, default=PLANS)
    parser.add_argument("--records", type=int, default=RECORDS)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    given = parser.parse_args()
    print(report(given.plans, given.records, given.rounds))


if __name__ == "__main__":
    main()
