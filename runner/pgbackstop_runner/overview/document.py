"""The overview for programs, the same from ``status --json`` and the console's API. Pure."""

from __future__ import annotations

from pgbackstop_catalog.decisions.safety import Finding as DecidedFinding
from pgbackstop_catalog.model import Model, UtcTime
from pgbackstop_runner.overview import words
from pgbackstop_runner.overview.read import Overview
from pgbackstop_runner.overview.read import ServerStatus as ReadServer
from pgbackstop_runner.overview.subjects import SubjectStatus as ReadSubject


class Finding(Model):
    """Something that is wrong, or ``ok``."""

    state: str
    severity: str
    reason: str


class ServerStatus(Model):
    """To which moments a server can be restored, and what of that was proven."""

    server: str
    earliest: UtcTime | None
    latest: UtcTime | None
    databases_of: UtcTime | None
    proven_until: UtcTime | None
    proven_at: UtcTime | None
    findings: tuple[Finding, ...]


class PlanStatus(Model):
    """One database of a plan, or the server of a physical one."""

    plan: str
    server: str
    database: str
    backup_type: str
    state: str
    last_success: UtcTime | None
    max_age_seconds: float
    next_run: UtcTime | None
    findings: tuple[Finding, ...]


class RemovedPlan(Model):
    """A plan that is not in the configuration and still keeps backups."""

    plan: str
    backups: int
    size_bytes: int


class StatusDocument(Model):
    """Whether one is safe and why not; ``summary`` says it in a sentence."""

    at: UtcTime
    safe: bool
    severity: str
    summary: str
    findings: tuple[Finding, ...]
    servers: tuple[ServerStatus, ...]
    plans: tuple[PlanStatus, ...]
    removed_plans: tuple[RemovedPlan, ...]


def status(found: Overview) -> StatusDocument:
    """The whole overview; times are in UTC, durations seconds."""
    return StatusDocument(
        at=found.now,
        safe=found.is_safe,
        severity=found.severity.value,
        summary=words.headline(found),
        findings=_findings(found.findings),
        servers=tuple(map(server, found.servers)),
        plans=tuple(_plan(each, found.now.timestamp()) for each in found.subjects),
        removed_plans=tuple(
            RemovedPlan(plan=each.name, backups=len(each.backups), size_bytes=each.size_bytes)
            for each in found.removed_plans
        ),
    )


def server(one: ReadServer) -> ServerStatus:
    """One server of it."""
    return ServerStatus(
        server=one.server,
        earliest=one.earliest,
        latest=one.latest,
        databases_of=one.databases_of,
        proven_until=one.proven_until,
        proven_at=one.proven_at,
        findings=_findings(one.findings),
    )


def _plan(one: ReadSubject, now: float) -> PlanStatus:
    newest = one.known.history.last_success
    return PlanStatus(
        plan=one.plan,
        **one.subject._asdict(),
        state=one.findings[0].state.value,
        last_success=words.moment(newest) if newest else None,
        max_age_seconds=one.known.max_age(now),
        next_run=words.moment(one.known.next_run(now)) if one.known.plan.enabled else None,
        findings=_findings(one.findings),
    )


def _findings(found: tuple[DecidedFinding, ...]) -> tuple[Finding, ...]:
    return tuple(
        Finding(state=each.state.value, severity=each.severity.value, reason=each.reason) for each in found
    )
