"""The forms that start something or end it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NoReturn

from aiohttp import web

from pgbackstop_runner.console import deeds, guard
from pgbackstop_runner.console.app import ConsoleContext
from pgbackstop_runner.console.guard import Visitor
from pgbackstop_runner.console.operation import Verb


def add(context: ConsoleContext, app: web.Application) -> None:
    """Add these forms."""
    actions = _Actions(context)
    context.add(app, "POST", "/plans/{plan}/backup", "operator", actions.backup)
    context.add(app, "POST", "/plans/{plan}/drill", "operator", actions.drill)
    context.add(app, "POST", "/plans/{plan}/expire", "admin", actions.expire)
    context.add(app, "POST", "/backups/{id}/verify", "operator", actions.verify)
    context.add(app, "POST", "/backups/{id}/drill", "operator", actions.drill_backup)
    context.add(app, "POST", "/backups/{id}/pin", "operator", actions.pin)
    context.add(app, "POST", "/backups/{id}/unpin", "operator", actions.unpin)
    context.add(app, "POST", "/activity/{id}/cancel", "operator", actions.cancel)


@dataclass(frozen=True)
class _Actions:
    context: ConsoleContext

    async def backup(self, request: web.Request, visitor: Visitor) -> NoReturn:
        await self._start(request, visitor, "backup", self._plan(request))

    async def drill(self, request: web.Request, visitor: Visitor) -> NoReturn:
        await self._start(request, visitor, "drill", self._plan(request))

    async def expire(self, request: web.Request, visitor: Visitor) -> NoReturn:
        seen = (await guard.form(request)).get("seen", "")
        made = await deeds.expire(self.context, request, visitor.name, self._plan(request), seen=seen)
        raise web.HTTPSeeOther(f"/activity/{made.id}")

    async def verify(self, request: web.Request, visitor: Visitor) -> NoReturn:
        found = await deeds.exists(self.context, request.match_info["id"])
        await self._start(request, visitor, "verify", found.id)

    async def drill_backup(self, request: web.Request, visitor: Visitor) -> NoReturn:
        found = await deeds.exists(self.context, request.match_info["id"])
        await self._start(request, visitor, "drill", found.id)

    async def pin(self, request: web.Request, visitor: Visitor) -> NoReturn:
        note = (await guard.form(request)).get("note", "")
        done = await deeds.pin(
            self.context, request, visitor.name, request.match_info["id"], note=note, until=None
        )
        raise web.HTTPSeeOther(f"/backups/{done.id}")

    async def unpin(self, request: web.Request, visitor: Visitor) -> NoReturn:
        done = await deeds.unpin(self.context, request, visitor.name, request.match_info["id"])
        raise web.HTTPSeeOther(f"/backups/{done.id}")

    async def cancel(self, request: web.Request, visitor: Visitor) -> NoReturn:
        operation = await deeds.cancel(self.context, request, visitor.name, request.match_info["id"])
        raise web.HTTPSeeOther(f"/activity/{operation.id}")

    def _plan(self, request: web.Request) -> str:
        name = request.match_info["plan"]
        self.context.workspace().plan(name)
        return name

    async def _start(self, request: web.Request, visitor: Visitor, verb: Verb, subject: str) -> NoReturn:
        made = await deeds.start(self.context, request, visitor.name, verb, subject)
        raise web.HTTPSeeOther(f"/activity/{made.id}")
