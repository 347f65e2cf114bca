"""The attempts of one worker: each is a child process, kept as long as the database says that it is ours."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, field

from pgbackstop_catalog import errors
from pgbackstop_catalog.model import format_time
from pgbackstop_runner.daemon import children
from pgbackstop_runner.daemon.children import Child
from pgbackstop_runner.fleet.decisions import Ended
from pgbackstop_runner.fleet.settings import Settings
from pgbackstop_runner.fleet.values import Attempt
from pgbackstop_runner.system import log
from pgbackstop_runner.workspace import Workspace

# What a shell says of a command that it cannot start.
_CANNOT_START = 126
# Is told how the process of an attempt ended, and by which configuration it was begun; raises CatalogError to
# be told again.
Settle = Callable[[Workspace, Attempt, Ended], Awaitable[None]]


@dataclass
class Attempts:
    """What runs here. ``settle`` follows each to its row and records."""

    settings: Settings
    settle: Settle
    stopping: bool = False
    _mine: set[Attempt] = field(default_factory=set)
    _going: set[Attempt] = field(default_factory=set)
    _children: dict[Attempt, Child] = field(default_factory=dict)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    def __len__(self) -> int:
        return len(self._tasks)

    def start(self, attempt: Attempt, workspace: Workspace, ended: Callable[[], None]) -> None:
        """Start a claimed run; ``ended`` is called when there is room again."""
        self._mine.add(attempt)
        self._going.add(attempt)
        task = asyncio.create_task(self._run(attempt, workspace))
        self._tasks.add(task)
        task.add_done_callback(self._end)
        task.add_done_callback(lambda _task: ended())

    def beating(self) -> frozenset[Attempt]:
        """Those whose row is to hear that they live."""
        return frozenset(self._going)

    def lose(self, attempts: Collection[Attempt]) -> None:
        """End attempts that are no longer ours: somebody else may make the run."""
        for attempt in self._going & set(attempts):
            self._mine.discard(attempt)
            self._going.discard(attempt)
            log.logger().error("taken from this worker: its process is ended", **_facts(attempt))
            if attempt in self._children:
                self._keep(children.stop([self._children[attempt]], seconds=self.settings.kill_after))

    async def kill(self) -> None:
        """End the processes of all, whatever becomes of their rows."""
        self._mine.clear()
        self._going.clear()
        killed = list(self._children.values())
        await children.stop(killed, seconds=self.settings.kill_after)
        if ends := [asyncio.ensure_future(child.process.wait()) for child in killed]:
            await asyncio.wait(ends, timeout=self.settings.kill_after)

    async def drained(self, seconds: float) -> None:
        """Wait until all have ended, for so long at most."""
        if self._tasks and seconds > 0:
            await asyncio.wait(set(self._tasks), timeout=seconds)

    async def stop(self, seconds: float) -> None:
        """End what is going, which goes back into the queue; each has its time to leave its record."""
        self.stopping = True
        await children.stop(list(self._children.values()), seconds=seconds)
        await asyncio.gather(*self._tasks, return_exceptions=True)  # of which _end tells

    def _end(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            # Its row is taken over when its heartbeat is old; other runs go on.
            log.logger().error("a run cannot be followed: this is a bug", exc_info=error)

    def _keep(self, ending: Awaitable[None]) -> None:
        task = asyncio.ensure_future(ending)
        self._tasks.add(task)
        task.add_done_callback(self._end)

    async def _run(self, attempt: Attempt, workspace: Workspace) -> None:
        exit_status, words = await self._to_its_end(attempt, workspace)
        self._going.discard(attempt)
        ended = Ended(exit_status=exit_status, words=words, was_stopped=self.stopping)
        while attempt in self._mine:
            try:
                await self.settle(workspace, attempt, ended)
                self._mine.discard(attempt)
            except errors.CatalogError as error:
                log.logger().error("cannot be settled yet", problem=str(error), **_facts(attempt))
                await asyncio.sleep(self.settings.retry_pause)

    async def _to_its_end(self, attempt: Attempt, workspace: Workspace) -> tuple[int, str]:
        bound = log.logger().bind(**_facts(attempt))
        try:
            child = await children.start(self.settings.backup(workspace, attempt.order), keep_words=True)
        except OSError as error:
            bound.error("cannot be started", problem=error.strerror)
            return _CANNOT_START, f"it cannot be started: {error.strerror}"
        self._children[attempt] = child
        bound.info("started", pid=child.pid)
        if self.stopping or attempt not in self._mine:  # it was taken, or the signal came, meanwhile
            child.send(signal.SIGTERM)
        try:
            exit_status = await child.wait()
        finally:
            del self._children[attempt]
        bound.info("ended", pid=child.pid, exit_status=exit_status, duration_seconds=round(child.lasted, 3))
        return exit_status, child.words()


def _facts(attempt: Attempt) -> dict[str, object]:
    return {"plan": attempt.key.plan, "due": format_time(attempt.key.due), "attempt": attempt.number}
