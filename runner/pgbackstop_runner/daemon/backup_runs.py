"""Backups as child processes: started in turn, followed to their end, and never without a record."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import time
from dataclasses import dataclass, field
from datetime import datetime

from pgbackstop_catalog import errors
from pgbackstop_catalog.model import format_time, utc_now
from pgbackstop_catalog.records.attempt import Status
from pgbackstop_runner.backup import reconcile
from pgbackstop_runner.daemon import children, due_times
from pgbackstop_runner.daemon.children import Child
from pgbackstop_runner.daemon.plan_state import Order
from pgbackstop_runner.daemon.planner import Planner
from pgbackstop_runner.daemon.settings import Settings
from pgbackstop_runner.system import log

# What a shell says of a command that it cannot start.
_CANNOT_START = 126


@dataclass
class Runs:
    """The backups that are going; ``wake`` is set when one has ended."""

    planner: Planner
    settings: Settings
    wake: asyncio.Event
    stopping: bool = False
    tasks: dict[str, asyncio.Task[None]] = field(default_factory=dict)
    _children: dict[str, Child] = field(default_factory=dict)
    _busy_until: dict[str, float] = field(default_factory=dict)

    def start_waiting(self) -> None:
        """Start what waits, as far as there is room."""
        for order in list(self.planner.waiting()):
            if len(self.tasks) >= self.planner.workspace.config.daemon.max_parallel:
                return
            if order.plan in self.tasks or self._busy_until.get(order.plan, 0.0) > time.monotonic():
                continue
            self.planner.started(order.plan)
            self.tasks[order.plan] = asyncio.create_task(self._run(order))

    def reap(self) -> None:
        """Forget what has ended; a bug in following a run shows here and ends the daemon."""
        for plan in [plan for plan, task in self.tasks.items() if task.done()]:
            self.tasks.pop(plan).result()

    async def stop(self) -> None:
        """End what is going; each has its time to leave its record."""
        self.stopping = True
        seconds = self.planner.workspace.config.daemon.stop_timeout
        await children.stop(list(self._children.values()), seconds=seconds)
        await asyncio.gather(*self.tasks.values())

    async def _run(self, order: Order) -> None:
        started = utc_now()
        exit_code, words = await self._to_its_end(order)
        while not self.stopping:
            try:
                await self._settle(order, started, exit_code, words)
                break
            except errors.CatalogError as error:
                log.logger().error("cannot see how it ended yet", plan=order.plan, problem=str(error))
                await asyncio.sleep(self.settings.heartbeat)
        self.wake.set()

    async def _to_its_end(self, order: Order) -> tuple[int, str]:
        bound = log.logger().bind(
            plan=order.plan, trigger=order.trigger, due=order.due and format_time(order.due)
        )
        try:
            child = await children.start(self.settings.backup(self.planner.workspace, order), keep_words=True)
        except OSError as error:
            bound.error("cannot be started", problem=error.strerror)
            return _CANNOT_START, f"it cannot be started: {error.strerror}"
        self._children[order.plan] = child
        bound.info("started", pid=child.pid)
        if self.stopping:  # the signal came while it was being started
            child.send(signal.SIGTERM)
        try:
            exit_code = await child.wait()
        finally:
            del self._children[order.plan]
        bound.info("ended", pid=child.pid, exit_status=exit_code, duration_seconds=round(child.lasted, 3))
        return exit_code, child.words()

    async def _settle(self, order: Order, started: datetime, exit_code: int, words: str) -> None:
        planner, now = self.planner, utc_now()
        records = due_times.of_order(planner.workspace.catalog, order, started)
        if any(record.status is Status.RUNNING for record in records):
            await asyncio.to_thread(self._reconcile, order.plan)
        if not records and exit_code == errors.Busy.exit_code:
            self._busy_until[order.plan] = time.monotonic() + self.settings.busy_pause
            planner.put_back(order.plan, now)
            return
        plan = planner.workspace.config.plans.get(order.plan)
        if plan is not None and not due_times.is_told(records):
            planner.put(due_times.lost(plan, order, now, made=records, exit_code=exit_code, words=words))
        planner.ended(order.plan)

    def _reconcile(self, plan: str) -> None:
        """Its process is dead and its record still says running: close it now, not at the next start."""
        workspace = self.planner.workspace
        with (
            contextlib.suppress(errors.Busy),
            workspace.state.held(reconcile.lock_name(plan), plan),
        ):
            reconcile.one_plan(workspace, plan)
