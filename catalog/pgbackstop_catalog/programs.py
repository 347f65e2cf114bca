"""Programs of people (a password command, a hook), run to their end or to the end of their time."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Sequence


def exit_status(argv: Sequence[str], output: int, seconds: float, *, errors_too: bool) -> int | None:
    """Run a program in a session of its own; returns its exit status.

    What it prints goes to the descriptor ``output``, what it says on standard error as well or nowhere. None
    where it did not end in time: it is killed then, with its group. What it leaves behind after its own end
    lives on. Raises OSError.
    """
    process = subprocess.Popen(
        argv,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT if errors_too else subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        return process.wait(seconds)
    except subprocess.TimeoutExpired:
        return None
    finally:
        if process.returncode is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
