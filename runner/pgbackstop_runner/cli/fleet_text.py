"""A fleet as a person reads it."""

from __future__ import annotations

from typing import Final

from pgbackstop_catalog import errors, units
from pgbackstop_catalog.decisions.safety import Severity
from pgbackstop_runner import terminal
from pgbackstop_runner.overview import words
from pgbackstop_runner.overview.fleet import Fleet, FleetPlan, FleetServer

_RIGHT: Final = ("AGE",)
_STATUS: Final = (
    "SERVER",
    "GROUP",
    "STATE",
    "PLAN",
    "DATABASE",
    "NEWEST GOOD (UTC)",
    "AGE",
    "WAL BY",
    "REASON",
)
_FOUND: Final = ("SERVER", "GROUP", "PLAN", "DATABASE", "STATE", "NEWEST GOOD (UTC)", "LABELS")


def show(found: Fleet, limit: int) -> None:
    """How many are in each state, and a table of the worst servers."""
    states = ", ".join(f"{number:,} {state}" for state, number in found.states.items())
    terminal.say(f"{units.format_count(len(found.servers), 'server')}: {states}.")
    for each in found.findings:
        terminal.say(f"{'' if each.severity is Severity.OK else 'Not well: '}{errors.one_line(each.reason)}.")
    terminal.say()
    terminal.table(_columns(_STATUS), (_row(each, found) for each in found.servers[:limit]))
    if len(found.servers) > limit:
        terminal.say(
            f"\n{len(found.servers) - limit:,} better ones exist: --all shows them, --limit some of them."
        )


def show_found(found: list[tuple[FleetServer, FleetPlan | None]]) -> None:
    """A table of plans and databases; a server without a plan has a row of its own."""
    terminal.table(_columns(_FOUND), (_found_row(*each) for each in found))


def _row(server: FleetServer, found: Fleet) -> tuple[str, ...]:
    plan = server.worst
    newest = plan.last_success if plan else 0.0
    age = units.format_duration(max(0.0, found.now.timestamp() - newest)) if newest else ""
    return (
        server.name,
        server.group or "-",
        server.finding.state.value,
        plan.plan if plan else "-",
        (plan.database if plan else "") or "-",
        _moment(plan),
        age,
        "-" if server.receiver is None else server.receiver or "nobody",
        errors.one_line(server.finding.reason),
    )


def _found_row(server: FleetServer, plan: FleetPlan | None) -> tuple[str, ...]:
    return (
        server.name,
        server.group or "-",
        plan.plan if plan else "-",
        (plan.database if plan else "") or "-",
        (plan.findings[0] if plan else server.finding).state.value,
        _moment(plan),
        ", ".join(f"{name}={value}" for name, value in server.labels.items()),
    )


def _moment(plan: FleetPlan | None) -> str:
    if plan is None:
        return ""
    return words.shown(words.moment(plan.last_success)) if plan.last_success else "never"


def _columns(titles: tuple[str, ...]) -> tuple[terminal.Column, ...]:
    return tuple(terminal.Column(title=each, right=each in _RIGHT, state=each == "STATE") for each in titles)
