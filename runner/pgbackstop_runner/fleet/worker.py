"""A worker: it queues what is due, takes runs and WAL, keeps them by heartbeats, takes over from the dead."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import signal
import socket
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import NoReturn

import psycopg

from pgbackstop_catalog import errors
from pgbackstop_catalog.config import yaml_file
from pgbackstop_catalog.model import utc_now
from pgbackstop_runner.daemon.discoveries import Discoveries
from pgbackstop_runner.fleet import due_runs, engine, presence, rounds, settle
from pgbackstop_runner.fleet.attempts import Attempts
from pgbackstop_runner.fleet.database import Database
from pgbackstop_runner.fleet.decisions import Ended, Limits
from pgbackstop_runner.fleet.presence import Presence
from pgbackstop_runner.fleet.settings import Settings
from pgbackstop_runner.fleet.values import Attempt, Key
from pgbackstop_runner.fleet.wal_receivers import WalReceivers
from pgbackstop_runner.system import log, tenure
from pgbackstop_runner.system.tenure import Tenure
from pgbackstop_runner.workspace import Workspace


@dataclass(frozen=True, kw_only=True)
class Offer:
    """What a worker is there for: the queues it takes from, how many runs and WAL receivers at once, how long
    it may drain.
    """

    queues: tuple[str, ...]
    concurrency: int
    receivers: int = 100
    drain: float = 0.0


def run(workspace: Workspace, offer: Offer, settings: Settings | None = None) -> None:
    """Run until SIGTERM or SIGINT. Raises ConfigError, CatalogError where the database is not to be had."""
    database = Database.of(workspace)
    database.check()
    database.ask(engine.prepare)
    loop = WorkerLoop(workspace=workspace, database=database, offer=offer, settings=settings or Settings())
    asyncio.run(loop.serve())


@dataclass
class WorkerLoop:
    """One worker; its name is of this process alone, so that one that is started anew is another one."""

    workspace: Workspace
    database: Database
    offer: Offer
    settings: Settings
    name: str = field(default_factory=lambda: f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(3)}")
    attempts: Attempts = field(init=False)
    _room: asyncio.Event = field(default_factory=asyncio.Event)
    _stop: asyncio.Event = field(default_factory=asyncio.Event)
    _wake: asyncio.Event = field(default_factory=asyncio.Event)
    _tenure: Tenure = field(init=False)
    _receivers: WalReceivers = field(init=False)
    _discoveries: Discoveries = field(init=False)
    _reload_wanted: bool = False
    _problems: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._discoveries = Discoveries(wake=self._wake)
        self.attempts = Attempts(settings=self.settings, settle=self._settle)
        self._tenure = Tenure.begin(tenure.now() + self.settings.lost_after)
        self._receivers = WalReceivers(
            worker=self.name,
            queues=self.offer.queues,
            most=self.offer.receivers,
            database=self.database,
            settings=self.settings,
            tenure=self._tenure,
        )

    async def serve(self) -> None:
        """Until a signal ends it; then it takes nothing more, drains, and hands back what still runs."""
        self._listen()
        log.logger().info("worker started", worker=self.name, queues=",".join(self.offer.queues))
        async with asyncio.TaskGroup() as group:
            pulling, receiving = group.create_task(self._pulls()), group.create_task(self._receives())
            others = [group.create_task(each()) for each in (self._beats, self._watch, self._rounds)]
            await self._stop.wait()
            log.logger().info("worker stops", worker=self.name, runs=len(self.attempts))
            pulling.cancel()
            await asyncio.wait({pulling})
            await self._leave()
            await self.attempts.drained(self.offer.drain)
            await self.attempts.stop(self.workspace.config.daemon.stop_timeout)
            await asyncio.wait({receiving}, timeout=self.workspace.config.daemon.stop_timeout)
            for each in (receiving, *others):
                each.cancel()
            await self._discoveries.stop()
        log.logger().info("worker stopped", worker=self.name)

    async def _beats(self) -> None:
        while True:
            # Before it is asked: the row's own time is later, so we give up before anybody takes over.
            asked, beating = tenure.now(), self.attempts.beating()
            try:
                kept, lost = await self.database.asked(self._renewed, beating)
            except errors.CatalogError as error:
                self._told("heartbeat", str(error))
            else:
                self._told("heartbeat")
                self._tenure.extend(asked + self.settings.lost_after)
                self.attempts.lose(beating - kept)
                self._receivers.lose(lost)
            await asyncio.sleep(self.settings.heartbeat)

    def _renewed(
        self, connection: psycopg.Connection, beating: frozenset[Attempt]
    ) -> tuple[frozenset[Attempt], frozenset[str]]:
        """The attempts that are still ours, and the leases that are not."""
        kept = due_runs.beat(connection, beating)
        # Who drains has taken its row away, for it takes no runs.
        if not presence.beat(connection, self.name) and not self._stop.is_set():
            presence.begin(connection, self._presence())
        return kept, self._receivers.renewed(connection)

    def _presence(self) -> Presence:
        return Presence(
            name=self.name,
            host=socket.gethostname(),
            queues=self.offer.queues,
            lost_after=timedelta(seconds=self.settings.reaped_after),
        )

    async def _leave(self) -> None:
        try:
            await self.database.asked(presence.stop, self.name)
        except errors.CatalogError as error:
            self._told("leave", str(error))  # it is told of as one that died

    async def _watch(self) -> None:
        """End everything when the database has been silent for too long: others may take over then."""
        while left := self._tenure.left():  # noqa: ASYNC110
            await asyncio.sleep(min(left, self.settings.heartbeat))
        log.logger().error("cut off from the database: the worker ends its runs and itself", worker=self.name)
        await self.attempts.kill()
        _end_at_once()

    async def _rounds(self) -> None:
        while True:
            self._reload_wanted |= self._discoveries.look(self.workspace)
            if self._reload_wanted:
                self._reload_wanted = False
                self._reload()
            seconds = self.settings.heartbeat
            try:
                seconds = await self.database.asked(rounds.go, self.workspace, self.settings)
                self._told("round")
            except errors.CatalogError as error:
                self._told("round", str(error))
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), seconds)
            self._wake.clear()

    async def _receives(self) -> None:
        """Receive the WAL of servers that nobody else receives, and hand it over at the end."""
        while not self._stop.is_set():
            await self._trying(self._receivers.look)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stop.wait(), self.settings.heartbeat)
        await self._trying(self._receivers.stop)

    async def _trying(self, deed: Callable[[Workspace], Awaitable[None]]) -> None:
        try:
            await deed(self.workspace)
            self._told("WAL")
        except (errors.PgbackstopError, OSError) as error:
            self._told("WAL", str(error))

    async def _pulls(self) -> None:
        """Take tasks while there is room for their runs."""
        while True:
            self._see_room()
            await self._room.wait()
            try:
                await engine.pull(
                    self.database.arguments, self.offer.queues, self._take, polling=self.settings.heartbeat
                )
            except (errors.PgbackstopError, *engine.ERRORS) as error:
                self._told("tasks", errors.one_line(error.__cause__ or error))
                await asyncio.sleep(self.settings.retry_pause)

    async def _take(self, key: Key) -> bool:
        """Claim a run and start it, where that may be; returns whether there is room for another."""
        workspace = self.workspace
        if key.plan in workspace.config.plans:
            claimed = await self.database.asked(self._claimed, workspace, key)
            if claimed is not None:
                self.attempts.start(claimed, workspace, self._see_room)
        self._see_room()
        return self._room.is_set()

    def _claimed(self, connection: psycopg.Connection, workspace: Workspace, key: Key) -> Attempt | None:
        workers = workspace.config.workers
        limits = Limits(per_server=workers.per_server, per_storage=workers.per_storage)
        with connection.transaction():
            got = due_runs.claim(connection, key, worker=self.name, started=utc_now(), limits=limits)
            if isinstance(got, Attempt):
                return got
            if got:
                rounds.look_again(connection, key, self.settings)
                log.logger().debug("waits for room", plan=key.plan, reason=got)
        return None

    async def _settle(self, workspace: Workspace, attempt: Attempt, ended: Ended) -> None:
        await self.database.asked(settle.ended, workspace, attempt, ended, self.settings)

    def _see_room(self) -> None:
        if len(self.attempts) < self.offer.concurrency:
            self._room.set()
        else:
            self._room.clear()

    def _listen(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        loop.add_signal_handler(signal.SIGHUP, self._want_reload)

    def _want_reload(self) -> None:
        self._reload_wanted = True
        self._wake.set()

    def _reload(self) -> None:
        try:
            fresh = self.workspace.reopened()
            if Database.of(fresh) != self.database or fresh.state != self.workspace.state:
                raise errors.ConfigError(
                    "The catalog is another one now.", remedy="Start the worker anew for that."
                )
        except yaml_file.BadConfig as error:
            for problem in error.problems:
                log.logger().error("configuration refused", problem=str(problem))
        except errors.PgbackstopError as error:
            log.logger().error("configuration refused", problem=str(error))
        else:
            self.workspace = fresh
            log.logger().info("configuration loaded", file=str(fresh.file), plans=len(fresh.config.plans))

    def _told(self, what: str, problem: str = "") -> None:
        """Say what is in trouble, once for each problem; without one it is well again."""
        if problem and problem != self._problems.get(what):
            log.logger().error("the catalog's database is in trouble", at=what, problem=problem)
        self._problems[what] = problem


def _end_at_once() -> NoReturn:
    """End this process, whatever waits for the network: nothing that it began is left."""
    sys.stderr.flush()
    os._exit(errors.CatalogError.exit_code)
