"""A fleet at a glance: how each of many servers stands, by its worst plan, the worst servers first.

It has the findings of ``status``, but for what needs more than the newest runs of each plan: stored backups
and copies that are missing or damaged, rows that vanished in earlier runs, recovery windows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from pgbackstop_catalog.config.plan import Plan
from pgbackstop_catalog.config.server import Server
from pgbackstop_catalog.decisions import expectations, safety, subjects
from pgbackstop_catalog.decisions.attempts import Subject
from pgbackstop_catalog.decisions.safety import Finding, Severity
from pgbackstop_catalog.records.scheduler import SchedulerState
from pgbackstop_runner.overview import newest_runs, read
from pgbackstop_runner.wal import state as wal_state
from pgbackstop_runner.workspace import Workspace


@dataclass(frozen=True, kw_only=True)
class FleetPlan:
    """One database of a plan, or the server of a physical one; ``findings`` has the worst first."""

    plan: str
    database: str
    last_success: float
    findings: tuple[Finding, ...]


@dataclass(frozen=True, kw_only=True)
class FleetServer:
    """A server; ``worst`` is the first of its plans where that is what ``finding`` is about.

    ``receiver`` is the host that receives its WAL, empty where none does, None where none is to.
    """

    name: str
    group: str
    labels: Mapping[str, str]
    plans: tuple[FleetPlan, ...]
    finding: Finding
    worst: FleetPlan | None
    receiver: str | None

    @property
    def every_label(self) -> dict[str, str]:
        """Its free labels, and its group."""
        return {**({"group": self.group} if self.group else {}), **self.labels}


@dataclass(frozen=True, kw_only=True)
class Fleet:
    """The servers that were asked for, the worst first; ``findings`` belong to none of them."""

    now: datetime
    servers: tuple[FleetServer, ...]
    findings: tuple[Finding, ...]

    @property
    def states(self) -> dict[str, int]:
        """How many servers are in each state, in the order of the servers."""
        return dict(Counter(each.finding.state.value for each in self.servers))

    @property
    def severity(self) -> Severity:
        """The worst of all."""
        return safety.worst((*self.findings, *(each.finding for each in self.servers)))

    @property
    def is_safe(self) -> bool:
        """Whether nothing endangers any of them."""
        return not any(each.endangers for each in (*self.findings, *(one.finding for one in self.servers)))


def chosen(workspace: Workspace, labels: Mapping[str, str]) -> list[str]:
    """The servers that have all of these labels; ``group`` counts as one."""
    return [
        name
        for name, server in workspace.config.servers.items()
        if all(_labels(server).get(label) == value for label, value in labels.items())
    ]


def fleet(workspace: Workspace, names: Collection[str], unreadable: Collection[str], now: datetime) -> Fleet:
    """Read it; ``unreadable`` fills on the way, by ``workspace.on_invalid_record``. Raises CatalogError."""
    daemon = workspace.said(SchedulerState, workspace.state.scheduler)
    servers = [_server(workspace, name, daemon, now) for name in names]
    general = safety.of_daemon(daemon.heartbeat_at, now.timestamp()) if daemon else ()
    general += safety.of_catalog(len(unreadable))
    servers.sort(key=lambda each: (-safety.weight(each.finding), each.finding.state.value, each.name))
    return Fleet(now=now, servers=tuple(servers), findings=safety.worst_first(general))


def _server(workspace: Workspace, name: str, daemon: SchedulerState | None, now: datetime) -> FleetServer:
    server, plans = workspace.server(name), workspace.config.plans_of(name).items()
    found = tuple(each for plan in plans for each in _plan(workspace, *plan, daemon, now.timestamp()))
    findings: list[tuple[Finding, FleetPlan | None]] = [(each.findings[0], each) for each in found]
    findings += [(each, None) for each in read.wal_findings(workspace, name)]
    if not found:
        findings.append((safety.unknown("no plan backs it up"), None))
    finding, worst = max(findings, key=lambda pair: safety.weight(pair[0]))
    return FleetServer(
        name=name,
        group=server.group or "",
        labels=server.labels,
        plans=found,
        finding=finding,
        worst=worst,
        receiver=_receiver(workspace, name) if server.wal.enabled else None,
    )


def _receiver(workspace: Workspace, name: str) -> str:
    state = wal_state.read(workspace.state.wal(name))
    return state.host if state and wal_state.is_received(workspace, name, state) else ""


def _plan(
    workspace: Workspace, name: str, plan: Plan, daemon: SchedulerState | None, now: float
) -> Iterator[FleetPlan]:
    pause = expectations.expectation(plan, int(now // 3600)).interval
    attempts = newest_runs.attempts(workspace, name, pause)
    known = subjects.histories(attempts)
    databases = subjects.databases(plan, known, frozenset(), None)
    drills = newest_runs.drills(workspace, name, databases) if plan.drill.enabled else {}
    handled = max((each.scheduled or each.started for each in attempts), default=0.0)
    seen = daemon.first_seen.get(name) if daemon else None
    counted = daemon.counted.get(name) if daemon else None
    for database in databases:
        own = subjects.of(known, Subject(plan.server, database, plan.backup_type))
        drilled = drills.get(database, newest_runs.Drilled())
        facts = safety.Subject(
            plan=plan,
            history=own,
            seen_at=seen.timestamp() if seen else workspace.file.stat().st_mtime,
            handled_until=max(own.handled_until, handled, counted.since.timestamp() if counted else 0.0),
            drill_success=drilled.success,
            drill_failure=drilled.failure,
        )
        yield FleetPlan(
            plan=name,
            database=database,
            last_success=own.last_success,
            findings=safety.of_subject(facts, now),
        )


def _labels(server: Server) -> dict[str, str]:
    return {**({"group": server.group} if server.group else {}), **server.labels}
