"""WAL receivers as child processes: one a server, started again after growing pauses."""

from __future__ import annotations

import asyncio
import functools

from pgbackstop_runner.daemon import children
from pgbackstop_runner.daemon.backoff import Backoff
from pgbackstop_runner.daemon.server_tasks import ServerTasks
from pgbackstop_runner.daemon.settings import Settings
from pgbackstop_runner.system import log
from pgbackstop_runner.workspace import Workspace


def tasks(settings: Settings) -> ServerTasks:
    """One for each server that archives its WAL."""
    return ServerTasks(wants=lambda server: server.wal.enabled, keep=functools.partial(_receive_on, settings))


async def _receive_on(settings: Settings, workspace: Workspace, server: str) -> None:
    backoff = Backoff(first=settings.first_pause, longest=settings.longest_pause, healthy=settings.healthy)
    while True:
        lasted = await _once(settings, workspace, server)
        backoff = backoff.after(lasted)
        log.logger().warning("receiver will be started again", server=server, pause_seconds=backoff.pause)
        await asyncio.sleep(backoff.pause)


async def _once(settings: Settings, workspace: Workspace, server: str) -> float:
    """Run it to its end; returns how many seconds it lasted."""
    bound = log.logger().bind(server=server)
    try:
        # Its log goes straight into ours: it writes for months, and its state file has its last words.
        child = await children.start(settings.receive(workspace, server), keep_words=False)
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
