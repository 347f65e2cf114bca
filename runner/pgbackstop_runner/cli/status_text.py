"""The overview as a person, a program and Nagios read it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from pgbackstop_catalog import errors
from pgbackstop_catalog.decisions.safety import Finding, Severity
from pgbackstop_catalog.model import format_time
from pgbackstop_runner import terminal
from pgbackstop_runner.cli import removed_plan_text
from pgbackstop_runner.overview import words
from pgbackstop_runner.overview.read import Overview, ServerStatus
from pgbackstop_runner.overview.subjects import SubjectStatus

# https://www.monitoring-plugins.org/doc/guidelines.html#AEN78
NAGIOS_CODES: Final = {Severity.OK: 0, Severity.WARNING: 1, Severity.CRITICAL: 2, Severity.UNKNOWN: 3}

_RIGHT: Final = ("AGE", "LIMIT")
_COLUMNS = tuple(
    terminal.Column(title=each, right=each in _RIGHT, state=each == "STATE") for each in words.PLAN_TITLES
)


def show(found: Overview) -> None:
    """Safe or not and why, a sentence for each server, and a table of the plans."""
    terminal.say(words.headline(found))
    terminal.say()
    for server in found.servers:
        terminal.say(f"{server.server}: {words.restorable(server)}; {words.proven(server)}.")
    if found.subjects:
        terminal.say()
        terminal.table(_COLUMNS, (words.row(each, found.now) for each in found.subjects))
    for each in found.removed_plans:
        terminal.say(f"\n{removed_plan_text.note(each.name, len(each.backups), each.size_bytes)}")


def document(found: Overview) -> dict[str, Any]:
    """The overview as JSON; times are ISO 8601 in UTC, durations seconds."""
    return {
        "at": format_time(found.now),
        "safe": found.is_safe,
        "severity": found.severity.value,
        "summary": words.headline(found),
        "findings": [_finding(each) for each in found.findings],
        "servers": [_server(each) for each in found.servers],
        "plans": [_subject(each, found.now.timestamp()) for each in found.subjects],
        "removed_plans": [
            {"plan": each.name, "backups": len(each.backups), "size_bytes": each.size_bytes}
            for each in found.removed_plans
        ],
    }


def _server(one: ServerStatus) -> dict[str, Any]:
    moments = ("earliest", "latest", "databases_of", "proven_until", "proven_at")
    return {
        "server": one.server,
        **{name: format_time(at) if (at := getattr(one, name)) else None for name in moments},
        "findings": [_finding(each) for each in one.findings],
    }


def _subject(one: SubjectStatus, now: float) -> dict[str, Any]:
    newest = one.known.history.last_success
    return {
        "plan": one.plan,
        **one.subject._asdict(),
        "state": one.findings[0].state.value,
        "last_success": format_time(words.moment(newest)) if newest else None,
        "max_age_seconds": one.known.max_age(now),
        "next_run": format_time(words.moment(one.known.next_run)) if one.known.plan.enabled else None,
        "findings": [_finding(each) for each in one.findings],
    }


def _finding(one: Finding) -> dict[str, str]:
    return {"state": one.state.value, "severity": one.severity.value, "reason": one.reason}


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
