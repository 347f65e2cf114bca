"""Restores on record: what each did, and the ways back from it or on without the old database."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import NoReturn

from aiohttp import web

from pgbackstop_catalog.records.restore import Restore
from pgbackstop_runner.console import guard, restores, restoring
from pgbackstop_runner.console.app import ConsoleContext
from pgbackstop_runner.console.guard import Visitor
from pgbackstop_runner.console.operation import Verb


def add(context: ConsoleContext, app: web.Application) -> None:
    """Add these pages and forms."""
    pages = _Pages(context)
    context.add(app, "GET", "/restores", "viewer", pages.all)
    context.add(app, "GET", "/restores/{id}", "viewer", pages.one)
    context.add(app, "POST", "/restores/{id}/undo", "admin", pages.undo)
    context.add(app, "POST", "/restores/{id}/drop", "admin", pages.drop)


@dataclass(frozen=True)
class _Pages:
    context: ConsoleContext

    async def all(self, request: web.Request, visitor: Visitor) -> web.Response:
        before = request.query.get("before", "")
        page = await asyncio.to_thread(restores.page, self.context.workspace(), before)
        return self.context.respond("restores.html", visitor, page=page, before=before)

    async def one(self, request: web.Request, visitor: Visitor) -> web.Response:
        return self.context.respond("restore.html", visitor, restore=await self._restore(request))

    async def undo(self, request: web.Request, visitor: Visitor) -> NoReturn:
        await self._start(request, visitor, "undo")

    async def drop(self, request: web.Request, visitor: Visitor) -> NoReturn:
        await self._start(request, visitor, "drop")

    async def _restore(self, request: web.Request) -> Restore:
        return await asyncio.to_thread(restores.one, self.context.workspace(), request.match_info["id"])

    async def _start(self, request: web.Request, visitor: Visitor, verb: Verb) -> NoReturn:
        found, typed = await self._restore(request), (await guard.form(request)).get("typed", "")
        made = await restoring.start_way_back(self.context, request, visitor.name, verb, found, typed=typed)
        raise web.HTTPSeeOther(f"/activity/{made.id}")
