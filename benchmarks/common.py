"""What the sections share: options, running a command with the clock on it, interleaved rounds, tables."""

from __future__ import annotations

import contextlib
import os
import resource
import shutil
import statistics
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from benchmarks.data import Lab
from tests.support import places
from tests.support.accounts import Account
from tests.support.servers import Server

MEMORY_TARGET = 120_000_000
_SAMPLE_SECONDS = 0.02


@dataclass(frozen=True, kw_only=True)
class Options:
    """What the command line asks for. ``churn`` is the seconds of pgbench between full and incremental."""

    size_bytes: int
    rounds: int
    churn: int
    barman: bool
    lab: Lab


class Section(Protocol):
    """A module that measures something."""

    title: str

    def run(self, options: Options) -> str:
        """Measure; returns markdown."""


class Failed(Exception):
    """A measured command failed, with its last words."""


@dataclass(frozen=True, kw_only=True)
class Sample:
    """One run. ``cpu`` is of the program, its children and the server's sessions, in seconds.

    ``peak`` is the runner's own memory, in bytes, where that was asked for.
    """

    seconds: float
    cpu: float
    size: int
    peak: int | None = None


@dataclass(frozen=True, kw_only=True)
class Command:
    """A program to be timed; ``output`` receives its standard output, ``server`` works for it."""

    argv: Sequence[str]
    server: Server
    environment: Mapping[str, str] = field(default_factory=dict)
    account: Account | None = None
    output: Path | None = None
    watch_memory: bool = False


@dataclass(frozen=True, kw_only=True)
class Side:
    """One of those that are compared; ``run`` gets a fresh folder, which is removed afterwards."""

    name: str
    run: Callable[[Path], Sample]


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Two sides, by name, and how many times as long ours may take."""

    ours: str
    peer: str
    target: float


Samples = dict[str, list[Sample]]


def timed(command: Command, results: Path) -> Sample:
    """Run a command until its bytes below ``results`` are durable. Raises Failed.

    The fsync is for those that leave it to the reader of their standard output; files that the program
    made durable itself cost microseconds.
    """
    started, cpu = time.perf_counter(), _cpu(command.server)
    peak = _run(command)
    size = make_durable(results)
    seconds = time.perf_counter() - started
    return Sample(seconds=seconds, cpu=_cpu(command.server) - cpu, size=size, peak=peak)


def _cpu(server: Server) -> float:
    """CPU seconds of all programs that we ran to their end, and of all sessions that the server ended."""
    ours = resource.getrusage(resource.RUSAGE_CHILDREN)
    # After the name in parentheses; the fields of the children are those of the sessions that have ended.
    fields = Path(f"/proc/{server.pid}/stat").read_text().rpartition(")")[2].split()
    return ours.ru_utime + ours.ru_stime + sum(map(int, fields[13:15])) / os.sysconf("SC_CLK_TCK")


def quietly(command: Command) -> None:
    """Run a command that prepares something. Raises Failed."""
    _run(command)


def _run(command: Command) -> int | None:
    with contextlib.ExitStack() as opened:
        target = opened.enter_context(command.output.open("wb")) if command.output else subprocess.DEVNULL
        process = subprocess.Popen(
            command.argv,
            stdin=subprocess.DEVNULL,
            stdout=target,
            stderr=subprocess.PIPE,
            env={**os.environ, **command.environment},
            cwd="/",
            **(command.account.credentials if command.account else {}),
        )
        opened.callback(_end, process)
        memory = opened.enter_context(peak_of(process.pid)) if command.watch_memory else None
        words = process.communicate()[1].decode(errors="replace")
        if process.returncode != 0:
            raise Failed(f"{Path(command.argv[0]).name}: exit {process.returncode}: {words[-1500:]}")
        return memory[0] if memory else None


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.terminate()
        process.wait(30)


@contextlib.contextmanager
def peak_of(pid: int) -> Iterator[list[int]]:
    """The highest resident memory of that process alone, from the kernel's own high-water mark."""
    peak, over = [0], threading.Event()

    def look() -> None:
        while not over.wait(_SAMPLE_SECONDS):
            peak[0] = max(peak[0], _high_water(pid))

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    try:
        yield peak
    finally:
        over.set()
        thread.join()


def _high_water(pid: int) -> int:
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    return 0


