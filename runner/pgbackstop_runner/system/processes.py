"""Processes of ours: started to die with us, found again by what the kernel says of them.

By /proc, not by psutil. Its import takes 28 ms of CPU, of each run, for three facts of a process
that are a line of proc(5) each; and it lacks the others: the inode of a working folder, which in a jail has
another path, what a process and all below it have read, and the first process of a namespace (``orphans``).
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pgbackstop_catalog import errors
from pgbackstop_runner.system import prctl

_PROC = Path("/proc")


@dataclass(frozen=True, kw_only=True)
class Identity:
    """A process that cannot be mistaken for a later one of the same number.

    ``started`` is in clock ticks since the machine's start.
    """

    pid: int
    started: int


def start(
    argv: Sequence[str], *, log: Path, death_signal: int = signal.SIGTERM, **credentials: Any
) -> subprocess.Popen[bytes]:
    """Start a process whose output is appended to ``log``; it hears ``death_signal`` when we die.

    It is in a session of its own: Ctrl-C is for us, and we stop the others in the right order.
    Raises OSError.
    """
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    try:
        return subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=descriptor,
            stderr=descriptor,
            cwd="/",
            env=environment(),
            start_new_session=True,
            preexec_fn=_prepared(prctl.dying_with_us(death_signal)),  # noqa: PLW1509 - see there
            **credentials,
        )
    finally:
        os.close(descriptor)


def environment() -> dict[str, str]:
    """Ours in English and UTC, without what would change how PostgreSQL's programs connect or behave."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PG", "LC_"))}
    return {**kept, "LC_ALL": "C", "TZ": "UTC"}


def small_environment() -> dict[str, str]:
    """What goes to another account or into a jail: no secret, and nothing that names a file of ours."""
    kept = ("PATH", "LANG", "TZ", "LD_LIBRARY_PATH")
    return {**{name: os.environ[name] for name in kept if name in os.environ}, "LC_ALL": "C"}


def stop(process: subprocess.Popen[bytes], signals: Sequence[int], seconds: float) -> None:
    """Send each signal in turn, waiting ``seconds`` after each, until the process has ended."""
    for number in signals:
        if process.poll() is None:
            process.send_signal(number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=seconds)
            return


_MOST_OF_TAIL = 2**16  # bytes


def tail(log: Path, lines: int = 3) -> str:
    """The last lines of a log, as one line; a word where there are none."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - _MOST_OF_TAIL))
            content = file.read(_MOST_OF_TAIL).decode(errors="replace").split("\n")
    except OSError:
        content = []
    return (
        errors.one_line(" / ".join([line.strip() for line in content if line.strip()][-lines:]))
        or "it said nothing"
    )


def exists(pid: int) -> bool:
    """Whether a process of that number lives; a zombie does not."""
    return _stat(pid) is not None


def identify(pid: int) -> Identity | None:
    """The living process of that number."""
    fields = _stat(pid)
    return Identity(pid=pid, started=int(fields[19])) if fields else None


def bytes_read(pid: int) -> int | None:
    """What a process and those below it have read so far, from anywhere, by the kernel's count.

    None where the kernel does not tell. What a child has read stays in the sum when it has ended.
    """
    try:
        counts = (_PROC / str(pid) / "io").read_text(encoding="ascii")
        below = (_PROC / str(pid) / "task" / str(pid) / "children").read_text(encoding="ascii")
    except OSError:
        return None
    # proc(5): "rchar: 323934931", the first line.
    own = int(counts.split(maxsplit=2)[1])
    return own + sum(bytes_read(int(child)) or 0 for child in below.split())


def working_in(folder: Path) -> list[Identity]:
    """The processes whose working folder is ``folder``, as the server's are its data; none of a link's."""
    try:
        found = folder.stat(follow_symlinks=False)
    except OSError:
        return []
    # By its inode: in a jail it has another path.
    return [who for pid in _pids() if _works_in(pid, found) and (who := identify(pid))]


def children() -> list[Identity]:
    """Our living children, adopted orphans included."""
    parents = ((pid, _stat(pid)) for pid in _pids())
    ours = [pid for pid, fields in parents if fields and int(fields[1]) == os.getpid()]
    return [who for who in map(identify, ours) if who]


def end_all(
    them: Iterable[Identity], *, first: int = signal.SIGTERM, seconds: float = 10.0
) -> list[Identity]:
    """End those that still live: politely, after ``seconds`` by SIGKILL. Returns who was there."""
    living = [who for who in them if identify(who.pid) == who]
    for number in (first, signal.SIGKILL):
        for who in living:
            if identify(who.pid) == who:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(who.pid, number)
        deadline = time.monotonic() + seconds
        while any(identify(who.pid) == who for who in living) and time.monotonic() < deadline:
            time.sleep(0.05)
    return living


def end_group(group: int, *, seconds: float = 10.0) -> None:
    """End a group of processes at once, and wait until none of it lives.

    Its first process must not be reaped yet: until then the number is nobody else's.
    """
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, signal.SIGKILL)
    deadline = time.monotonic() + seconds
    while any(_is_in(group, pid) for pid in _pids()) and time.monotonic() < deadline:
        time.sleep(0.01)


def _is_in(group: int, pid: int) -> bool:
    try:
        return os.getpgid(pid) == group and exists(pid)
    except OSError:
        return False


def has_ended(pid: int) -> bool:
    """Whether a child of ours has ended; it is not reaped by that."""
    with contextlib.suppress(ChildProcessError):
        return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
    return True


@contextlib.contextmanager
def guarded(group: int, number: int = signal.SIGTERM) -> Iterator[None]:
    """Send a whole group of processes a signal when we die: the kernel's reaches only the first of them."""
    script = 'read -r over || kill -s "$2" -- "-$1"'
    name = signal.Signals(number).name.removeprefix("SIG")
    guard = subprocess.Popen(
        ["/bin/sh", "-c", script, "pgbackstop-guard", str(group), name],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        env={},
    )
    try:
        yield
    finally:
        guard.communicate(b"over\n")


def reap() -> None:
    """Take the exit status of adopted orphans, which nobody else waits for.

    Only when no Popen is waited for any more: its status could be taken away.
    """
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _prepared(die: Callable[[], None]) -> Callable[[], None]:
    def prepare() -> None:
        die()
        # Handlers are reset by exec, but what is ignored stays ignored: `nohup`, or our own clean-up.
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)

    return prepare


def _pids() -> list[int]:
    return [int(name) for name in os.listdir(_PROC) if name.isdigit()]  # noqa: PTH208 - names, not Paths


def _works_in(pid: int, folder: os.stat_result) -> bool:
    try:
        return os.path.samestat((_PROC / str(pid) / "cwd").stat(), folder)
    except OSError:
        return False


def _stat(pid: int) -> list[str] | None:
    """Field 3 (state) and those after it of proc(5); None for nobody and for a zombie."""
    try:
        text = (_PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    # The second field is the program's name in parentheses, and may hold spaces and parentheses.
    fields = text.rpartition(")")[2].split()
    return None if not fields or fields[0] in "ZX" else fields
