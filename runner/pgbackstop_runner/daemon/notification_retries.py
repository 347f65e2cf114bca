"""Notifications that wait are delivered again and again, after growing pauses, off the event loop."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field

from pgbackstop_catalog import errors
from pgbackstop_catalog.records.backup import Backup
from pgbackstop_runner.daemon.backoff import Backoff
from pgbackstop_runner.daemon.settings import Settings
from pgbackstop_runner.notify import backup_events
from pgbackstop_runner.system import log
from pgbackstop_runner.workspace import Workspace


@dataclass
class NotificationRetrier:
    """One delivery at a time; ``settings`` say the pauses."""

    settings: Settings
    _backoff: Backoff = field(init=False)
    _next: float = 0.0
    _task: asyncio.Task[backup_events.Delivery] | None = None

    def __post_init__(self) -> None:
        self._backoff = Backoff(first=self.settings.first_pause, longest=self.settings.longest_pause)

    def announce(self, workspace: Workspace, record: Backup) -> None:
        """Queue what the daemon itself has recorded; it goes out with the next look."""
        try:
            backup_events.announce(workspace, record)
        except errors.PgbackstopError as error:
            log.logger().error("notification failed", plan=record.plan, problem=str(error))

    def look(self, workspace: Workspace) -> None:
        """Start a delivery where something waits and its time has come; see how the last one ended."""
        if self._task is not None:
            if not self._task.done():
                return
            ended, self._task = self._task, None
            self._see(ended)
        if time.monotonic() >= self._next and _waits(workspace):
            self._task = asyncio.create_task(asyncio.to_thread(backup_events.deliver, workspace))

    async def stop(self) -> None:
        """A delivery that is going ends by itself, soon."""
        if self._task is not None:
            await asyncio.gather(self._task, return_exceptions=True)

    def _see(self, task: asyncio.Task[backup_events.Delivery]) -> None:
        try:
            delivered = not task.result().pending
        except errors.CatalogError as error:
            log.logger().error("notifications cannot be delivered", problem=str(error))
            delivered = False
        except Exception:
            # Backups go on, whatever stands in the way of telling about them.
            log.logger().exception("notifications cannot be delivered: this is a bug")
            delivered = False
        self._backoff = self._backoff.well() if delivered else self._backoff.after()
        self._next = time.monotonic() + self._backoff.pause


def _waits(workspace: Workspace) -> bool:
    try:
        return workspace.config.notifications.alertmanager is not None and bool(
            backup_events.outbox(workspace).entries()
        )
    except errors.CatalogError:
        return False  # the heartbeat already tells that the catalog is in trouble
