"""One wrapper runs, times, catches and reports every collector.

A collector that stands still for too long is reported as failed and left to end by itself; until it has,
no second one is started, so that a hung disk or server costs one thread or connection and no more. One
that has much to do and gets on with it may take as long as it needs.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace

from pgbackstop_catalog import errors
from pgbackstop_exporter import log, unreachable
from pgbackstop_exporter.snapshot import Health


class Collector:
    """Runs ``action`` every ``interval`` seconds, and tells ``report`` how each run went.

    A run that has not ended after ``timeout`` seconds has failed, unless ``progress`` has changed since the
    last look at it. The action itself passes on what it found.
    """

    def __init__(
        self,
        name: str,
        action: Callable[[], Awaitable[None]],
        report: Callable[[str, Health], None],
        *,
        interval: float,
        timeout: float,
        progress: Callable[[], int] = lambda: 0,
    ) -> None:
        self.name = name
        self.health = Health()
        self._action = action
        self._report = report
        self._interval = interval
        self._timeout = timeout
        self._progress = progress
        self._flight: asyncio.Task[None] | None = None
        self._took_off = 0.0

    async def loop(self) -> None:
        """Run for ever; the first time at once."""
        try:
            while True:
                await self.run()
                await asyncio.sleep(self._interval)
        finally:
            if self._flight is not None:
                self._flight.cancel()

    async def run(self) -> Health:
        """Run once, or go on waiting for a run that did not end in time."""
        if self._flight is None:
            self._took_off = time.monotonic()
            self._flight = asyncio.create_task(self._fly(), name=self.name)
        await self._wait(self._flight)
        self._land()
        self._report(self.name, self.health)
        return self.health

    async def _wait(self, flight: asyncio.Task[None]) -> None:
        before = None
        while not flight.done() and before != self._progress():
            if before is not None:
                log.info("collector takes long and gets on", collector=self.name, looked_at=self._progress())
            before = self._progress()
            await asyncio.wait({flight}, timeout=self._timeout)

    async def _fly(self) -> None:
        await self._action()

    def _land(self) -> None:
        flight, duration = self._flight, time.monotonic() - self._took_off
        if flight is None or not flight.done():
            problem = f"no result after {self._timeout:g} s; it is given time to end"
            self._failed(problem, duration, unreachable.LATE)
            return
        self._flight = None
        error = flight.exception()
        if error is None:
            self._succeeded(duration)
            return
        if not isinstance(error, errors.PgbackstopError | OSError):
            log.bug(f"collector {self.name} met a bug", error)
        reason = error.reason if isinstance(error, unreachable.Unreachable) else unreachable.OTHER
        self._failed(str(error), duration, reason)

    def _succeeded(self, duration: float) -> None:
        if self.health.error:
            log.info("collector works again", collector=self.name)
        self.health = Health(success=True, duration=duration, last_success=time.time())

    def _failed(self, problem: str, duration: float, reason: str) -> None:
        if problem != self.health.error:
            log.warning("collector failed", collector=self.name, problem=problem)
        self.health = replace(self.health, success=False, duration=duration, error=problem, reason=reason)
