"""Logging in and out."""

from __future__ import annotations

import time
from dataclasses import dataclass

from aiohttp import web

from pgbackstop_catalog.config.console import User
from pgbackstop_catalog.text import said
from pgbackstop_runner.console import guard
from pgbackstop_runner.console.app import Desk
from pgbackstop_runner.console.guard import Visitor
from pgbackstop_runner.console.passwords import TooManyChecks
from pgbackstop_runner.console.sessions import TRIES, ByPassword, ByProvider

_LONGEST_NAME = 64


def add(desk: Desk, app: web.Application) -> None:
    """Add these pages."""
    door = _Door(desk)
    desk.add_public(app, "GET", "/login", door.form)
    desk.add_public(app, "POST", "/login", door.enter)
    desk.add(app, "POST", "/logout", "viewer", door.leave)


@dataclass(frozen=True)
class _Door:
    desk: Desk

    async def form(self, request: web.Request) -> web.Response:
        return page(self.desk, has_left="left" in request.query)

    async def enter(self, request: web.Request) -> web.StreamResponse:
        form = await guard.form(request)
        name, password = form.get("name", "")[:_LONGEST_NAME], form.get("password", "")
        address, users = request.remote or "", self.desk.console.users
        # Counted before it is checked: many at once are not more than one after the other.
        if not self.desk.attempts.begin(address, name, now=time.monotonic()):
            return self._again(
                429,
                name,
                said("{n} wrong passwords within a minute. Wait a minute, then try again.", n=TRIES),
            )
        try:
            is_right = await self.desk.passwords.is_right(users, name, password)
        except TooManyChecks:
            return self._again(503, name, said("Too many people log in at this moment. Try again."))
        if not is_right:
            await self.desk.audited(request, name, "login", "", "refused: password")
            return self._again(403, name, said("Name and password do not belong together."))
        self.desk.attempts.succeeded(address, name)
        await self.desk.audited(request, name, "login", "", "done")
        return self._welcome(name, users[name])

    async def leave(self, request: web.Request, visitor: Visitor) -> web.StreamResponse:
        self.desk.sessions.end(request.cookies.get(guard.COOKIE, ""))
        await self.desk.audited(request, visitor.name, "logout", "", "done")
        came_by_provider = isinstance(visitor.session.entered, ByProvider)
        response = web.HTTPSeeOther("/login?left" if came_by_provider else "/login")
        response.del_cookie(guard.COOKIE, path=f"{self.desk.path}/")
        raise response

    def _welcome(self, name: str, checked: User) -> web.StreamResponse:
        """As the user whose password was checked, and who may be another since."""
        response = web.HTTPSeeOther("/")
        let_in(self.desk, response, name, ByPassword(password_hash=checked.password_hash))
        raise response

    def _again(self, status: int, name: str, problem: str) -> web.Response:
        return page(self.desk, status=status, problem=problem, name=name)


def page(
    desk: Desk, *, status: int = 200, problem: str = "", name: str = "", has_left: bool = False
) -> web.Response:
    """The login page; ``has_left``: the provider has not let them out yet."""
    return desk.respond("login.html", None, status=status, problem=problem, name=name, has_left=has_left)


def let_in(desk: Desk, response: web.StreamResponse, name: str, entered: ByPassword | ByProvider) -> None:
    """Begin a session, whose token goes with the response."""
    console = desk.console
    token = desk.sessions.begin(name, entered, now=time.monotonic(), seconds=console.session)
    response.set_cookie(
        guard.COOKIE,
        token,
        httponly=True,
        samesite="Strict",
        secure=console.is_https,
        path=f"{desk.path}/",
    )
