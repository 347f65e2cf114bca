"""Work of one kind, one child process at a time, because each takes the disk and the processors."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Sequence
from dataclasses import dataclass

from pgbackstop_runner.daemon import children
from pgbackstop_runner.daemon.children import Child
from pgbackstop_runner.system import log


@dataclass(kw_only=True)
class OneChild:
    """Starts a child and follows it to its end; ``wake`` is set then. ``what`` is its name in the log."""

    what: str
    wake: asyncio.Event
    stop_seconds: float
    _stopping: bool = False
    _task: asyncio.Task[None] | None = None
    _child: Child | None = None

    def is_free(self) -> bool:
        """Whether one could be started; a bug in following the last one shows here and ends the daemon."""
        if self._task is not None and self._task.done():
            self._task.result()
            self._task = None
        return self._task is None and not self._stopping

    def start(self, argv: Sequence[str], **facts: str) -> None:
        """Start it; ``facts`` are said with each line of the log."""
        self._task = asyncio.create_task(self._run(argv, facts))

    async def stop(self) -> None:
        """End the one that is going; it has its time to clean up and to leave its record."""
        self._stopping = True
        if self._child is not None:
            await children.stop([self._child], seconds=self.stop_seconds)
        if self._task is not None:
            await asyncio.gather(self._task)

    async def _run(self, argv: Sequence[str], facts: dict[str, str]) -> None:
        bound = log.logger().bind(**facts)
        try:
            child = await children.start(argv, keep_words=True)
        except OSError as error:
            bound.error(f"{self.what} cannot be started", problem=error.strerror)
            return
        self._child = child
        bound.info(f"{self.what} started", pid=child.pid)
        if self._stopping:  # the signal came while it was being started
            child.send(signal.SIGTERM)
        try:
            exit_code = await child.wait()
        finally:
            self._child = None
        bound.info(
            f"{self.what} ended",
            pid=child.pid,
            exit_status=exit_code,
            duration_seconds=round(child.lasted, 3),
        )
        self.wake.set()
