"""WAL receivers as child processes: one a server, started again after growing pauses."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from pgbackstop_catalog.config.server import Server
from pgbackstop_runner import log
from pgbackstop_runner.daemon import children
from pgbackstop_runner.daemon.backoff import Backoff
from pgbackstop_runner.daemon.settings import Settings
from pgbackstop_runner.workspace import Workspace


@dataclass
class Receivers:
    """The receivers of the configured servers that archive their WAL."""

    settings: Settings
    _tasks: dict[str, asyncio.Task[None]] = field(default_factory=dict)
    _servers: dict[str, Server] = field(default_factory=dict)

    async def follow(self, workspace: Workspace) -> None:
        """Let there be a receiver for each server that wants one; a changed server gets a new one."""
        wanted = {name: server for name, server in workspace.config.servers.items() if server.wal.enabled}
        changed = [name for name, server in self._servers.items() if wanted.get(name) != server]
        await self._end(changed)
        for name in wanted.keys() - self._tasks.keys():
            self._tasks[name] = asyncio.create_task(self._keep(workspace, name))
        self._servers = wanted

    def check(self) -> None:
        """A bug in keeping a receiver shows here and ends the daemon."""
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

    async def _keep(self, workspace: Workspace, server: str) -> None:
        settings = self.settings
        backoff = Backoff(
            first=settings.first_pause, longest=settings.longest_pause, healthy=settings.healthy
        )
        while True:
            lasted = await self._once(workspace, server)
            backoff = backoff.after(lasted)
            log.logger().warning("receiver will be started again", server=server, pause_seconds=backoff.pause)
            await asyncio.sleep(backoff.pause)

    async def _once(self, workspace: Workspace, server: str) -> float:
        """Run it to its end; returns how many seconds it lasted."""
        bound = log.logger().bind(server=server)
        try:
            # Its log goes straight into ours: it writes for months, and its state file has its last words.
            child = await children.start(self.settings.receive(workspace, server), keep_words=False)
        except OSError as error:
            bound.error("receiver cannot be started", problem=error.strerror)
            return 0.0
        bound.info("receiver started", pid=child.pid)
        try:
            exit_code = await child.wait()
        except asyncio.CancelledError:
            await children.stop([child], seconds=workspace.config.daemon.stop_timeout)
            bound.info("receiver stopped", pid=child.pid)
            raise
        bound.error("receiver ended", pid=child.pid, exit_status=exit_code)
        return child.lasted
