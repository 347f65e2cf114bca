"""The overview in words, the same on the command line and in the console. Pure."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

from pgbackstop_catalog import errors, units
from pgbackstop_catalog.decisions.safety import Finding, Severity
from pgbackstop_catalog.text import Said, joined, said, word
from pgbackstop_runner.overview.read import Overview, ServerStatus
from pgbackstop_runner.overview.subjects import SubjectStatus

PLAN_TITLES: Final = ("PLAN", "DATABASE", "STATE", "NEWEST GOOD", "AGE", "LIMIT", "NEXT RUN", "REASON")
# How a moment is told: in a sentence with its zone, in a table as its titles say.
Tell = Callable[[datetime], str]


def shown(when: datetime) -> Said:
    """``2026-11-22 02:00:00``, in UTC."""
    return said("{moment:%Y-%m-%d %H:%M:%S}", moment=when.astimezone(UTC))


def in_utc(when: datetime) -> Said:
    """``2026-11-22 02:00:00 UTC``."""
    return said("{moment} UTC", moment=shown(when))


def headline(found: Overview) -> Said:
    """The first line: safe or not, and the worst that is wrong."""
    if not found.subjects:
        return said("NOT SAFE: there is no plan.")
    wrong = _wrong(found)
    if not wrong:
        return said("SAFE: every plan is within its limits.")
    worst = _worst(wrong)
    if found.is_safe:
        return said("SAFE, but {worst}.", worst=worst)
    if found.severity is Severity.UNKNOWN:
        return said("NOT KNOWN: {worst}.", worst=worst)
    return said("NOT SAFE: {worst}.", worst=worst)


def _wrong(found: Overview) -> list[tuple[str, Finding]]:
    return [pair for pair in found.every_finding if pair[1].severity is not Severity.OK]


def _worst(wrong: list[tuple[str, Finding]]) -> str:
    (whose, finding), *others = wrong
    told = joined(": ", [*filter(None, [whose]), _clause(finding.reason)])
    return said("{told} (and {n} more)", told=told, n=len(others)) if others else told


def _clause(reason: str) -> str:
    """What was said from outside may have its own full stop."""
    line = _line(reason)
    return line.rstrip(".") if line.endswith(".") else line


def _line(reason: str) -> str:
    is_ours = isinstance(reason, Said) and reason.isprintable()
    return reason if is_ours else errors.one_line(reason)


def restorable(server: ServerStatus, tell: Tell = in_utc) -> Said:
    """To which moments it can be restored."""
    told: list[str] = []
    if server.earliest and server.latest:
        told.append(_moments(tell(server.earliest), tell(server.latest)))
    if server.databases_of:
        since = tell(server.databases_of)
        told.append(
            said("each database with a backup as of {since} or later", since=since)
            if told
            else said("database by database, each with a backup as of {since} or later", since=since)
        )
    unreadable = [each.reason for each in server.findings if each.severity is Severity.UNKNOWN]
    if unreadable:
        told.append(said("the rest is not known, because {why}", why=_clause(unreadable[0])))
    return said("can be restored {how}", how=joined(", ", told)) if told else said("cannot be restored")


def _moments(earliest: str, latest: str) -> Said:
    """A base backup without WAL after it brings back one moment only."""
    if earliest == latest:
        return said("to {moment}", moment=latest)
    return said("to any moment from {earliest} to {latest}", earliest=earliest, latest=latest)


def proven(server: ServerStatus, tell: Tell = in_utc) -> Said:
    """To which moment a drill restored it, and when."""
    if server.proven_until and server.proven_at:
        until, at = tell(server.proven_until), tell(server.proven_at)
        return said("proven to {until} on {at}", until=until, at=at)
    if server.proven_at:
        return said("a drill succeeded on {at}", at=tell(server.proven_at))
    return said("not proven by a drill yet")


def row(one: SubjectStatus, now: datetime, tell: Tell = shown) -> tuple[str, ...]:
    """What ``PLAN_TITLES`` name, of one database of a plan or of its server."""
    newest, first = one.known.history.last_success, one.findings[0]
    age = now.timestamp() - newest
    return (
        one.plan,
        one.subject.database or "-",
        word(first.state.value),
        tell(moment(newest)) if newest else word("never"),
        units.format_duration(max(0.0, age)) if newest else "",
        units.format_duration(one.known.max_age(now.timestamp())),
        tell(moment(one.known.next_run(now.timestamp()))) if one.known.plan.enabled else "",
        joined("; ", [_line(each.reason) for each in one.findings if each.reason]),
    )


def moment(unix: float) -> datetime:
    """The moment of these Unix seconds."""
    return datetime.fromtimestamp(unix, UTC)
