"""Serves the console beside the daemon, in its loop. What is wrong with it keeps no backup from running."""

from __future__ import annotations

import asyncio
import os
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final

from aiohttp import web

from pgbackstop_catalog import errors
from pgbackstop_catalog.config.console import Console, split
from pgbackstop_runner.console import (
    actions,
    connections,
    download,
    events,
    language_choice,
    login,
    pages,
    recover_pages,
    restore_pages,
    restores_pages,
    tables_pages,
    tls,
)
from pgbackstop_runner.console.api import door
from pgbackstop_runner.console.app import ConsoleContext
from pgbackstop_runner.console.oidc import pages as oidc_pages
from pgbackstop_runner.console.operations import Operations, outlives
from pgbackstop_runner.system import log
from pgbackstop_runner.workspace import Workspace

PARTS: Final = (
    login.add,
    download.add,
    events.add,
    language_choice.add,
    oidc_pages.add,
    pages.add,
    actions.add,
    restore_pages.add,
    tables_pages.add,
    restores_pages.add,
    recover_pages.add,
    door.add,
)


@asynccontextmanager
async def served(
    workspace: Callable[[], Workspace], operations: Operations | None = None
) -> AsyncIterator[Callable[[], Awaitable[None]]]:
    """Served while the body runs; gives what ends all that was started here, or leaves it going."""
    config = workspace().config
    host, port = split(config.console.listen)
    context = ConsoleContext(
        workspace=workspace,
        operations=operations or await _operations(workspace()),
        path=config.console.path,
    )
    runner = web.AppRunner(context.application(*PARTS), access_log=None, shutdown_timeout=2.0)
    await runner.setup()
    site = AsyncExitStack()
    try:
        encryption = await asyncio.to_thread(_encryption, config.console)
        await site.enter_async_context(connections.listening(runner, host, port, encryption))
        log.logger().info("console served", address=config.console.listen, tls=encryption is not None)
    except (OSError, errors.ConfigError) as error:
        problem = str(error) if isinstance(error, errors.ConfigError) else error.strerror
        log.logger().error("the console is not served", address=config.console.listen, problem=problem)
    try:
        yield context.stop
    finally:
        await site.aclose()
        await context.stop()
        await runner.cleanup()


async def _operations(workspace: Workspace) -> Operations:
    """Those that the daemons before have started are known."""
    config = workspace.config
    made = Operations(
        stop_timeout=config.daemon.stop_timeout,
        outlive=outlives(config.console.operations_outlive_daemon, pid=os.getpid(), parent=os.getppid()),
    )
    await made.adopt(workspace.state)
    return made


def _encryption(console: Console) -> ssl.SSLContext | None:
    if console.web_config_file is None:
        return None
    found = tls.read(console.web_config_file)
    if found.warning:
        log.logger().warning("browsers will refuse the certificate", problem=found.warning)
    return found.context
