"""One endless task for each server that wants it, begun anew where the server's settings have changed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field

from pgbackstop_runner.workspace import Workspace


@dataclass(kw_only=True)
class ServerTasks:
    """``keep`` never ends by itself, and cleans up when it is cancelled.

    ``wants`` returns the settings that a task goes by, None where there is to be none.
    """

    wants: Callable[[Workspace, str], object]
    keep: Callable[[Workspace, str], Coroutine[None, None, None]]
    _tasks: dict[str, asyncio.Task[None]] = field(default_factory=dict)
    _settings: dict[str, object] = field(default_factory=dict)

    async def follow(self, workspace: Workspace) -> None:
        """Let there be a task for each server that wants one; a changed server gets a new one."""
        found = {name: self.wants(workspace, name) for name in workspace.config.servers}
        wanted = {name: each for name, each in found.items() if each is not None}
        await self._end([name for name, each in self._settings.items() if wanted.get(name) != each])
        for name in wanted.keys() - self._tasks.keys():
            self._tasks[name] = asyncio.create_task(self.keep(workspace, name))
        self._settings = wanted

    def check(self) -> None:
        """A bug in one of them shows here and ends the daemon."""
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
