"""Sources of servers are asked at their intervals, off the event loop; what changed is loaded."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

from pgbackstop_catalog import errors
from pgbackstop_runner.discovery import refresh
from pgbackstop_runner.system import log
from pgbackstop_runner.workspace import Workspace


@dataclass
class Discoveries:
    """One round of questions at a time; ``wake`` ends the daemon's sleep when one is over."""

    wake: asyncio.Event
    _task: asyncio.Task[bool] | None = None
    _problem: str = ""

    def look(self, workspace: Workspace) -> bool:
        """Start a round where some source is due; whether the last one changed the servers."""
        if not workspace.config.discovery:
            return False
        changed = False
        if self._task is not None:
            if not self._task.done():
                return False
            ended, self._task = self._task, None
            changed = self._see(ended)
        try:
            due = refresh.due(workspace, time.time())
        except errors.PgbackstopError as error:
            self._complain(error)
            return changed
        if due:
            self._task = asyncio.create_task(asyncio.to_thread(_round, workspace, due))
            self._task.add_done_callback(lambda _task: self.wake.set())
        return changed

    async def stop(self) -> None:
        """A round that is going ends by itself, soon."""
        if self._task is not None:
            await asyncio.gather(self._task, return_exceptions=True)

    def _see(self, task: asyncio.Task[bool]) -> bool:
        try:
            changed = task.result()
        except errors.PgbackstopError as error:
            self._complain(error)
            return False
        except Exception:
            # Backups of the servers that are known go on.
            log.logger().exception("discovery failed: this is a bug")
            return False
        self._problem = ""
        return changed

    def _complain(self, error: errors.PgbackstopError) -> None:
        """Once for each problem."""
        if str(error) != self._problem:
            log.logger().error("discovery failed", problem=str(error))
        self._problem = str(error)


def _round(workspace: Workspace, due: list[str]) -> bool:
    changed = False
    for source in due:
        outcome = refresh.refresh(workspace, source, time.time())
        refresh.tell(outcome)
        changed |= outcome.changed
    return changed
