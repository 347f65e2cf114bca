"""Heartbeats: one row a server in each interval, so that drills can measure what would be lost.

A server that is down is no trouble of the daemon's: it says so once, and tries again at the next interval.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pgbackstop_catalog import conninfo, drills, errors
from pgbackstop_catalog.config.server import Server
from pgbackstop_runner import log
from pgbackstop_runner.workspace import Workspace

if TYPE_CHECKING:
    import psycopg

APPLICATION_NAME = "pgbackstop heartbeat"
# How long a row is kept, in seconds, and the most there may be of them: older windows are judged without.
KEPT_SECONDS = 35 * 86400.0
MOST_ROWS = 400_000
# Old rows go with one heartbeat in so many; a rare, larger delete costs the server less.
_ROUNDS = 100
_OPTIONS = f"-c statement_timeout={round(drills.TOLERANCE * 1000)} -c lock_timeout=2000 -c search_path="


@dataclass
class Heartbeats:
    """One task for each server that wants heartbeats."""

    _tasks: dict[str, asyncio.Task[None]] = field(default_factory=dict)
    _servers: dict[str, Server] = field(default_factory=dict)

    async def follow(self, workspace: Workspace) -> None:
        """Let there be a task for each server that wants one; a changed server gets a new one."""
        servers = workspace.config.servers
        wanted = {name: server for name, server in servers.items() if server.heartbeat.enabled}
        await self._end([name for name, server in self._servers.items() if wanted.get(name) != server])
        for name in wanted.keys() - self._tasks.keys():
            self._tasks[name] = asyncio.create_task(_beat_on(name, wanted[name]))
        self._servers = wanted

    def check(self) -> None:
        """A bug in writing heartbeats shows here and ends the daemon."""
        for task in self._tasks.values():
            if task.done():
                task.result()

    async def stop(self) -> None:
        """End all of them."""
        await self._end(list(self._tasks))

    async def _end(self, names: list[str]) -> None:
        ending = [self._tasks.pop(name) for name in names]
        for task in ending:
            task.cancel()
        await asyncio.gather(*ending, return_exceptions=True)


async def _beat_on(name: str, server: Server) -> None:
    """Connect, write until something fails, wait, and again."""
    writer = _Writer(name=name, server=server)
    while True:
        try:
            await writer.write()
        except _Refused as error:
            writer.complain(str(error))
        await asyncio.sleep(server.heartbeat.interval)


class _Refused(Exception):
    """The server did not take a heartbeat."""


@dataclass
class _Writer:
    """Writes the heartbeats of one server; each problem is told once."""

    name: str
    server: Server
    _problem: str = ""
    _written: int = 0

    def complain(self, problem: str) -> None:
        """Say what is wrong, unless it was said."""
        if problem != self._problem:
            log.logger().warning("no heartbeats are written", server=self.name, problem=problem)
        self._problem = problem

    async def write(self) -> None:
        """One row in each interval, as long as all goes well. Raises _Refused."""
        import psycopg  # noqa: PLC0415 - 100 ms that only operations pay

        patience = self.server.connect_timeout + 2 * drills.TOLERANCE
        try:
            async with asyncio.timeout(patience):
                connection = await _connect(self.server)
            async with connection:
                while True:
                    async with asyncio.timeout(2 * drills.TOLERANCE):
                        await self._one(connection)
                    await asyncio.sleep(self.server.heartbeat.interval)
        except TimeoutError as error:
            raise _Refused("the server does not answer") from error
        except (psycopg.Error, errors.PgbackstopError) as error:
            raise _Refused(" ".join(str(error).split())) from error

    async def _one(self, connection: psycopg.AsyncConnection) -> None:
        await connection.execute(
            """insert into pgbackstop.heartbeat (written_at, previous)
               select clock_timestamp(), max(written_at) from pgbackstop.heartbeat on conflict do nothing"""
        )
        if self._written % _ROUNDS == 0:
            kept = min(KEPT_SECONDS, MOST_ROWS * self.server.heartbeat.interval)
            await connection.execute(
                "delete from pgbackstop.heartbeat where written_at < now() - make_interval(secs => %s)",
                (kept,),
            )
        if self._problem:
            log.logger().info("heartbeats are written again", server=self.name)
        self._written, self._problem = self._written + 1, ""


async def _connect(server: Server) -> psycopg.AsyncConnection:
    import psycopg  # noqa: PLC0415
    from psycopg.conninfo import make_conninfo  # noqa: PLC0415

    keywords = conninfo.keywords(
        server, database=server.heartbeat.database, application_name=APPLICATION_NAME
    )
    return await psycopg.AsyncConnection.connect(
        make_conninfo("", **keywords),
        password=conninfo.password(server),
        options=_OPTIONS,
        autocommit=True,
    )
