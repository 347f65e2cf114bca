"""What archives and copies WAL, as child processes: one a server, started again after growing pauses."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable

from pgbackstop_catalog.config.server import Server
from pgbackstop_catalog.decisions import wal_copies
from pgbackstop_runner.daemon import children
from pgbackstop_runner.daemon.backoff import Backoff
from pgbackstop_runner.daemon.server_tasks import ServerTasks
from pgbackstop_runner.daemon.settings import Settings
from pgbackstop_runner.system import log
from pgbackstop_runner.workspace import Workspace


def receivers(settings: Settings) -> ServerTasks:
    """One for each server that archives its WAL."""
    command = functools.partial(_keep_running, settings, "receiver", settings.receive)
    return ServerTasks(wants=_archives, keep=command)


def copiers(settings: Settings) -> ServerTasks:
    """One for each server whose WAL goes to further storages."""
    command = functools.partial(_keep_running, settings, "WAL copier", settings.copy_wal)
    return ServerTasks(wants=_copies, keep=command)


def _archives(workspace: Workspace, name: str) -> Server | None:
    server = workspace.server(name)
    return server if server.wal.enabled else None


def _copies(workspace: Workspace, name: str) -> object:
    storages = wal_copies.storages(workspace.config, name)
    return (
        (workspace.server(name), *((each, workspace.config.storages[each]) for each in storages))
        if storages
        else None
    )


async def _keep_running(
    settings: Settings,
    what: str,
    command: Callable[[Workspace, str], list[str]],
    workspace: Workspace,
    server: str,
) -> None:
    backoff = Backoff(first=settings.first_pause, longest=settings.longest_pause, healthy=settings.healthy)
    while True:
        lasted = await _once(what, command(workspace, server), workspace, server)
        backoff = backoff.after(lasted)
        log.logger().warning(f"{what} will be started again", server=server, pause_seconds=backoff.pause)
        await asyncio.sleep(backoff.pause)


async def _once(what: str, argv: list[str], workspace: Workspace, server: str) -> float:
    """Run it to its end; returns how many seconds it lasted."""
    bound = log.logger().bind(server=server)
    try:
        # Its log goes straight into ours: it writes for months, and its state file has its last words.
        child = await children.start(argv, keep_words=False)
    except OSError as error:
        bound.error(f"{what} cannot be started", problem=error.strerror)
        return 0.0
    bound.info(f"{what} started", pid=child.pid)
    try:
        exit_code = await child.wait()
    except asyncio.CancelledError:
        await children.stop([child], seconds=workspace.config.daemon.stop_timeout)
        bound.info(f"{what} stopped", pid=child.pid)
        raise
    bound.error(f"{what} ended", pid=child.pid, exit_status=exit_code)
    return child.lasted
