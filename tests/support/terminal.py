"""Commands at a terminal, where a person types, or watches."""

import os
import pty
import select
import signal
import subprocess
import termios
import time
from collections.abc import Mapping, Sequence
from pathlib import Path


def run(
    argv: Sequence[str], *, types: str, env: Mapping[str, str] | None = None, seconds: float = 120.0
) -> subprocess.CompletedProcess[str]:
    """Runs a command to its end; ``types`` is what the person types, Enter as a line end."""
    ours, theirs = pty.openpty()
    try:
        os.write(ours, types.encode())
        return subprocess.run(
            argv, stdin=theirs, capture_output=True, text=True, check=False, timeout=seconds, env=env
        )
    finally:
        os.close(theirs)
        os.close(ours)


def answer(
    argv: Sequence[str],
    answers: Sequence[tuple[str, str]],
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    seconds: float = 120.0,
) -> tuple[int, str]:
    """Runs a command whose questions are answered one after the other; returns its status and all it said.

    A question that reads a password throws away what was typed before it. In a session without a terminal
    of its own the program reads from the one that it is given.
    """
    ours, theirs = pty.openpty()
    said = b""
    with subprocess.Popen(
        argv,
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=env,
        cwd=cwd,
        start_new_session=True,
    ) as program:
        assert program.stdout is not None
        try:
            deadline = time.monotonic() + seconds
            seen, waiting = 0, list(answers)
            while select.select([program.stdout], [], [], deadline - time.monotonic())[0]:
                block = os.read(program.stdout.fileno(), 65536)
                if not block:
                    break
                said += block
                if waiting and waiting[0][0].encode() in said[seen:]:
                    seen = len(said)
                    os.write(ours, waiting.pop(0)[1].encode() + b"\n")
            assert not waiting, f"{waiting[0][0]!r} was not asked: {said.decode()}"
            return program.wait(timeout=seconds), said.decode()
        finally:
            program.kill()
            os.close(theirs)
            os.close(ours)


def watched(
    argv: Sequence[str],
    *,
    cwd: Path,
    env: Mapping[str, str],
    columns: int = 80,
    interrupt_at: str = "",
    seconds: float = 120.0,
) -> tuple[int, str]:
    """Runs a command whose output a person sees; returns its status and all that the terminal was sent.

    ``env`` counts beside ours, but for what is said there of terminals. It is interrupted, as by Ctrl-C, once
    ``interrupt_at`` is to be seen.
    """
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, columns))
    kept = {key: value for key, value in os.environ.items() if key not in {"NO_COLOR", "TERM", "COLUMNS"}}
    said, is_due = b"", bool(interrupt_at)
    with subprocess.Popen(
        argv, stdin=subprocess.DEVNULL, stdout=theirs, stderr=theirs, env={**kept, **env}, cwd=cwd
    ) as program:
        os.close(theirs)
        try:
            deadline = time.monotonic() + seconds
            while select.select([ours], [], [], deadline - time.monotonic())[0]:
                said += os.read(ours, 65536)
                if is_due and interrupt_at.encode() in said:
                    program.send_signal(signal.SIGINT)
                    is_due = False
        except OSError:  # Linux's way to say that the other side is closed
            return program.wait(timeout=seconds), said.decode()
        finally:
            program.kill()
            os.close(ours)
    raise AssertionError(f"it did not end: {said.decode()}")
