"""The WAL receivers of a worker: those whose lease it holds, for as long as it holds it."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import timedelta

import psycopg

from pgbackstop_catalog.config.server import Server
from pgbackstop_runner.daemon import settings as daemon_settings
from pgbackstop_runner.daemon import wal_receivers
from pgbackstop_runner.daemon.server_tasks import ServerTasks
from pgbackstop_runner.fleet import wal_leases, wal_states
from pgbackstop_runner.fleet.database import Database
from pgbackstop_runner.fleet.decisions import WalRoom, leases_to_take
from pgbackstop_runner.fleet.settings import Settings
from pgbackstop_runner.storage import identity
from pgbackstop_runner.system import log
from pgbackstop_runner.system.tenure import Tenure
from pgbackstop_runner.workspace import Workspace


@dataclass
class WalReceivers:
    """``held`` are the servers whose lease is ours; their receivers end by themselves with the ``tenure``."""

    worker: str
    queues: Collection[str]
    most: int
    database: Database
    settings: Settings
    tenure: Tenure
    held: frozenset[str] = frozenset()
    _leaving: frozenset[str] = frozenset()  # the lease is kept until their receivers have ended
    _tasks: ServerTasks = field(init=False)

    def __post_init__(self) -> None:
        descriptor = self.tenure.descriptor
        keep = wal_receivers.receiver(
            daemon_settings.Settings(), ("--tenure", str(descriptor)), inherited=(descriptor,)
        )
        self._tasks = ServerTasks(wants=self._wants, keep=keep)

    async def look(self, workspace: Workspace) -> None:
        """Give back what we cannot keep, take what nobody has, and let there be a receiver for each.

        Raises CatalogError, OSError.
        """
        self._tasks.check()
        able = await asyncio.to_thread(self._able, workspace)
        if self.held - able:
            # A storage is not known either while the database is away: then all stays as it is.
            await self.database.asked(wal_leases.known)
            able = await asyncio.to_thread(self._able, workspace)
        await self._hand_over(workspace, self.held - able)
        await self._tasks.follow(workspace)  # a lease that was lost has no receiver before another is taken
        taken = await self.database.asked(self._exchange, workspace, able)
        if taken:
            log.logger().info("receives WAL", worker=self.worker, servers=",".join(sorted(taken)))
        self.held |= taken
        await self._tasks.follow(workspace)

    def renewed(self, connection: psycopg.Connection) -> frozenset[str]:
        """Renew the leases; returns those that were lost. Raises psycopg's errors."""
        held = self.held
        lasts = timedelta(seconds=self.settings.reaped_after)
        return held - wal_leases.renew(connection, held, worker=self.worker, lasts=lasts)

    def lose(self, servers: Collection[str]) -> None:
        """Leases that are no longer ours: the next look ends their receivers.

        What was given back while the database was asked is none of those.
        """
        for server in self.held.intersection(servers):
            log.logger().error("the lease is another worker's", worker=self.worker, server=server)
        self.held -= frozenset(servers)

    async def stop(self, workspace: Workspace) -> None:
        """End all receivers, and let other workers begin theirs at once. Raises CatalogError, OSError."""
        await self._hand_over(workspace, self.held)
        await self._tasks.stop()

    async def _hand_over(self, workspace: Workspace, servers: Collection[str]) -> None:
        if not servers:
            return
        self._leaving = frozenset(servers)
        await self._tasks.follow(workspace)
        self.held, self._leaving = self.held - self._leaving, frozenset()
        await self.database.asked(self._release, workspace, servers)
        log.logger().info("receives WAL no more", worker=self.worker, servers=",".join(sorted(servers)))

    def _release(
        self, connection: psycopg.Connection, workspace: Workspace, servers: Collection[str]
    ) -> None:
        wal_leases.say(connection, wal_states.own(workspace.state, servers), worker=self.worker)
        wal_leases.release(connection, servers, worker=self.worker)

    def _exchange(
        self, connection: psycopg.Connection, workspace: Workspace, able: frozenset[str]
    ) -> frozenset[str]:
        """Tell and hear what receivers know, and take leases; returns those that were taken."""
        wal_leases.say(connection, wal_states.own(workspace.state, self.held), worker=self.worker)
        leases = wal_leases.known(connection)
        servers = workspace.config.servers.keys() - self.held
        wal_states.keep(workspace.state, (each for each in leases if each.server in servers))
        room = WalRoom(most=self.most - len(self.held), at_once=self.settings.leases_at_once)
        wanted = leases_to_take(able - self.held, leases, worker=self.worker, room=room)
        lasts = timedelta(seconds=self.settings.reaped_after)
        return wal_leases.take(connection, wanted, worker=self.worker, lasts=lasts) if wanted else frozenset()

    def _able(self, workspace: Workspace) -> frozenset[str]:
        """The servers whose WAL can be received here: of our queues, with the storage of their archive."""
        wanted = [
            name
            for name, server in workspace.config.servers.items()
            if server.wal.enabled and server.queue in self.queues
        ]
        is_there = functools.cache(lambda storage: identity.look(workspace, storage).is_there)
        return frozenset(name for name in wanted if is_there(workspace.wal_storage(name)))

    def _wants(self, workspace: Workspace, name: str) -> Server | None:
        return workspace.server(name) if name in self.held - self._leaving else None
