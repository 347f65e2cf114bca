"""Heartbeats: one row a server in each interval, so that drills can measure what would be lost.

A server that is down is no trouble of the daemon's: it says so once, and tries again at the next interval.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pgbackstop_catalog import errors
from pgbackstop_catalog.config import conninfo
from pgbackstop_catalog.config.server import Server
from pgbackstop_catalog.decisions import drills
from pgbackstop_runner.daemon.server_tasks import ServerTasks
from pgbackstop_runner.postgres import session_options
from pgbackstop_runner.system import log
from pgbackstop_runner.workspace import Workspace

if TYPE_CHECKING:
    import psycopg

APPLICATION_NAME = "pgbackstop heartbeat"
# How long a row is kept, in seconds, and the most there may be of them: older windows are judged without.
KEPT_SECONDS = 35 * 86400.0
MOST_ROWS = 400_000
# Old rows go with one heartbeat in so many; a rare, larger delete costs the server less.
_ROUNDS = 100
_INSERT = f"""
    insert into {drills.TABLE} (written_at, previous)
    select clock_timestamp(), max(written_at) from {drills.TABLE} on conflict do nothing"""  # noqa: S608
_DELETE = f"delete from {drills.TABLE} where written_at < now() - make_interval(secs => %s)"  # noqa: S608


def tasks() -> ServerTasks:
    """One for each server that wants heartbeats."""
    return ServerTasks(wants=_wanted, keep=_beat_on)


def _wanted(workspace: Workspace, name: str) -> Server | None:
    server = workspace.server(name)
    return server if server.heartbeat.enabled else None


async def _beat_on(workspace: Workspace, name: str) -> None:
    """Connect, write until something fails, wait, and again."""
    server = workspace.server(name)
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
            raise _Refused(errors.one_line(error)) from error

    async def _one(self, connection: psycopg.AsyncConnection) -> None:
        """Raises NotFound where the table is not, or no longer, the one to be written into."""
        from pgbackstop_runner.postgres import heartbeats  # noqa: PLC0415 - psycopg hangs on it

        found = await connection.execute(heartbeats.IS_THERE, (self.server.user,))
        if await found.fetchone() != (True,):
            raise heartbeats.missing("No schema of the heartbeats' database")
        await connection.execute(_INSERT)
        if self._written % _ROUNDS == 0:
            kept = min(KEPT_SECONDS, MOST_ROWS * self.server.heartbeat.interval)
            await connection.execute(_DELETE, (kept,))
        if self._problem:
            log.logger().info("heartbeats are written again", server=self.name)
        self._written, self._problem = self._written + 1, ""


async def _connect(server: Server) -> psycopg.AsyncConnection:
    import psycopg  # noqa: PLC0415
    from psycopg.conninfo import make_conninfo  # noqa: PLC0415

    from pgbackstop_runner.postgres import heartbeats  # noqa: PLC0415

    database = await asyncio.to_thread(heartbeats.live_database, server)
    keywords = conninfo.keywords(server, database=database, application_name=APPLICATION_NAME)
    return await psycopg.AsyncConnection.connect(
        make_conninfo("", **conninfo.with_required_methods(keywords, psycopg.pq.version())),
        password=await asyncio.to_thread(conninfo.password, server),
        options=session_options.options(
            keywords, statement_timeout=str(round(drills.TOLERANCE * 1000)), lock_timeout="2000"
        ),
        autocommit=True,
    )
