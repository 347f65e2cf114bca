"""Entry point of ``pgbackstop-exporter``: Ctrl-C during its imports leaves no traceback."""

from __future__ import annotations

import signal
import sys

_WINDOWS = """\
pgbackstop-exporter runs on Linux, beside the catalog that it reads; Prometheus on Windows can scrape it:
https://github.com/pgbackstop/pgbackstop/blob/main/docs/how-to/work-from-windows.md
"""


def run() -> None:
    """Import the program and run it, or refuse Windows. What Python itself needs to start is before us."""
    if sys.platform == "win32":
        sys.stderr.write(_WINDOWS)
        raise SystemExit(3)
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    from pgbackstop_exporter import main  # noqa: PLC0415 - this is what takes its time

    signal.signal(signal.SIGINT, signal.default_int_handler)
    main.run()
