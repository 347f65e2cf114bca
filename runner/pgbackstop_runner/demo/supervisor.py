"""The processes of a demo: started in order, watched, and ended in the opposite order, each by its id."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from pgbackstop_catalog import errors
from pgbackstop_runner.demo.state import DemoFolder, Running
from pgbackstop_runner.system import processes

STOP_SECONDS = 30.0


@dataclass(frozen=True, kw_only=True)
class Part:
    """A process of the demo."""

    name: str
    process: subprocess.Popen[bytes]

    @property
    def is_alive(self) -> bool:
        return self.process.poll() is None


@dataclass
class Supervisor:
    """All parts. ``on_change`` hears of each start and end, so that a later run can find the living."""

    home: DemoFolder
    on_change: Callable[[tuple[Running, ...]], None]
    parts: list[Part] = field(default_factory=list)

    def start(self, name: str, argv: Sequence[str]) -> Part:
        """Start a part; its output goes to its log. Raises PgbackstopError where it cannot be started."""
        try:
            return self.join(name, processes.start(argv, log=self.home.log(name)))
        except OSError as error:
            raise errors.PgbackstopError(
                f"{name} cannot be started: {argv[0]}: {error.strerror}.", remedy="Install it again."
            ) from error

    def join(self, name: str, process: subprocess.Popen[bytes]) -> Part:
        """Take a started process in."""
        part = Part(name=name, process=process)
        self.parts.append(part)
        self._tell()
        return part

    def run(self, name: str, argv: Sequence[str]) -> int:
        """Run a part to its end; returns its exit status."""
        part = self.start(name, argv)
        status = part.process.wait()
        self.parts.remove(part)
        self._tell()
        return status

    def wait_until(self, ready: Callable[[], bool], part: Part, seconds: float) -> None:
        """Wait for what a part is to do. Raises PgbackstopError with its last lines where it does not."""
        deadline = time.monotonic() + seconds
        while not ready():
            if not part.is_alive:
                raise errors.PgbackstopError(self.obituary(part), remedy=self._see(part))
            if time.monotonic() > deadline:
                words = processes.tail(self.home.log(part.name))
                raise errors.PgbackstopError(
                    f"{part.name} is not ready after {seconds:.0f} s: {words}", remedy=self._see(part)
                )
            time.sleep(0.2)

    def dead(self) -> list[Part]:
        """The parts that have ended although nobody stopped them."""
        return [part for part in self.parts if not part.is_alive]

    def obituary(self, part: Part) -> str:
        """How a part ended, with its last lines."""
        status = part.process.returncode
        how = f"was ended by signal {-status}" if status < 0 else f"ended with exit status {status}"
        return f"{part.name} {how}; its last words: {processes.tail(self.home.log(part.name))}"

    def stop(self) -> list[str]:
        """End all, the last one first, then what they left behind. Returns the names of who was ended.

        PostgreSQL's fast shutdown waits for WAL receivers, so it is started first and ended last.
        """
        ended = []
        for part in reversed(self.parts):
            if part.is_alive:
                polite = signal.SIGINT if part.name == "postgresql" else signal.SIGTERM
                processes.stop(part.process, (polite, signal.SIGQUIT, signal.SIGKILL), STOP_SECONDS)
                ended.append(part.name)
        processes.end_all(processes.children())
        processes.reap()
        self.parts.clear()
        self._tell()
        return ended

    def _tell(self) -> None:
        living = [(part.name, processes.identify(part.process.pid)) for part in self.parts]
        self.on_change(
            tuple(Running(name=name, pid=who.pid, started=who.started) for name, who in living if who)
        )

    def _see(self, part: Part) -> str:
        return f"See {self.home.log(part.name)}."
