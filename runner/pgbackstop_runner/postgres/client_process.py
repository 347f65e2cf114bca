"""Running PostgreSQL's tools: no secret in argv or environment, no exit status lost, no orphan, no hang.

A tool dies with the runner, and so do its own children, even when we end by SIGKILL.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from pgbackstop_catalog import text, units
from pgbackstop_catalog.config.plan import Plan
from pgbackstop_catalog.records.attempt import Reason
from pgbackstop_runner.failures import AttemptFailed
from pgbackstop_runner.postgres import client_environment, error_messages
from pgbackstop_runner.system import meter, prctl, processes
from pgbackstop_runner.system.jail import Cell, Launch

TAIL_LINES = 20
_SHELL_SIGNALS = 128
_MOST_OF_LINE = 2**20  # bytes; a server may have said it
_MOST_LETTERS = 8_000  # of it that anybody hears
_LAST_WORDS_SECONDS = 2.0


@dataclass(frozen=True, kw_only=True)
class Limits:
    """When a running tool is given up, all in seconds."""

    duration: float = float("inf")
    first_byte: float = float("inf")
    stall: float = float("inf")

    @classmethod
    def of_run(cls, plan: Plan) -> Limits:
        """For what makes a backup of the plan."""
        return cls(duration=plan.max_duration, first_byte=plan.first_byte_timeout, stall=plan.stall_timeout)

    @classmethod
    def of_reading(cls, plan: Plan | None) -> Limits:
        """For what reads a backup back: as long as bytes come, it may take its time, for it holds nobody up.

        None is a plan that is no longer in the configuration.
        """
        if plan is None:
            return cls(first_byte=1800.0, stall=900.0)
        return cls(first_byte=plan.first_byte_timeout, stall=plan.stall_timeout)


@dataclass
class Tool:
    """A started tool. ``feed`` the byte count of its progress to keep the watchdog quiet.

    Where it is ``silent``, progress is what it reads, and the watchdog looks itself.
    """

    name: str
    process: subprocess.Popen[bytes]
    limits: Limits
    silent: bool = False
    jailed: bool = False
    started: float = field(default_factory=time.monotonic)
    lines: deque[str] = field(default_factory=lambda: deque(maxlen=TAIL_LINES))
    given_up: AttemptFailed | None = None
    _bytes: int = 0
    _last_change: float = field(default_factory=time.monotonic)
    over: threading.Event = field(default_factory=threading.Event)
    threads: list[threading.Thread] = field(default_factory=list)

    @property
    def stdout(self) -> IO[bytes]:
        """The tool's output. Only where it was started with ``pipe_output``."""
        assert self.process.stdout is not None  # noqa: S101 - a programming error, not an input
        return self.process.stdout

    @property
    def stdin(self) -> IO[bytes]:
        """The tool's input. Only where it was started with ``pipe_input``."""
        assert self.process.stdin is not None  # noqa: S101 - a programming error, not an input
        return self.process.stdin

    def feed(self, total_bytes: int) -> None:
        """Tell the watchdog how far the tool has come."""
        if total_bytes != self._bytes:
            self._bytes, self._last_change = total_bytes, time.monotonic()

    def finish(self) -> str:
        """Wait for the tool; returns the last lines of its standard error.

        Raises AttemptFailed (tool, timeout, stalled) for any exit status but 0, with those lines.
        """
        with contextlib.suppress(ChildProcessError, ProcessLookupError):  # the watchdog was faster
            os.waitid(os.P_PID, self.process.pid, os.WEXITED | os.WNOWAIT)
            # Until it is reaped its number is its own: end what it started and left behind.
            if self.jailed:
                processes.end_group(self.process.pid)
            else:
                os.killpg(self.process.pid, signal.SIGTERM)
        status = self.process.wait()
        if self.jailed and status > _SHELL_SIGNALS:
            status = _SHELL_SIGNALS - status  # bubblewrap tells a signal as a shell does
        self.over.set()
        for thread in self.threads:
            thread.join()
        tail = "\n".join(self.lines)
        if self.given_up is not None:
            raise self.given_up
        if status != 0:
            how = f"was ended by signal {-status}" if status < 0 else f"ended with exit status {status}"
            raise failure(self.name, how, tail)
        return tail

    def kill(self) -> None:
        """End the tool and what it started; safe to call at any time."""
        self.over.set()
        if self.process.poll() is not None:
            return  # its number may be another process's by now
        if self.jailed:
            processes.end_group(self.process.pid)
            self.process.wait()
            return
        for number in (signal.SIGTERM, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.process.pid, number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(timeout=5)
                return

    def close(self) -> None:
        """Close its output and let its last words be read; not for ever, for what it left may hold them."""
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                with contextlib.suppress(BrokenPipeError):
                    pipe.close()
        for thread in self.threads:
            thread.join(_LAST_WORDS_SECONDS)

    def watch(self) -> None:
        while not self.over.wait(0.5):
            if self.silent or meter.follows_reading():
                read = processes.bytes_read(self.process.pid)
                meter.reached(read or 0)
            if self.silent:
                # What is not known is no reason to end it.
                self.feed(read if read is not None else self._bytes + 1)
            problem = self._overdue(time.monotonic())
            if problem is not None:
                self.given_up = problem
                self.kill()
                return

    def _overdue(self, now: float) -> AttemptFailed | None:
        if now - self.started > self.limits.duration:
            limit = units.format_duration(self.limits.duration)
            problem = f"{self.name} ran longer than {limit} and was ended."
            return AttemptFailed(
                Reason.TIMEOUT, problem, remedy="Raise max_duration of the plan if that is right."
            )
        limit_key = "stall_timeout" if self._bytes else "first_byte_timeout"
        seconds = self.limits.stall if self._bytes else self.limits.first_byte
        if now - self._last_change > seconds:
            verb, where = ("read", "at the disk") if self.silent else ("gave", "for locks and at the network")
            problem = f"{self.name} {verb} no byte for {units.format_duration(seconds)} and was ended."
            remedy = f"Look {where}; raise {limit_key} of the plan if that is right."
            return AttemptFailed(Reason.STALLED, problem, remedy=remedy)
        return None


@contextlib.contextmanager
def start(  # noqa: PLR0913 - each is one independent wish
    name: str,
    argv: Sequence[str],
    *,
    password: str | None = None,
    limits: Limits | None = None,
    pipe_input: bool = False,
    pipe_output: bool = False,
    silent: bool = False,
    on_line: Callable[[str], object] | None = None,
    folder: Path | None = None,
    cell: Cell | None = None,
) -> Iterator[Tool]:
    """Start a tool, in the jail's ``cell`` if it reads what is hostile; an exception in the block ends it.

    ``folder`` is where it works, ours when left out. ``on_line`` hears its standard error, and says False of
    a line that is none of its last words. In a jail there is no password. Raises AttemptFailed (client)
    where it cannot be started.
    """
    connecting = client_environment.connecting(argv, password)
    with connecting as (environment, inherited), _launched(cell, argv) as launch:
        try:
            process = subprocess.Popen(
                launch.argv,
                stdin=subprocess.PIPE if pipe_input else subprocess.DEVNULL,
                stdout=subprocess.PIPE if pipe_output else subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                env=environment if cell is None else processes.small_environment(),
                pass_fds=(*inherited, *launch.descriptors),
                cwd=folder if cell is None else "/",
                start_new_session=True,
                preexec_fn=launch.prepare,  # noqa: PLW1509 - see there
            )
        except (OSError, subprocess.SubprocessError) as error:
            raise _not_startable(name, error) from error
        tool = Tool(
            name=name, process=process, limits=limits or Limits(), silent=silent, jailed=cell is not None
        )
        try:
            _start_threads(tool, on_line)
            with processes.guarded(process.pid, signal.SIGKILL if cell else signal.SIGTERM):
                yield tool
                if process.poll() is None and not tool.over.is_set():
                    tool.finish()
        finally:
            tool.kill()
            tool.close()


@contextlib.contextmanager
def _launched(cell: Cell | None, argv: Sequence[str]) -> Iterator[Launch]:
    """How it is started, in a jail or as one of ours."""
    if cell is None:
        yield Launch(argv=[*argv], prepare=prctl.dying_with_us())
        return
    with cell.launch(argv) as launch:
        yield launch


def run(
    name: str,
    argv: Sequence[str],
    *,
    password: str | None = None,
    limits: Limits | None = None,
    silent: bool = False,
    cell: Cell | None = None,
) -> str:
    """Run a tool to its end; returns the last lines of its standard error. Raises AttemptFailed.

    Nobody reads its standard output: PostgreSQL's tools say there nothing that counts.
    """
    with start(name, argv, password=password, limits=limits, silent=silent, cell=cell) as tool:
        return tool.finish()


def listing(name: str, argv: Sequence[str], *, seconds: float) -> str:
    """Run a tool that needs no server; returns its standard output. Raises AttemptFailed.

    Bytes that are no UTF-8 (names in a database of another encoding) come as replacement characters.
    """
    environment = client_environment.of_ours()
    try:
        done = subprocess.run(argv, capture_output=True, env=environment, timeout=seconds, check=False)
    except subprocess.TimeoutExpired as error:
        limit = units.format_duration(seconds)
        raise AttemptFailed(Reason.TIMEOUT, f"{name} ran longer than {limit} and was ended.") from error
    except OSError as error:
        raise _not_startable(name, error) from error
    if done.returncode != 0:
        words = done.stderr.decode(errors="replace").strip()
        raise AttemptFailed(Reason.TOOL, f"{name} ended with exit status {done.returncode}: {words}")
    return done.stdout.decode(errors="replace")


def failure(name: str, how: str, tail: str) -> AttemptFailed:
    """The sentence for a tool that failed, from its last words."""
    reason, remedy = error_messages.diagnosis(tail)
    return AttemptFailed(reason, f"{name} {how}: {tail or 'it said nothing'}", remedy=remedy)


def _not_startable(name: str, error: Exception) -> AttemptFailed:
    words = error.strerror if isinstance(error, OSError) else "its jail cannot be made"
    return AttemptFailed(
        Reason.CLIENT,
        f"{name} cannot be started: {words}.",
        remedy="Install PostgreSQL's client tools, or set bin_dir of the server.",
    )


def _start_threads(tool: Tool, on_line: Callable[[str], object] | None) -> None:
    def read() -> None:
        assert tool.process.stderr is not None  # noqa: S101
        with tool.process.stderr as words:  # closed by nobody else, who would have to wait for it
            while raw := words.readline(_MOST_OF_LINE):
                line = text.bounded(raw.decode(errors="replace").rstrip(), _MOST_LETTERS)
                if on_line is None or on_line(line) is not False:
                    tool.lines.append(text.plain(text.bounded(line)))

    for target in (read, tool.watch):
        thread = threading.Thread(target=target, daemon=True, name=f"{tool.name}-{target.__name__}")
        thread.start()
        tool.threads.append(thread)
