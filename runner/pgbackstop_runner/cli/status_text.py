"""The overview as a person, a program and Nagios read it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Final

from pgbackstop_catalog import errors, units
from pgbackstop_catalog.decisions.safety import Finding, Severity
from pgbackstop_catalog.model import format_time
from pgbackstop_runner import terminal
from pgbackstop_runner.overview.read import Overview, ServerStatus
from pgbackstop_runner.overview.subjects import SubjectStatus

# https://www.monitoring-plugins.org/doc/guidelines.html#AEN78
NAGIOS_CODES: Final = {Severity.OK: 0, Severity.WARNING: 1, Severity.CRITICAL: 2, Severity.UNKNOWN: 3}

_COLUMNS = (
    terminal.Column(title="PLAN"),
    terminal.Column(title="DATABASE"),
    terminal.Column(title="STATE"),
    terminal.Column(title="NEWEST GOOD (UTC)"),
    terminal.Column(title="AGE", right=True),
    terminal.Column(title="LIMIT", right=True),
    terminal.Column(title="NEXT RUN (UTC)"),
    terminal.Column(title="REASON"),
)


def show(found: Overview) -> None:
    """Safe or not and why, a sentence for each server, and a table of the plans."""
    terminal.say(headline(found))
    terminal.say()
    for server in found.servers:
        terminal.say(f"{server.server}: {_restorable(server)}; {_proven(server)}.")
    if found.subjects:
        terminal.say()
        terminal.table(_COLUMNS, (_row(each, found.now) for each in found.subjects))


def headline(found: Overview) -> str:
    """The first line: safe or not, and the worst that is wrong."""
    if not found.subjects:
        return "NOT SAFE: there is no plan."
    wrong = _wrong(found)
    if not wrong:
        return "SAFE: every plan is within its limits."
    word = "SAFE, but" if found.is_safe else "NOT SAFE:"
    if not found.is_safe and found.severity is Severity.UNKNOWN:
        word = "NOT KNOWN:"
    return f"{word} {_worst(wrong)}."


def _wrong(found: Overview) -> list[tuple[str, Finding]]:
    return [pair for pair in found.every_finding if pair[1].severity is not Severity.OK]


def _worst(wrong: list[tuple[str, Finding]]) -> str:
    (whose, finding), *others = wrong
    reason = errors.one_line(finding.reason).rstrip(".")
    told = f"{whose}: {reason}" if whose else reason
    return f"{told} (and {len(others)} more)" if others else told


def _restorable(server: ServerStatus) -> str:
    told = []
    if server.earliest and server.latest:
        told.append(_moments(server.earliest, server.latest))
    if server.databases_of:
        told.append(f"each database with a backup as of {_shown(server.databases_of)} UTC or later")
    unreadable = [each.reason for each in server.findings if each.severity is Severity.UNKNOWN]
    if unreadable:
        told.append(f"the rest is not known, because {errors.one_line(unreadable[0]).rstrip('.')}")
    return "can be restored " + ", ".join(told) if told else "cannot be restored"


def _moments(earliest: datetime, latest: datetime) -> str:
    """A base backup without WAL after it brings back one moment only."""
    if earliest == latest:
        return f"to {_shown(latest)} UTC"
    return f"to any moment from {_shown(earliest)} to {_shown(latest)} UTC"


def _proven(server: ServerStatus) -> str:
    if server.proven_until and server.proven_at:
        return f"proven to {_shown(server.proven_until)} UTC on {_shown(server.proven_at)} UTC"
    if server.proven_at:
        return f"a drill succeeded on {_shown(server.proven_at)} UTC"
    return "not proven by a drill yet"


def _row(one: SubjectStatus, now: datetime) -> tuple[str, ...]:
    newest, first = one.known.history.last_success, one.findings[0]
    age = now.timestamp() - newest
    return (
        one.plan,
        one.subject.database or "-",
        first.state.value,
        _shown(_moment(newest)) if newest else "never",
        units.format_duration(max(0.0, age)) if newest else "",
        units.format_duration(one.known.max_age(now.timestamp())),
        _shown(_moment(one.known.next_run)) if one.known.plan.enabled else "",
        errors.one_line("; ".join(each.reason for each in one.findings if each.reason)),
    )


def document(found: Overview) -> dict[str, Any]:
    """The overview as JSON; times are ISO 8601 in UTC, durations seconds."""
    return {
        "at": format_time(found.now),
        "safe": found.is_safe,
        "severity": found.severity.value,
        "summary": headline(found),
        "findings": [_finding(each) for each in found.findings],
        "servers": [_server(each) for each in found.servers],
        "plans": [_subject(each, found.now.timestamp()) for each in found.subjects],
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
        "last_success": format_time(_moment(newest)) if newest else None,
        "max_age_seconds": one.known.max_age(now),
        "next_run": format_time(_moment(one.known.next_run)) if one.known.plan.enabled else None,
        "findings": [_finding(each) for each in one.findings],
    }


def _finding(one: Finding) -> dict[str, str]:
    return {"state": one.state.value, "severity": one.severity.value, "reason": one.reason}


def nagios_line(found: Overview) -> str:
    """One line of text and performance data, as the guidelines of the Monitoring Plugins have it."""
    said = headline(found).replace("|", "/")
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


def _moment(unix: float) -> datetime:
    return datetime.fromtimestamp(unix, UTC)


def _shown(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S}"
