"""Entry point of ``pgbackstop``: Ctrl-C during its imports leaves no traceback."""

from __future__ import annotations

import signal


def run() -> None:
    """Import the program and run it. What Python itself needs to start is before us."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    from pgbackstop_runner import main  # noqa: PLC0415 - this is what takes its time

    signal.signal(signal.SIGINT, signal.default_int_handler)
    main.run()