def until(condition: Callable[[], bool], what: str, seconds: float) -> None:
    """Wait for something of a server's. Raises Failed after so many seconds."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise Failed(f"Waited {seconds:.0f} s for {what}.")
        time.sleep(0.05)


def make_durable(folder: Path) -> int:
    """Fsync every file and folder below; returns the bytes of the files."""
    total = 0
    for parent, _folders, names in os.walk(folder):
        for path in (*(Path(parent, name) for name in names), Path(parent)):
            if path.is_symlink() or not (path.is_file() or path.is_dir()):
                continue
            descriptor = os.open(path, os.O_RDONLY)
            os.fsync(descriptor)
            os.close(descriptor)
            total += path.stat().st_size if path.is_file() else 0
    return total


def tree_size(folder: Path) -> int:
    """Bytes of the files below."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _warm(server: Server) -> None:
    """Read the server's files: a kernel may drop what a slow side left unread for a minute."""
    for path in (server.data / "base").rglob("*"):
        with path.open("rb") if path.is_file() else contextlib.nullcontext() as file:
            while file is not None and file.read(1 << 20):
                pass


def interleave(server: Server, sides: Sequence[Side], rounds: int) -> Samples:
    """A B A B …, after one discarded run of each, each with the server's files in memory."""
    samples: Samples = {side.name: [] for side in sides}
    for number in range(rounds + 1):
        for side in sides:
            folder = places.make()
            _warm(server)
            try:
                sample = side.run(folder)
            finally:
                shutil.rmtree(folder, ignore_errors=True)
            kind = f"round {number}" if number else "discarded"
            print(f"  {side.name}: {sample.seconds:.2f} s, CPU {sample.cpu:.2f} s ({kind})", flush=True)
            if number:
                samples[side.name].append(sample)
    return samples


def report(samples: Samples, comparisons: Sequence[Comparison]) -> str:
    """Markdown: ratios with their targets, then every side with its median."""
    return "\n\n".join((_ratios(samples, comparisons), _medians(samples)))


def _ratios(samples: Samples, comparisons: Sequence[Comparison]) -> str:
    rows = []
    for each in comparisons:
        if each.peer not in samples:
            rows.append((each.ours, each.peer, "not run", "", f"≤ {each.target:.2f}", "-", ""))
            continue
        ours, peer = samples[each.ours], samples[each.peer]
        ratio = _median(ours) / _median(peer)
        pairs = [one.seconds / other.seconds for one, other in zip(ours, peer, strict=True)]
        spread = f"{min(pairs):.2f} to {max(pairs):.2f}"
        target = (f"≤ {each.target:.2f}", met(ratio, each.target))
        rows.append(
            (each.ours, each.peer, f"**{ratio:.2f}**", spread, *target, f"{_cpu_ratio(ours, peer):.2f}")
        )
    head = ("ours", "beside", "ratio of time", "of single rounds", "target", "met", "ratio of CPU")
    return table(head, rows)


def _medians(samples: Samples) -> str:
    rows = []
    for name, runs in samples.items():
        peaks = [each.peak for each in runs if each.peak]
        low, high = min(each.seconds for each in runs), max(each.seconds for each in runs)
        rows.append(
            (
                name,
                f"{_median(runs):.2f}",
                f"{low:.2f} to {high:.2f}",
                f"{statistics.median(each.cpu for each in runs):.2f}",
                megabytes(runs[-1].size),
                f"{megabytes(max(peaks))} {_within(max(peaks))}" if peaks else "",
            )
        )
    return table(("", "median s", "range", "CPU s", "stored", "runner's peak memory (< 120 MB)"), rows)


def _within(peak: int) -> str:
    return "✓" if peak < MEMORY_TARGET else "✗"


def met(value: float, limit: float) -> str:
    """Whether a value that should be small is, as it is shown with two digits."""
    return "yes" if round(value, 2) <= limit else "**no**"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def megabytes(size: int) -> str:
    """In decimal megabytes."""
    return f"{size / 1e6:,.0f} MB"


def _cpu_ratio(ours: Sequence[Sample], peer: Sequence[Sample]) -> float:
    return statistics.median(each.cpu for each in ours) / statistics.median(each.cpu for each in peer)


def _median(runs: Sequence[Sample]) -> float:
    return statistics.median(each.seconds for each in runs)
