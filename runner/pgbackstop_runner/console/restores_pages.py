"""Restores on record: what each did, and the ways back from it or on without the old database."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Final, NoReturn

from aiohttp import web

from pgbackstop_catalog.records.restore import Restore
from pgbackstop_runner.console import deeds, restores
from pgbackstop_runner.console.app import Desk
from pgbackstop_runner.console.guard import Visitor
from pgbackstop_runner.console.operation import Verb
from pgbackstop_runner.console.typed import require_typed
from pgbackstop_runner.restore import undo

_OPTIONS: Final[dict[Verb, str]] = {"undo": "--undo", "drop": "--drop-old"}


def add(desk: Desk, app: web.Application) -> None:
    """Add these pages and forms."""
    pages = _Pages(desk)
    desk.add(app, "GET", "/restores", "viewer", pages.all)
    desk.add(app, "GET", "/restores/{id}", "viewer", pages.one)
    desk.add(app, "POST", "/restores/{id}/undo", "admin", pages.undo)
    desk.add(app, "POST", "/restores/{id}/drop", "admin", pages.drop)


@dataclass(frozen=True)
class _Pages:
    desk: Desk

    async def all(self, request: web.Request, visitor: Visitor) -> web.Response:
        before = request.query.get("before", "")
        page = await asyncio.to_thread(restores.page, self.desk.workspace(), before)
        return self.desk.respond("restores.html", visitor, page=page, before=before)

    async def one(self, request: web.Request, visitor: Visitor) -> web.Response:
        return self.desk.respond("restore.html", visitor, restore=await self._restore(request))

    async def undo(self, request: web.Request, visitor: Visitor) -> NoReturn:
        found = await self._restore(request)
        undo.require_old(found)
        await self._start(request, visitor, "undo", found, found.target)

    async def drop(self, request: web.Request, visitor: Visitor) -> NoReturn:
        found = await self._restore(request)
        undo.require_old(found, whole=False)
        await self._start(request, visitor, "drop", found, found.replaced_database)

    async def _restore(self, request: web.Request) -> Restore:
        return await asyncio.to_thread(restores.one, self.desk.workspace(), request.match_info["id"])

    async def _start(
        self, request: web.Request, visitor: Visitor, verb: Verb, found: Restore, name: str
    ) -> NoReturn:
        """The name is what is replaced or dropped, and must be typed."""
        subject = f"{found.server}/{name}"
        await require_typed(self.desk, request, visitor, name, f"{verb} {subject}")
        made = await deeds.start(
            self.desk,
            request,
            visitor.name,
            verb,
            subject,
            arguments=("restore", f"{_OPTIONS[verb]}={found.id}", f"--yes-replace={name}"),
            what=f"{subject} of restore {found.id}",
            restore=found.id,
        )
        raise web.HTTPSeeOther(f"/activity/{made.id}")
