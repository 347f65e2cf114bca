"""Entry point of ``pgbackstop``: Ctrl-C during its imports leaves no traceback."""

from __future__ import annotations

import atexit
import gc
import os
import signal
import sys

_WINDOWS = """\
pgbackstop runs on Linux: what a backup is held by (locks, rights, a jail for drills) is not had on Windows.
Install it in WSL 2 on this computer, or on a backup host, and call it from here:
https://github.com/pgbackstop/pgbackstop/blob/main/docs/how-to/work-from-windows.md
"""

# Python's own, 700, collects some hundred times while a command imports what it needs, and finds nothing.
_OBJECTS_A_COLLECTION = 10_000


def run() -> None:
    """Import the program and run it, or refuse Windows. What Python itself needs to start is before us."""
    if sys.platform == "win32":
        sys.stderr.write(_WINDOWS)
        raise SystemExit(3)
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    gc.set_threshold(_OBJECTS_A_COLLECTION)
    # Else pydantic reads the entry points of whatever is installed, for plugins that would judge our values.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    atexit.register(gc.freeze)  # nor look at every object once more for the process to end
    from pgbackstop_runner import main  # noqa: PLC0415 - this is what takes its time

    signal.signal(signal.SIGINT, signal.default_int_handler)
    main.run()
