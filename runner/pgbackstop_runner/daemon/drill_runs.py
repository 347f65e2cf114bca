"""Drills that are due, as child processes: one at a time, because each takes the disk and the processors.

A due time is handled when a proof is on record for it. One that waits is the newest of its plan: the next
takes its place. A daemon that was away catches up inside the plan's grace; later ones are left out, which
shows as a proof that is too old.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from pgbackstop_catalog.config import schedule
from pgbackstop_catalog.config.plan import Plan
from pgbackstop_catalog.model import format_time
from pgbackstop_runner.daemon.one_child import OneChild
from pgbackstop_runner.daemon.plan_state import CREDIBLE
from pgbackstop_runner.daemon.settings import DrillOrder, Settings
from pgbackstop_runner.system import log
from pgbackstop_runner.workspace import Workspace


@dataclass
class Drills:
    """What is due and waits, and the child that makes one of them."""

    settings: Settings
    child: OneChild
    waiting: dict[str, DrillOrder] = field(default_factory=dict)
    _handled: dict[str, datetime] = field(default_factory=dict)

    def look(self, workspace: Workspace, first_seen: Mapping[str, datetime], now: datetime) -> None:
        """Look at the clock, and start what is due where nothing runs. Raises CatalogError."""
        wanted = {
            name: plan for name, plan in workspace.config.plans.items() if plan.enabled and plan.drill.enabled
        }
        self._handled = {name: self._handled[name] for name in wanted if name in self._handled}
        self.waiting = {name: order for name, order in self.waiting.items() if name in wanted}
        for name, plan in wanted.items():
            self._observe(workspace, name, plan, first_seen.get(name, now), now)
        if self.child.is_free() and self.waiting:
            order = min(self.waiting.values(), key=lambda each: (each.due, each.plan))
            del self.waiting[order.plan]
            argv = self.settings.drill(workspace, order)
            self.child.start(argv, plan=order.plan, due=format_time(order.due))

    def _observe(self, workspace: Workspace, name: str, plan: Plan, since: datetime, now: datetime) -> None:
        handled = self._handled.get(name) or max(since, newest_due(workspace, name, now) or since)
        if handled - now > CREDIBLE:
            handled = now
        decision = schedule.decide(
            plan.drill_schedule(), handled_until=handled, now=now, grace=timedelta(seconds=plan.grace)
        )
        self._handled[name] = max(handled, decision.run or handled, *decision.missed[-1:])
        if decision.missed:
            newest = format_time(decision.missed[-1])
            log.logger().warning("drill left out", plan=name, due=newest, runs=len(decision.missed))
        if decision.run is not None:
            if name in self.waiting:
                due = format_time(self.waiting[name].due)
                log.logger().warning("drill left out", plan=name, due=due, runs=1)
            self.waiting[name] = DrillOrder(plan=name, due=decision.run, catch_up=decision.catch_up)
            log.logger().info("drill due", plan=name, due=format_time(decision.run), reason=decision.reason)


def newest_due(workspace: Workspace, plan: str, now: datetime) -> datetime | None:
    """The newest due time of a drill on record; the ones of a clock that was wrong do not count."""
    dues = (proof.scheduled_for for proof in workspace.catalog.proofs(plan) if proof.proof == "drill")
    return max((due for due in dues if due is not None and due - now <= CREDIBLE), default=None)
