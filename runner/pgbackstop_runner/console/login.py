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
from pgbackstop_runner.console.sessions import TRIES

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

    async def form(self, _request: web.Request) -> web.Response:
        return self.desk.respond("login.html", None, problem="", name="")

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
        response = web.HTTPSeeOther("/login")
        response.del_cookie(guard.COOKIE, path=f"{self.desk.path}/")
        raise response

    def _welcome(self, name: str, checked: User) -> web.StreamResponse:
        """As the user whose password was checked, and who may be another since."""
        console = self.desk.console
        token = self.desk.sessions.begin(
            name, checked.password_hash, now=time.monotonic(), seconds=console.session
        )
        response = web.HTTPSeeOther("/")
        response.set_cookie(
            guard.COOKIE,
            token,
            httponly=True,
            samesite="Strict",
            secure=console.is_https,
            path=f"{self.desk.path}/",
        )
        raise response

    def _again(self, status: int, name: str, problem: str) -> web.Response:
        return self.desk.respond("login.html", None, status=status, problem=problem, name=name)
