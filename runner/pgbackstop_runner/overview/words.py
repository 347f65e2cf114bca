"""The overview in words, the same on the command line and in the console. Pure."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from pgbackstop_catalog import errors, units
from pgbackstop_catalog.decisions.safety import Finding, Severity
from pgbackstop_runner.overview.read import Overview, ServerStatus
from pgbackstop_runner.overview.subjects import SubjectStatus

PLAN_TITLES: Final = (
    "PLAN",
    "DATABASE",
    "STATE",
    "NEWEST GOOD (UTC)",
    "AGE",
    "LIMIT",
    "NEXT RUN (UTC)",
    "REASON",
)


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


def restorable(server: ServerStatus) -> str:
    """To which moments it can be restored."""
    told = []
    if server.earliest and server.latest:
        told.append(_moments(server.earliest, server.latest))
    if server.databases_of:
        each = "each database with" if told else "database by database, each with"
        told.append(f"{each} a backup as of {shown(server.databases_of)} UTC or later")
    unreadable = [each.reason for each in server.findings if each.severity is Severity.UNKNOWN]
    if unreadable:
        told.append(f"the rest is not known, because {errors.one_line(unreadable[0]).rstrip('.')}")
    return "can be restored " + ", ".join(told) if told else "cannot be restored"


def _moments(earliest: datetime, latest: datetime) -> str:
    """A base backup without WAL after it brings back one moment only."""
    if earliest == latest:
        return f"to {shown(latest)} UTC"
    return f"to any moment from {shown(earliest)} to {shown(latest)} UTC"


def proven(server: ServerStatus) -> str:
    """To which moment a drill restored it, and when."""
    if server.proven_until and server.proven_at:
        return f"proven to {shown(server.proven_until)} UTC on {shown(server.proven_at)} UTC"
    if server.proven_at:
        return f"a drill succeeded on {shown(server.proven_at)} UTC"
    return "not proven by a drill yet"


def row(one: SubjectStatus, now: datetime) -> tuple[str, ...]:
    """What ``PLAN_TITLES`` name, of one database of a plan or of its server."""
    newest, first = one.known.history.last_success, one.findings[0]
    age = now.timestamp() - newest
    return (
        one.plan,
        one.subject.database or "-",
        first.state.value,
        shown(moment(newest)) if newest else "never",
        units.format_duration(max(0.0, age)) if newest else "",
        units.format_duration(one.known.max_age(now.timestamp())),
        shown(moment(one.known.next_run)) if one.known.plan.enabled else "",
        errors.one_line("; ".join(each.reason for each in one.findings if each.reason)),
    )


def moment(unix: float) -> datetime:
    """The moment of these Unix seconds."""
    return datetime.fromtimestamp(unix, UTC)


def shown(when: datetime) -> str:
    """``2026-11-22 02:00:00``, in UTC."""
    return f"{when.astimezone(UTC):%Y-%m-%d %H:%M:%S}"
