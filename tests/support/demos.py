"""The demo as a user starts it, what it runs, and what it says."""

import contextlib
import json
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

import psutil
from prometheus_client.samples import Sample

from pgbackstop_runner.demo import metrics
from pgbackstop_runner.demo.state import DemoFolder, State
from tests.support import ports

PROGRAM = Path(sys.executable).with_name("pgbackstop")
PATIENCE = 300.0  # seconds; the demo starts in 15 on an idle machine, and a busy one has eight tests at once


def of(folder: Path) -> list[psutil.Process]:
    """The processes that belong to the demo in ``folder``, itself included: they name it or work in it."""
    found = []
    for process in psutil.process_iter():
        try:
            words = [*process.cmdline(), process.cwd()]
        except (psutil.NoSuchProcess, psutil.ZombieProcess, psutil.AccessDenied):
            continue
        if process.pid != os.getpid() and any(str(folder) in word for word in words):
            found.append(process)
    return found


def eventually(holds: Callable[[], bool], what: str) -> None:
    """Waits until it holds; fails the test after PATIENCE."""
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline, f"not within {PATIENCE} s: {what}"
        time.sleep(0.2)


def samples(folder: Path) -> list[Sample]:
    """What the demo's exporter says now."""
    port = json.loads((folder / "state.json").read_text())["ports"]["exporter"]
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=60) as answer:
        return metrics.samples(answer.read().decode())


def prepare(folder: Path) -> None:
    """Let a demo that was never run have a console's port that no other test's demo takes as well."""
    if not (folder / "state.json").exists():
        place = DemoFolder(folder=folder)
        place.prepare()
        place.save(State(ports={"console": ports.free()}))


def run_once(folder: Path) -> subprocess.CompletedProcess[str]:
    """``pgbackstop demo --once``."""
    prepare(folder)
    argv = [str(PROGRAM), "demo", "--once", "--folder", str(folder)]
    return subprocess.run(argv, capture_output=True, text=True, check=False, timeout=PATIENCE)


class Running:
    """A demo that runs until it is told otherwise. A context manager: entered when it shows its screen."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.output = folder.parent / "output"
        prepare(folder)
        with self.output.open("w") as output:
            argv = [str(PROGRAM), "demo", "--folder", str(folder)]
            self.process = subprocess.Popen(argv, stdout=output, stderr=subprocess.STDOUT)

    def __enter__(self) -> "Running":
        try:
            eventually(lambda: self.shows("Ctrl-C stops everything"), "the screen")
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def shows(self, words: str) -> bool:
        """Whether the screen has shown it."""
        assert self.process.poll() is None, self.output.read_text()
        return words in self.output.read_text()

    def part(self, *words: str) -> psutil.Process:
        """The process whose command line has all of these."""
        return next(
            each for each in of(self.folder) if all(word in " ".join(each.cmdline()) for word in words)
        )

    def close(self) -> None:
        """Ends whatever is left, each by its id."""
        self.process.kill()
        self.process.wait(timeout=30)
        for process in of(self.folder):
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
