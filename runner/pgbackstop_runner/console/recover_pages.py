"""Recovery of a server to a moment, into a directory of its own; the live server is not touched."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NoReturn
from urllib.parse import urlencode

from aiohttp import web

from pgbackstop_runner.console import guard, restoring
from pgbackstop_runner.console.app import ConsoleContext
from pgbackstop_runner.console.guard import Visitor
from pgbackstop_runner.console.wishes import RecoverWish
from pgbackstop_runner.recover import recoverable_windows


def add(context: ConsoleContext, app: web.Application) -> None:
    """Add this page and its form. Who names a folder of the host is its administrator.

    A plan tells whether a folder is there and empty: who has one drawn can start things here.
    """
    pages = _Pages(context)
    context.add(app, "GET", "/servers/{server}/recover", "viewer", pages.plan)
    context.add(app, "POST", "/servers/{server}/recover", "admin", pages.start)


@dataclass(frozen=True)
class _Pages:
    context: ConsoleContext

    async def plan(self, request: web.Request, visitor: Visitor) -> web.Response:
        server, workspace = self._server(request), self.context.workspace()
        draws = visitor.may("operator") and request.query.get("into")
        wish = _wish(server, request.query) if draws else None
        return self.context.respond(
            "recover.html",
            visitor,
            server=server,
            found=await asyncio.to_thread(recoverable_windows.read, workspace, server),
            asked=wish or RecoverWish(server=server, into=f"/var/tmp/recovered-{server}"),  # noqa: S108 - is shown, and may be changed
            drawing=self.context.restore_plans.shown(workspace, wish, request) if wish else None,
            query=urlencode(request.query),
        )

    async def start(self, request: web.Request, visitor: Visitor) -> NoReturn:
        server = self._server(request)
        wish = _wish(server, await guard.form(request))
        made = await restoring.start_recovery(self.context, request, visitor.name, wish)
        raise web.HTTPSeeOther(f"/activity/{made.id}")

    def _server(self, request: web.Request) -> str:
        name = request.match_info["server"]
        self.context.workspace().server(name)
        return name


def _wish(server: str, given: Mapping[str, str]) -> RecoverWish:
    into, moment, port = (given.get(each, "").strip() for each in ("into", "moment", "port"))
    return restoring.recover_wish(server, into, moment, port)
