"""Times as commands tell them: a person's own at a terminal, UTC for everybody else. Imports nothing slow."""

from __future__ import annotations

import sys
from datetime import datetime

from pgbackstop_catalog.moments import format_time
from pgbackstop_runner.cli import options


def title(name: str) -> str:
    """The title of a column of times; each has its zone where it is the person's."""
    return name if _are_local() else f"{name} (UTC)"


def cell(moment: datetime | None) -> str:
    """A time in such a column; empty for none. ``moment`` is in UTC."""
    if moment is None:
        return ""
    return sentence(moment) if _are_local() else f"{moment:%Y-%m-%d %H:%M:%S}"


def sentence(moment: datetime | None) -> str:
    """A time with its zone, for a sentence; empty for none. ``moment`` is in UTC."""
    if moment is None:
        return ""
    return f"{moment.astimezone() if _are_local() else moment:%Y-%m-%d %H:%M:%S %Z}"


def exact(moment: datetime) -> str:
    """A time that can be given to ``recover`` as it stands: ISO 8601, to the millisecond, with its zone."""
    return moment.astimezone().isoformat(timespec="milliseconds") if _are_local() else format_time(moment)


def _are_local() -> bool:
    return sys.stdout.isatty() and not options.Given.utc
