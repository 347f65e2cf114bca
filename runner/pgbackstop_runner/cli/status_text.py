"""The overview as a person and Nagios read it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from pgbackstop_catalog import errors
from pgbackstop_catalog.decisions.safety import Severity
from pgbackstop_runner import terminal
from pgbackstop_runner.cli import removed_plan_text, times
from pgbackstop_runner.overview import words
from pgbackstop_runner.overview.read import Overview

# https://www.monitoring-plugins.org/doc/guidelines.html#AEN78
NAGIOS_CODES: Final = {Severity.OK: 0, Severity.WARNING: 1, Severity.CRITICAL: 2, Severity.UNKNOWN: 3}

_RIGHT: Final = ("AGE", "LIMIT")
_TIMES: Final = ("NEWEST GOOD", "NEXT RUN")


def show(found: Overview) -> None:
    """Safe or not and why, a sentence for each server, and a table of the plans."""
    terminal.say(words.headline(found))
    terminal.say()
    for server in found.servers:
        told = words.restorable(server, times.sentence), words.proven(server, times.sentence)
        terminal.say(f"{server.server}: {'; '.join(told)}.")
    if found.subjects:
        terminal.say()
        columns = [_column(each) for each in words.PLAN_TITLES]
        terminal.table(columns, (words.row(each, found.now, times.cell) for each in found.subjects))
    for each in found.removed_plans:
        terminal.say(f"\n{removed_plan_text.note(each.name, len(each.backups), each.size_bytes)}")


def _column(title: str) -> terminal.Column:
    shown = times.title(title) if title in _TIMES else title
    return terminal.Column(title=shown, right=title in _RIGHT, state=title == "STATE")


def nagios_line(found: Overview) -> str:
    """One line of text and performance data, as the guidelines of the Monitoring Plugins have it."""
    said = words.headline(found).replace("|", "/")
    data = " ".join(_performance(found))
    return f"PGBACKSTOP {found.severity.name} - {said}" + (f" | {data}" if data else "")


def _performance(found: Overview) -> Iterator[str]:
    now = found.now.timestamp()
    for each in found.subjects:
        newest, limit = each.known.history, each.known.max_age(now)
        name = _label(each.plan, each.subject.database)
        if newest.success:
            yield f"'{name} age'={max(0.0, now - newest.last_success):.0f}s;;{limit:.0f};0"
            if newest.success.size >= 0:
                yield f"'{name} size'={newest.success.size}B;;;0"


def _label(plan: str, database: str) -> str:
    """A label holds neither an apostrophe nor an equals sign."""
    name = f"{plan} {database}".strip()
    return errors.one_line(name).translate(str.maketrans("'=|", "___"))
