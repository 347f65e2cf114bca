"""All plans of a configuration: what is due, and the records of what was missed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from pgbackstop_catalog import errors
from pgbackstop_catalog.config import schedule as schedules
from pgbackstop_catalog.config.plan import Plan
from pgbackstop_catalog.model import format_time
from pgbackstop_catalog.records.backup import Backup
from pgbackstop_runner.daemon import due_times, plan_state, state_file
from pgbackstop_runner.daemon.plan_state import CREDIBLE, Missed, Observation, Order, PlanState
from pgbackstop_runner.daemon.state_file import SchedulerFacts
from pgbackstop_runner.system import log
from pgbackstop_runner.workspace import Workspace


@dataclass
class Planner:
    """Keeps the state of every plan; ``recorded`` hears of each record that it writes."""

    workspace: Workspace
    recorded: Callable[[Backup], None]
    known: SchedulerFacts
    states: dict[str, PlanState] = field(default_factory=dict)
    _unwritten: list[Backup] = field(default_factory=list)

    @classmethod
    def begin(cls, workspace: Workspace, recorded: Callable[[Backup], None], now: datetime) -> Planner:
        """From what an earlier daemon knew and the records say. Raises CatalogError."""
        planner = cls(workspace=workspace, recorded=recorded, known=state_file.load(workspace.state))
        planner.adopt(workspace, now)
        return planner

    def adopt(self, workspace: Workspace, now: datetime) -> None:
        """Go on with another configuration: what runs goes on, what waits of a paused plan does not."""
        newest = _newest(workspace, now)
        before = state_file.believed(self.known, now)
        known = state_file.recall(workspace.config, before, now=now, newest_due=newest)
        states = {
            name: self._state(name, newest.get(name), each.since) for name, each in known.counted.items()
        } | {
            name: plan_state.PlanState(plan=name, handled_until=now, running=old.running)
            for name, old in self.states.items()
            if name not in known.counted and old.running is not None
        }
        # All at once: a configuration that cannot be taken over leaves everything as it was.
        self.workspace, self.known, self.states = workspace, known, states

    def _state(self, name: str, newest: datetime | None, since: datetime) -> PlanState:
        old = self.states.get(name)
        moments = [since, newest, old.handled_until if old is not None else None]
        handled = max(moment for moment in moments if moment is not None)
        return PlanState(
            plan=name,
            handled_until=handled,
            running=old.running if old is not None else None,
            waiting=old.waiting if old is not None else None,
        )

    def look(self, now: datetime) -> None:
        """Look at the clock: see what is due, and record what was missed."""
        self.known = state_file.believed(self.known, now)
        for name, plan in self._scheduled():
            before = self.states[name]
            seen = plan_state.observe(
                before, plan.effective_schedule(), now=now, grace=timedelta(seconds=plan.grace)
            )
            self._apply(seen, now)
        self.write(now)

    def pass_by(self, now: datetime) -> None:
        """Let due times go by: workers make their runs, and record what was missed."""
        self.known = state_file.believed(self.known, now)
        for name, plan in self._scheduled():
            state = self.states[name]
            handled = now if state.handled_until - now > CREDIBLE else state.handled_until
            due = schedules.past(plan.effective_schedule(), handled_until=handled, now=now)
            self.states[name] = replace(state, handled_until=due[-1] if due else handled, waiting=None)

    def waiting(self) -> Iterator[Order]:
        """What could start now: what has waited longest first."""
        ready = [
            state.waiting
            for name, state in self.states.items()
            if name in self.known.counted and state.waiting is not None and state.running is None
        ]
        return iter(sorted(ready, key=lambda order: (order.asked, order.plan)))

    def demand(self, plan: str, now: datetime) -> None:
        """A base backup is wanted for a gap in the WAL."""
        self.states[plan] = plan_state.demand(self.states[plan], now)

    def started(self, plan: str) -> None:
        """What waited of the plan runs."""
        self.states[plan] = plan_state.started(self.states[plan])

    def ended(self, plan: str) -> None:
        """The run of the plan is over and on record."""
        self.states[plan] = plan_state.ended(self.states[plan])

    def put_back(self, plan: str, now: datetime) -> None:
        """The run could not begin, because the plan runs by hand."""
        self._apply(plan_state.put_back(self.states[plan]), now)

    def next_runs(self) -> Mapping[str, datetime]:
        """By plan, the next due time that is not handled yet."""
        return {
            name: self.states[name].next_run(plan.effective_schedule()) for name, plan in self._scheduled()
        }

    def _scheduled(self) -> list[tuple[str, Plan]]:
        plans = self.workspace.config.plans
        return [(name, plans[name]) for name in self.known.counted]

    def _apply(self, seen: Observation, now: datetime) -> None:
        name = seen.state.plan
        self.states[name] = seen.state
        if seen.reason:
            due = seen.order.due if seen.order is not None else None
            log.logger().info("decided", plan=name, due=due and format_time(due), reason=seen.reason)
        if seen.missed is not None:
            self._miss(seen.missed, now)

    def _miss(self, missed: Missed, now: datetime) -> None:
        log.logger().warning(
            "missed", plan=missed.plan, due=format_time(missed.newest), runs=missed.runs, reason=missed.reason
        )
        plan = self.workspace.config.plans.get(missed.plan)
        if plan is not None:
            self._unwritten.append(due_times.missed(plan, missed, now))

    def put(self, record: Backup) -> None:
        """Record what only the daemon knows; on a full or broken disk as soon as that is over."""
        self._unwritten.insert(0, record)

    def write(self, now: datetime) -> None:
        """Write what is to be recorded; what cannot be written now is kept for the next time."""
        for record in list(self._unwritten):
            try:
                if self._run_is_unrecorded(record.plan, now):
                    continue
                self.workspace.catalog.put(record)
            except errors.CatalogError as error:
                log.logger().error("cannot be recorded yet", plan=record.plan, problem=str(error))
                return
            self._unwritten.remove(record)
            self.recorded(record)

    def _run_is_unrecorded(self, plan: str, now: datetime) -> bool:
        """Whether a run goes that has not come to its record yet.

        A due time that is missed meanwhile is newer, and a daemon that were killed between the two records
        would take the older one for handled.
        """
        running = self.states[plan].running if plan in self.states else None
        if running is None or running.due is None:
            return False
        newest = due_times.newest_due(self.workspace.catalog, plan, now)
        return newest is None or newest < running.due


def _newest(workspace: Workspace, now: datetime) -> dict[str, datetime]:
    found = {name: due_times.newest_due(workspace.catalog, name, now) for name in workspace.config.plans}
    return {name: due for name, due in found.items() if due is not None}
