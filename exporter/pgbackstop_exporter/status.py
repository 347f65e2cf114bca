"""How each plan stands, in words for people: pure, from a snapshot."""

from __future__ import annotations

from dataclasses import dataclass

from pgbackstop_catalog import units
from pgbackstop_catalog.history import History, Subject
from pgbackstop_catalog.records import Tally
from pgbackstop_exporter import plan_families
from pgbackstop_exporter.facts import PlanFacts, Snapshot


@dataclass(frozen=True, kw_only=True)
class Row:
    """One line of the table; texts are ready to be shown."""

    plan: str
    database: str
    age: str
    size: str
    state: str


def rows(snapshot: Snapshot, now: float) -> list[Row]:
    """Every configured plan and database, in the configuration's order."""
    found: list[Row] = []
    for name, plan in snapshot.settings.config.plans.items():
        facts = snapshot.catalog.plans.get(name) if snapshot.catalog else None
        facts = facts or PlanFacts(tally=Tally(plan=name))
        server = snapshot.servers.get(plan.server)
        limit = plan_families.expectation(plan, int(now // 3600)).max_age
        for database in plan_families.databases(plan, facts, server.databases if server else None):
            known = facts.history(Subject(plan.server, database, plan.backup_type))
            state = state_of(known, enabled=plan.enabled, max_age=limit, now=now)
            if snapshot.catalog is None:
                state = "unknown"
            found.append(_row(name, database, known, state, now))
    return found


def state_of(known: History, *, enabled: bool, max_age: float, now: float) -> str:
    """The worst that can be said, by the rules of the alerts."""
    if not enabled:
        return "paused"
    if not known.last_success:
        return "failed" if known.last_failure else "never"
    if now - known.last_success > max_age:
        return "late"
    if known.last_failure > known.last_success:
        return "failed"
    return "running" if known.running else "ok"


def _row(plan: str, database: str, known: History, state: str, now: float) -> Row:
    age = units.format_duration(max(0.0, now - known.last_success)) if known.last_success else "never"
    size = units.format_size(known.success.size) if known.success and known.success.size >= 0 else ""
    return Row(plan=plan, database=database or "(all)", age=age, size=size, state=state)
