"""Logging in and out."""

from __future__ import annotations

import time
from dataclasses import dataclass

from aiohttp import web

from pgbackstop_catalog.config.console import User
from pgbackstop_catalog.text import said
from pgbackstop_runner.console import guard
from pgbackstop_runner.console.app import ConsoleContext
from pgbackstop_runner.console.guard import Visitor
from pgbackstop_runner.console.passwords import TooManyChecks
from pgbackstop_runner.console.sessions import TRIES, ByPassword, ByProvider

_LONGEST_NAME = 64


def add(context: ConsoleContext, app: web.Application) -> None:
    """Add these pages."""
    door = _Door(context)
    context.add_public(app, "GET", "/login", door.form)
    context.add_public(app, "POST", "/login", door.enter)
    context.add(app, "POST", "/logout", "viewer", door.leave)


@dataclass(frozen=True)
class _Door:
    context: ConsoleContext

    async def form(self, request: web.Request) -> web.Response:
        return page(self.context, has_left="left" in request.query)

    async def enter(self, request: web.Request) -> web.StreamResponse:
        form = await guard.form(request)
        name, password = form.get("name", "")[:_LONGEST_NAME], form.get("password", "")
        address, users = request.remote or "", self.context.console.users
        # Counted before it is checked: many at once are not more than one after the other.
        if not self.context.attempts.begin(address, name, now=time.monotonic()):
            return self._again(
                429,
                name,
                said("{n} wrong passwords within a minute. Wait a minute, then try again.", n=TRIES),
            )
        try:
            is_right = await self.context.passwords.is_right(users, name, password)
        except TooManyChecks:
            return self._again(503, name, said("Too many people log in at this moment. Try again."))
        if not is_right:
            await self.context.audited(request, name, "login", "", "refused: password")
            return self._again(403, name, said("Name and password do not belong together."))
        self.context.attempts.succeeded(address, name)
        await self.context.audited(request, name, "login", "", "done")
        return self._welcome(name, users[name])

    async def leave(self, request: web.Request, visitor: Visitor) -> web.StreamResponse:
        self.context.sessions.end(request.cookies.get(guard.COOKIE, ""))
        await self.context.audited(request, visitor.name, "logout", "", "done")
        came_by_provider = isinstance(visitor.session.entered, ByProvider)
        response = web.HTTPSeeOther("/login?left" if came_by_provider else "/login")
        response.del_cookie(guard.COOKIE, path=f"{self.context.path}/")
        raise response

    def _welcome(self, name: str, checked: User) -> web.StreamResponse:
        """As the user whose password was checked, and who may be another since."""
        response = web.HTTPSeeOther("/")
        let_in(self.context, response, name, ByPassword(password_hash=checked.password_hash))
        raise response

    def _again(self, status: int, name: str, problem: str) -> web.Response:
        return page(self.context, status=status, problem=problem, name=name)


def page(
    context: ConsoleContext, *, status: int = 200, problem: str = "", name: str = "", has_left: bool = False
) -> web.Response:
    """The login page; ``has_left``: the provider has not let them out yet."""
    return context.respond("login.html", None, status=status, problem=problem, name=name, has_left=has_left)


def let_in(
    context: ConsoleContext, response: web.StreamResponse, name: str, entered: ByPassword | ByProvider
) -> None:
    """Begin a session, whose token goes with the response."""
    console = context.console
    token = context.sessions.begin(name, entered, now=time.monotonic(), seconds=console.session)
    response.set_cookie(
        guard.COOKIE,
        token,
        httponly=True,
        samesite="Strict",
        secure=console.is_https,
        path=f"{context.path}/",
    )
