"""What archives and copies WAL, as child processes: one a server, started again after growing pauses."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass

from pgbackstop_catalog.config.server import Server
from pgbackstop_catalog.decisions import wal_copies
from pgbackstop_runner.daemon import children
from pgbackstop_runner.daemon.backoff import Backoff
from pgbackstop_runner.daemon.server_tasks import ServerTasks
from pgbackstop_runner.daemon.settings import Settings
from pgbackstop_runner.system import log
from pgbackstop_runner.workspace import Workspace

Keep = Callable[[Workspace, str], Coroutine[None, None, None]]


@dataclass(frozen=True, kw_only=True)
class _Program:
    """What runs for a server, and the descriptors that it has of us."""

    what: str
    argv: Callable[[Workspace, str], list[str]]
    inherited: Sequence[int] = ()


def receivers(settings: Settings) -> ServerTasks:
    """One for each server that archives its WAL, unless workers receive it."""
    return ServerTasks(wants=_archives, keep=receiver(settings))


def receiver(settings: Settings, words: Sequence[str] = (), inherited: Sequence[int] = ()) -> Keep:
    """What keeps one running; ``words`` are added to its command line, descriptors are ``inherited``."""

    def argv(workspace: Workspace, server: str) -> list[str]:
        return [*settings.receive(workspace, server), *words]

    program = _Program(what="receiver", argv=argv, inherited=inherited)
    return functools.partial(_keep_running, settings, program)


def copiers(settings: Settings) -> ServerTasks:
    """One for each server whose WAL goes to further storages."""
    program = _Program(what="WAL copier", argv=settings.copy_wal)
    return ServerTasks(wants=_copies, keep=functools.partial(_keep_running, settings, program))


def _archives(workspace: Workspace, name: str) -> Server | None:
    server = workspace.server(name)
    return server if server.wal.enabled and not workspace.config.workers.enabled else None


def _copies(workspace: Workspace, name: str) -> object:
    storages = wal_copies.storages(workspace.config, name)
    return (
        (workspace.server(name), *((each, workspace.config.storages[each]) for each in storages))
        if storages
        else None
    )


async def _keep_running(settings: Settings, program: _Program, workspace: Workspace, server: str) -> None:
    backoff = Backoff(first=settings.first_pause, longest=settings.longest_pause, healthy=settings.healthy)
    while True:
        lasted = await _once(program, workspace, server)
        backoff = backoff.after(lasted)
        log.logger().warning(
            f"{program.what} will be started again", server=server, pause_seconds=backoff.pause
        )
        await asyncio.sleep(backoff.pause)


async def _once(program: _Program, workspace: Workspace, server: str) -> float:
    """Run it to its end; returns how many seconds it lasted."""
    bound, what = log.logger().bind(server=server), program.what
    try:
        # Its log goes straight into ours: it writes for months, and its state file has its last words.
        child = await children.start(
            program.argv(workspace, server), keep_words=False, inherited=program.inherited
        )
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
