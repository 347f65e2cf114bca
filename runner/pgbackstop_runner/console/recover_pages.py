"""Recovery of a server to a moment, into a directory of its own; the live server is not touched."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final, NoReturn
from urllib.parse import urlencode

from aiohttp import web

from pgbackstop_catalog import errors
from pgbackstop_catalog.text import said
from pgbackstop_runner.console import deeds, guard
from pgbackstop_runner.console.app import Desk
from pgbackstop_runner.console.guard import Visitor
from pgbackstop_runner.console.typed import require_text
from pgbackstop_runner.console.wishes import RecoverWish
from pgbackstop_runner.recover import recoverable_windows

_LAST_PORT: Final = 65535


def add(desk: Desk, app: web.Application) -> None:
    """Add this page and its form. Who names a folder of the host is its administrator.

    A plan tells whether a folder is there and empty: who has one drawn can start things here.
    """
    pages = _Pages(desk)
    desk.add(app, "GET", "/servers/{server}/recover", "viewer", pages.plan)
    desk.add(app, "POST", "/servers/{server}/recover", "admin", pages.start)


@dataclass(frozen=True)
class _Pages:
    desk: Desk

    async def plan(self, request: web.Request, visitor: Visitor) -> web.Response:
        server, workspace = self._server(request), self.desk.workspace()
        draws = visitor.may("operator") and request.query.get("into")
        wish = _wish(server, request.query) if draws else None
        return self.desk.respond(
            "recover.html",
            visitor,
            server=server,
            found=await asyncio.to_thread(recoverable_windows.read, workspace, server),
            asked=wish or RecoverWish(server=server, into=f"/var/tmp/recovered-{server}"),  # noqa: S108 - is shown, and may be changed
            drawing=self.desk.restore_plans.shown(workspace, wish, request) if wish else None,
            query=urlencode(request.query),
        )

    async def start(self, request: web.Request, visitor: Visitor) -> NoReturn:
        server = self._server(request)
        wish = _wish(server, await guard.form(request))
        subject = f"{server} into {wish.into}"
        what = f"{subject} to {wish.moment or 'the newest byte'}"
        made = await deeds.fulfil(self.desk, request, visitor.name, "recover", subject, wish=wish, what=what)
        raise web.HTTPSeeOther(f"/activity/{made.id}")

    def _server(self, request: web.Request) -> str:
        name = request.match_info["server"]
        self.desk.workspace().server(name)
        return name


def _wish(server: str, given: Mapping[str, str]) -> RecoverWish:
    into, moment, port = (given.get(each, "").strip() for each in ("into", "moment", "port"))
    require_text(into, moment, port)
    if not into.startswith("/"):
        raise errors.ConfigError(
            said("{path!r} is no whole path of a directory.", path=into),
            remedy=said("Write it from the root on, beginning with /."),
        )
    if port and not (port.isascii() and port.isdecimal() and 0 < int(port) <= _LAST_PORT):
        raise errors.ConfigError(
            said("{port!r} is no port.", port=port),
            remedy=said("Give a number from 1 to {last}.", last=_LAST_PORT),
        )
    return RecoverWish(server=server, into=into, moment=_in_utc(moment), port=port)


def _in_utc(moment: str) -> str:
    """With the zone that the form says, where none was written; what is no moment is told by the command."""
    try:
        return f"{moment}Z" if datetime.fromisoformat(moment).tzinfo is None else moment
    except ValueError:
        return moment
