"""Sources of servers are asked at their intervals, off the event loop; what changed is loaded.

Another process of this host may ask them as well, a worker or a person: what counts is what is kept.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from dataclasses import dataclass, field

from pgbackstop_catalog import errors
from pgbackstop_catalog.config import discovered
from pgbackstop_runner.discovery import refresh
from pgbackstop_runner.system import log
from pgbackstop_runner.workspace import Workspace


@dataclass
class Discoveries:
    """One round of questions at a time; ``wake`` ends the daemon's sleep when one is over."""

    wake: asyncio.Event
    _task: asyncio.Task[None] | None = None
    _problem: str = ""
    _kept: dict[str, tuple[int, int]] = field(default_factory=dict)

    def look(self, workspace: Workspace) -> bool:
        """Start a round where some source is due; whether other servers are kept than at the last look.

        Those of the first look are others: they may have been kept since the configuration was loaded.
        """
        if not workspace.config.discovery:
            return False
        self._ask(workspace)
        before, self._kept = self._kept, self._kept | _kept(workspace)
        return before != self._kept

    def _ask(self, workspace: Workspace) -> None:
        if self._task is not None:
            if not self._task.done():
                return
            ended, self._task = self._task, None
            self._see(ended)
        try:
            due = refresh.due(workspace, time.time())
        except errors.PgbackstopError as error:
            self._complain(error)
            return
        if due:
            self._task = asyncio.create_task(asyncio.to_thread(_round, workspace, due))
            self._task.add_done_callback(lambda _task: self.wake.set())

    async def stop(self) -> None:
        """A round that is going ends by itself, soon."""
        if self._task is not None:
            await asyncio.gather(self._task, return_exceptions=True)

    def _see(self, task: asyncio.Task[None]) -> None:
        try:
            task.result()
        except errors.PgbackstopError as error:
            self._complain(error)
        except Exception:
            # Backups of the servers that are known go on.
            log.logger().exception("discovery failed: this is a bug")
        else:
            self._problem = ""

    def _complain(self, error: errors.PgbackstopError) -> None:
        """Once for each problem."""
        if str(error) != self._problem:
            log.logger().error("discovery failed", problem=str(error))
        self._problem = str(error)


def _round(workspace: Workspace, due: list[str]) -> None:
    for source in due:
        refresh.tell(refresh.refresh(workspace, source, time.time()))


def _kept(workspace: Workspace) -> dict[str, tuple[int, int]]:
    """Time and number of the file of each source's servers; what is away has not changed."""
    found = {}
    for source in workspace.config.discovery:
        with suppress(OSError):
            status = discovered.servers_file(workspace.state.root, source).stat()
            found[source] = status.st_mtime_ns, status.st_ino
    return found
