"""A fleet for programs, from ``fleet status --json`` and ``fleet search --json``. Pure."""

from __future__ import annotations

from pgbackstop_catalog.model import Model, UtcTime
from pgbackstop_runner.overview import words
from pgbackstop_runner.overview.fleet import Fleet, FleetPlan
from pgbackstop_runner.overview.fleet import FleetServer as ReadServer


class FleetServer(Model):
    """A server by its worst plan; ``plan`` and ``database`` are empty where it is about the server.

    ``wal_receiver`` is the host that receives its WAL, empty where none does, null where none is to.
    """

    server: str
    group: str
    labels: dict[str, str]
    state: str
    severity: str
    reason: str
    plan: str
    database: str
    last_success: UtcTime | None
    plans: int
    wal_receiver: str | None


class FleetStatus(Model):
    """The servers, the worst first, and how many are in each state."""

    at: UtcTime
    safe: bool
    severity: str
    states: dict[str, int]
    problems: tuple[str, ...]
    servers: tuple[FleetServer, ...]


class Found(Model):
    """One database of a plan, or the server of a physical one, that was searched for."""

    server: str
    group: str
    labels: dict[str, str]
    plan: str
    database: str
    state: str
    last_success: UtcTime | None


def status(found: Fleet) -> FleetStatus:
    """The whole of it."""
    return FleetStatus(
        at=found.now,
        safe=found.is_safe,
        severity=found.severity.value,
        states=found.states,
        problems=tuple(each.reason for each in found.findings),
        servers=tuple(map(_server, found.servers)),
    )


def found(server: ReadServer, plan: FleetPlan | None) -> Found:
    """One row of a search."""
    return Found(
        server=server.name,
        group=server.group,
        labels=dict(server.labels),
        plan=plan.plan if plan else "",
        database=plan.database if plan else "",
        state=(plan.findings[0] if plan else server.finding).state.value,
        last_success=words.moment(plan.last_success) if plan and plan.last_success else None,
    )


def _server(one: ReadServer) -> FleetServer:
    worst = one.worst
    return FleetServer(
        server=one.name,
        group=one.group,
        labels=dict(one.labels),
        state=one.finding.state.value,
        severity=one.finding.severity.value,
        reason=one.finding.reason,
        plan=worst.plan if worst else "",
        database=worst.database if worst else "",
        last_success=words.moment(worst.last_success) if worst and worst.last_success else None,
        plans=len({each.plan for each in one.plans}),
        wal_receiver=one.receiver,
    )
