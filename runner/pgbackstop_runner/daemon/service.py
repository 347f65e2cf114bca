"""The loop: look at the clock, start what waits, write the heartbeat, sleep until the next of these."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, nullcontext, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from pgbackstop_catalog import errors
from pgbackstop_catalog.config import yaml_file
from pgbackstop_catalog.decisions.wal_segments import WalState
from pgbackstop_catalog.model import utc_now
from pgbackstop_catalog.records import codec
from pgbackstop_catalog.records.backup import Backup
from pgbackstop_runner.backup import reconcile
from pgbackstop_runner.daemon import heartbeats, state_file, wal_gaps, wal_receivers
from pgbackstop_runner.daemon.abandoned import AbandonedRuns
from pgbackstop_runner.daemon.backup_runs import Runs
from pgbackstop_runner.daemon.discoveries import Discoveries
from pgbackstop_runner.daemon.drill_runs import Drills
from pgbackstop_runner.daemon.notification_retries import NotificationRetrier
from pgbackstop_runner.daemon.one_child import OneChild
from pgbackstop_runner.daemon.planner import Planner
from pgbackstop_runner.daemon.server_tasks import ServerTasks
from pgbackstop_runner.daemon.settings import Settings
from pgbackstop_runner.daemon.state_file import SchedulerFacts
from pgbackstop_runner.daemon.verify_runs import Rereads
from pgbackstop_runner.drill import run as drill_flow
from pgbackstop_runner.recover import record
from pgbackstop_runner.restore import undo
from pgbackstop_runner.system import log
from pgbackstop_runner.workspace import Workspace

LOCK = "daemon"
# What ends what it has started, and starts nothing more.
Stop = Callable[[], Awaitable[None]]
# Is given the workspace as it is after the last reload.
Beside = Callable[[Callable[[], Workspace]], AbstractAsyncContextManager[Stop]]
# An event loop that is told to sleep until a time may wake a little before it.
_SLACK = 0.01


def run(workspace: Workspace, settings: Settings | None = None, beside: Beside | None = None) -> None:
    """Run until SIGTERM or SIGINT, with what is to go ``beside`` it in the same loop.

    Raises Busy, with the daemon that holds the catalog, CatalogError.
    """
    with workspace.state.held(LOCK, "The daemon of this catalog"):
        reconcile.everything(workspace)
        drill_flow.everything(workspace)
        undo.reconcile(workspace)
        record.reconcile(workspace)
        asyncio.run(_serve(workspace, settings or Settings(), beside))


async def _serve(workspace: Workspace, settings: Settings, beside: Beside | None) -> None:
    service = Service.begin(workspace, settings)
    async with beside(lambda: service.workspace) if beside else nullcontext(_nothing) as stop_beside:
        await service.serve(stop_beside)


async def _nothing() -> None:
    pass


@dataclass
class Service:
    """The daemon of one catalog."""

    workspace: Workspace
    settings: Settings
    planner: Planner
    runs: Runs
    receivers: ServerTasks
    wal_copiers: ServerTasks
    courier: NotificationRetrier
    drills: Drills
    rereads: Rereads
    abandoned: AbandonedRuns
    heartbeats: ServerTasks
    discoveries: Discoveries
    recorded: list[Backup]
    started_at: datetime
    wake: asyncio.Event
    stopping: bool = False
    reload_wanted: bool = False
    _saved: SchedulerFacts | None = None
    _problem: str = ""

    @classmethod
    def begin(cls, workspace: Workspace, settings: Settings) -> Service:
        """Read what there is to know. Raises CatalogError."""
        wake, recorded = asyncio.Event(), list[Backup]()
        planner = Planner.begin(workspace, recorded.append, utc_now())
        child = partial(OneChild, wake=wake, stop_seconds=settings.child_stop)
        return cls(
            workspace=workspace,
            settings=settings,
            planner=planner,
            runs=Runs(planner=planner, settings=settings, wake=wake),
            receivers=wal_receivers.receivers(settings),
            wal_copiers=wal_receivers.copiers(settings),
            courier=NotificationRetrier(settings=settings),
            drills=Drills(settings=settings, child=child(what="drill")),
            rereads=Rereads(settings=settings, child=child(what="verify")),
            abandoned=AbandonedRuns(settings=settings),
            heartbeats=heartbeats.tasks(),
            discoveries=Discoveries(wake=wake),
            recorded=recorded,
            started_at=utc_now(),
            wake=wake,
        )

    async def serve(self, stop_beside: Stop) -> None:
        """Until a signal ends it; then everything is stopped at once, within one and the same time."""
        self._listen()
        log.logger().info("daemon started", pid=os.getpid(), plans=len(self.planner.known.counted))
        try:
            await self._follow(self.workspace)
            while not self.stopping:
                await self.turn(utc_now())
                await self._sleep()
        finally:
            log.logger().info("daemon stops", runs=len(self.runs.tasks))
            await asyncio.gather(
                self.runs.stop(),
                self.drills.child.stop(),
                self.rereads.child.stop(),
                *(each.stop() for each in self._server_tasks),
                self.courier.stop(),
                self.abandoned.stop(),
                self.discoveries.stop(),
                stop_beside(),
            )
            self._heartbeat(utc_now(), stopped=True)
        log.logger().info("daemon stopped", pid=os.getpid())

    async def turn(self, now: datetime) -> None:
        """One look at everything."""
        self.reload_wanted |= self.discoveries.look(self.workspace)
        if self.reload_wanted:
            self.reload_wanted = False
            await self._reload(now)
        self.runs.reap()
        for each in self._server_tasks:
            each.check()
        self._look_for_runs(now)
        self._look_for_proofs(now)
        self.abandoned.look(self.workspace, self.runs.tasks)
        self._tell()
        self._heartbeat(now)

    def _look_for_runs(self, now: datetime) -> None:
        if self.workspace.config.workers.enabled:
            self.planner.pass_by(now)
            return
        self.planner.look(now)
        self._look_for_gaps(now)
        self.runs.start_waiting()

    @property
    def _server_tasks(self) -> tuple[ServerTasks, ...]:
        return self.receivers, self.wal_copiers, self.heartbeats

    async def _follow(self, workspace: Workspace) -> None:
        for each in self._server_tasks:
            await each.follow(workspace)

    def _tell(self) -> None:
        """After the records are durable, never before."""
        while self.recorded:
            self.courier.announce(self.workspace, self.recorded.pop(0))
        self.courier.look(self.workspace)

    async def _sleep(self) -> None:
        until_next = min(
            ((due - utc_now()).total_seconds() for due in self.planner.next_runs().values()),
            default=self.settings.heartbeat,
        )
        # A run that waits has a due time in the past, and is woken by the end of what it waits for.
        seconds = until_next + _SLACK if until_next > 0 else self.settings.heartbeat
        with suppress(TimeoutError):
            await asyncio.wait_for(self.wake.wait(), min(seconds, self.settings.heartbeat))
        self.wake.clear()

    def _listen(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop, number)
        loop.add_signal_handler(signal.SIGHUP, self._want_reload)

    def _stop(self, number: signal.Signals) -> None:
        log.logger().info("signal", signal=number.name)
        self.stopping = True
        self.wake.set()

    def _want_reload(self) -> None:
        self.reload_wanted = True
        self.wake.set()

    async def _reload(self, now: datetime) -> None:
        try:
            fresh = self._reopened()
            self.planner.adopt(fresh, now)
        except yaml_file.BadConfig as error:
            for problem in error.problems:
                log.logger().error("configuration refused", problem=str(problem))
            return
        except errors.PgbackstopError as error:
            log.logger().error("configuration refused", problem=str(error))
            return
        except Exception as error:
            # Whatever it is: the daemon goes on with what it had, for backups are due.
            log.logger().exception("configuration refused", problem=errors.one_line(error))
            return
        self.workspace = fresh
        await self._follow(fresh)
        log.logger().info("configuration loaded", file=str(fresh.file), plans=len(fresh.config.plans))

    def _reopened(self) -> Workspace:
        fresh = self.workspace.reopened()
        if fresh.state != self.workspace.state:
            raise errors.ConfigError(
                "The catalog is another folder now.", remedy="Start the daemon anew for that."
            )
        return fresh

    def _look_for_gaps(self, now: datetime) -> None:
        for name, plan in self.workspace.config.plans.items():
            if plan.is_logical or name not in self.planner.known.counted:
                continue
            state = self.planner.states[name]
            if state.running is not None or state.waiting is not None:
                continue
            try:
                wanted = wal_gaps.wants_run(
                    self._wanted_since(plan.server),
                    self.workspace.catalog.backups(name),
                    now=now,
                    pause=timedelta(seconds=self.settings.gap_pause),
                )
            except errors.CatalogError as error:
                self._complain(str(error))
                continue
            if wanted:
                log.logger().warning("decided", plan=name, reason="a gap in the WAL wants a base backup")
                self.planner.demand(name, now)

    def _look_for_proofs(self, now: datetime) -> None:
        try:
            self.drills.look(self.workspace, self.planner.known.first_seen, now)
            self.rereads.look(self.workspace, now)
        except errors.CatalogError as error:
            self._complain(str(error))

    def _wanted_since(self, server: str) -> datetime | None:
        path = self.workspace.state.wal(server)
        try:
            return codec.read(WalState, path).base_backup_wanted_since
        except FileNotFoundError:
            return None
        except OSError as error:
            raise errors.CatalogError(f"The catalog cannot be read: {path}: {error.strerror}.") from error

    def _heartbeat(self, now: datetime, *, stopped: bool = False) -> None:
        known = self.planner.known
        state = state_file.state(known, self.planner.next_runs(), started_at=self.started_at, now=now)
        try:
            state_file.save(
                self.workspace.state,
                state.evolve(stopped_at=now if stopped else None),
                durable=stopped or known != self._saved,
            )
        except errors.CatalogError as error:
            self._complain(str(error))
            return
        self._saved, self._problem = known, ""

    def _complain(self, problem: str) -> None:
        """Once for each problem, not at each heartbeat."""
        if problem != self._problem:
            log.logger().error("the catalog is in trouble", problem=problem)
        self._problem = problem
