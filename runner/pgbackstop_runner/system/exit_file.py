"""How a command ended, written by itself: who started it may be gone by then."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Final

from pgbackstop_catalog import regular_file

# The environment variable that names the file; it is taken away, as programs that we start have another.
VARIABLE: Final = "PGBACKSTOP_EXIT_FILE"
_MOST_BYTES: Final = 16


def keep(file: Path, run: Callable[[], None]) -> None:
    """Run something, and write the exit code that it ends with; a disk that is full changes nothing."""
    from pgbackstop_catalog.store import atomic  # noqa: PLC0415 - few commands are asked for it

    code = 1
    try:
        run()
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
        raise
    finally:
        with contextlib.suppress(OSError):
            atomic.write(file, f"{code}\n".encode())


def read(file: Path) -> int | None:
    """The exit code; None where it was killed before it could write one."""
    try:
        return int(regular_file.read(file, _MOST_BYTES))
    except (OSError, ValueError):
        return None
