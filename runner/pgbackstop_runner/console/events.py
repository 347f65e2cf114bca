"""One stream of events for a browser: that something changed, never what.

A page asks anew for what it shows. So a client that is slow, or away for an hour, costs a number for each
topic and no queue, and who may not see something is told nothing by it. The catalog is looked at once a
second for all who listen, while somebody does: other processes write it, too.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Hashable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from aiohttp import web

from pgbackstop_catalog import errors
from pgbackstop_catalog.config.catalog_place import CatalogDatabase
from pgbackstop_catalog.store import opened
from pgbackstop_catalog.store.backup_list import BackupList
from pgbackstop_runner.console import guard
from pgbackstop_runner.console.app import ConsoleContext
from pgbackstop_runner.console.guard import Visitor

_MOST: Final = 32
# Seconds: between two looks, until a listener must have taken what was sent, until a line is sent that keeps
# a proxy from cutting the stream, and how long one stream lasts: a browser begins another.
_PACE: Final = 1.0
_PATIENCE: Final = 20.0
_SILENCE: Final = 15.0
_LONGEST: Final = 600.0


def add(context: ConsoleContext, app: web.Application) -> None:
    """Add the stream."""
    context.add(app, "GET", "/events", "viewer", _Events(context).listen)


@dataclass
class _Events:
    """All that is told to those who listen: how often each topic changed."""

    context: ConsoleContext
    versions: dict[str, int] = field(default_factory=dict)
    listeners: int = 0
    _seen: dict[str, object] = field(default_factory=dict)
    _looked_at: float = 0.0
    _list: tuple[Path | CatalogDatabase, BackupList] | None = None
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def listen(self, request: web.Request, _visitor: Visitor) -> web.StreamResponse:
        """Tell until the session or the daemon ends, or it has lasted long enough."""
        if self.listeners >= _MOST:
            return web.Response(status=503, text="Too many listen: ask from time to time.\n")
        response = web.StreamResponse(headers={**guard.HEADERS, "X-Accel-Buffering": "no"})
        response.content_type = "text/event-stream"
        self.listeners += 1
        try:
            await response.prepare(request)
            await self._tell(request, response)
        except OSError:  # it has gone, or takes nothing
            if request.transport is not None:
                request.transport.abort()
        finally:
            self.listeners -= 1
        return response

    async def _tell(self, request: web.Request, response: web.StreamResponse) -> None:
        await self._look()
        told, said_at, until = dict(self.versions), time.monotonic(), time.monotonic() + _LONGEST
        await _send(response, "retry: 3000\n\n")
        while time.monotonic() < until and self._may_listen(request):
            await asyncio.sleep(_PACE)
            await self._look()
            changed = [topic for topic, version in self.versions.items() if version != told.get(topic)]
            told = dict(self.versions)
            if changed or time.monotonic() - said_at > _SILENCE:
                said_at = time.monotonic()
                news = "".join(f"event: {each}\ndata: changed\n\n" for each in changed)
                await _send(response, news or ":\n\n")

    def _may_listen(self, request: web.Request) -> bool:
        if request.transport is None or request.transport.is_closing() or self.context.operations.is_stopping:
            return False
        return guard.visitor(request, self.context.console, self.context.sessions) is not None

    async def _look(self) -> None:
        """Once for all who listen."""
        async with self._turn:
            if time.monotonic() - self._looked_at < _PACE / 2:
                return
            if self._note("records", await asyncio.to_thread(self._records)):
                self.context.records_changed()
            self._note("operations", (self.context.operations.stand(), self.context.restore_plans.stand()))
            self._looked_at = time.monotonic()

    def _records(self) -> Hashable:
        """How the records stand; None while the catalog is away, which the pages say."""
        place = self.context.workspace().config.catalog_place()
        if self._list is None or self._list[0] != place:
            self._list = (place, opened.backup_list(place, lambda _error: None))
        with suppress(errors.CatalogError):
            return self._list[1].stand()
        return None

    def _note(self, topic: str, found: object) -> bool:
        has_changed = topic not in self._seen or self._seen[topic] != found
        self.versions[topic] = self.versions.get(topic, 0) + has_changed
        self._seen[topic] = found
        return has_changed


async def _send(response: web.StreamResponse, text: str) -> None:
    async with asyncio.timeout(_PATIENCE):
        await response.write(text.encode())
