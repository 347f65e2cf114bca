"""Commands whose standard input is a terminal, where a person types."""

import os
import pty
import subprocess
from collections.abc import Mapping, Sequence


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
