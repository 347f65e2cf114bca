"""The console's application: a table of what may be asked and by whom, and what stands before every page."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, MutableMapping
from dataclasses import dataclass, field
from functools import partial
from importlib import resources
from typing import Any, Final

from aiohttp import hdrs, web

from pgbackstop_catalog import errors
from pgbackstop_catalog.config.console import Console
from pgbackstop_catalog.config.oidc import Role
from pgbackstop_catalog.model import utc_now
from pgbackstop_catalog.text import said
from pgbackstop_runner import failures
from pgbackstop_runner.console import audit, connections, facts, guard, language, problems, render
from pgbackstop_runner.console.alerts import Alerts, AlertWatch
from pgbackstop_runner.console.guard import PersonalHandler, Visitor
from pgbackstop_runner.console.operations import Operations
from pgbackstop_runner.console.passwords import Passwords
from pgbackstop_runner.console.restore_plans import RestorePlans
from pgbackstop_runner.console.sessions import Attempts, Sessions
from pgbackstop_runner.system import log
from pgbackstop_runner.workspace import Workspace

_MOST_BYTES: Final = 64 * 1024
# Ten tabs that refresh together read the catalog once.
_FRESH: Final = 2.0
_STATUS: Final[dict[type[errors.PgbackstopError], int]] = {
    errors.ConfigError: 400,
    errors.NotFound: 404,
    errors.Busy: 409,
    errors.ValidationError: 409,
    errors.CatalogError: 503,
    failures.AttemptFailed: 503,  # what the operating system refuses
}
STATIC: Final = {
    "console.css": "text/css",
    "htmx-2.0.11.min.js": "text/javascript",
    "local.js": "text/javascript",
    "worker.js": "text/javascript",
    "icon.svg": "image/svg+xml",
}


@dataclass(frozen=True, kw_only=True)
class Route:
    """What may be asked, and the least role that may; None: it needs no login."""

    method: str
    path: str
    role: Role | None


@dataclass
class ConsoleContext:
    """All that the pages share."""

    workspace: Callable[[], Workspace]
    operations: Operations
    sessions: Sessions = field(default_factory=Sessions)
    attempts: Attempts = field(default_factory=Attempts)
    passwords: Passwords = field(default_factory=Passwords)
    restore_plans: RestorePlans = field(default_factory=RestorePlans)
    alert_watch: AlertWatch = field(default_factory=AlertWatch)
    routes: list[Route] = field(default_factory=list)
    # Of public_url when the daemon started; the pages are there, and at the root for a proxy that strips it.
    path: str = ""
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    _whole: tuple[float, facts.Whole] | None = None
    _changed_at: float = 0.0

    @property
    def console(self) -> Console:
        """Its configuration, as it is after the last reload."""
        return self.workspace().config.console

    def application(self, *parts: Callable[[ConsoleContext, web.Application], None]) -> web.Application:
        """The application; each part adds its pages."""
        app = web.Application(
            middlewares=[
                connections.track,
                guard.hardened,
                language.chosen,
                self._below_path,
                self._own_site,
            ],
            client_max_size=_MOST_BYTES,
        )
        for add in parts:
            add(self, app)
        for name, kind in STATIC.items():
            self.add_public(app, "GET", f"/static/{name}", partial(_static, name, kind))
        return app

    def add_public(self, app: web.Application, method: str, path: str, handler: guard.Handler) -> None:
        """A page that needs no login."""
        self.add_route(app, Route(method=method, path=path, role=None), handler)

    def add(self, app: web.Application, method: str, path: str, role: Role, handler: PersonalHandler) -> None:
        """A page for those who have the role, or a higher one."""
        self.add_route(
            app, Route(method=method, path=path, role=role), partial(self._for_role, role, handler)
        )

    def add_route(self, app: web.Application, route: Route, handler: guard.Handler) -> None:
        """Serve it at the root and below the path; the handler itself keeps out who has not the role."""
        self.routes.append(route)
        bare = {self.path} - {""} if route.path == "/" else set()
        for path in {route.path, self.path + route.path} | bare:
            app.router.add_route(route.method, path, handler)

    async def stop(self) -> None:
        """End what was started here, or leave it to the next daemon; no operation is started any more."""
        await asyncio.gather(self.restore_plans.stop(), self.operations.stop())

    async def whole(self) -> facts.Whole:
        """The overview, at most two seconds old, and of after whatever ended here. Raises CatalogError."""
        async with self._turn:
            if self._whole is None or self._is_old(*self._whole):
                began = time.monotonic()
                found = await asyncio.to_thread(facts.overview, self.workspace(), utc_now())
                self._whole = began, found
            return self._whole[1]

    def records_changed(self) -> None:
        """What was read before this moment is old: who is told of the change must find it."""
        self._changed_at = time.monotonic()

    async def alerts(self) -> Alerts | None:
        """What fires, as far as is known; None where no Alertmanager is configured."""
        settings = self.workspace().config.notifications.alertmanager
        return await self.alert_watch.now(settings) if settings is not None else None

    def _is_old(self, read_at: float, whole: facts.Whole) -> bool:
        ends = (each.finished_at for each in self.operations.all())
        has_ended = any(end is not None and end >= whole.overview.now for end in ends)
        return has_ended or read_at <= self._changed_at or time.monotonic() - read_at > _FRESH

    def respond(
        self, template: str, visitor: Visitor | None, *, status: int = 200, **values: Any
    ) -> web.Response:
        """A page in the frame of all pages."""
        text = render.page(
            template, self.path, visitor=visitor, console=self.console, now=utc_now(), **values
        )
        return web.Response(text=text, content_type="text/html", status=status)

    async def audited(self, request: web.Request, user: str, action: str, subject: str, outcome: str) -> None:
        """Put a deed on record first. Raises CatalogError."""
        deed = audit.Deed(
            user=user, address=request.remote or "", action=action, subject=subject, outcome=outcome
        )
        await asyncio.to_thread(audit.write, self.workspace(), deed)

    @web.middleware
    async def _below_path(self, request: web.Request, handler: guard.Handler) -> web.StreamResponse:
        """Let redirects lead below the path, wherever a page thinks that it stands."""
        try:
            response = await handler(request)
        except web.HTTPException as error:
            self._lead_below(error.headers)
            raise
        self._lead_below(response.headers)
        return response

    def _lead_below(self, headers: MutableMapping[str, str]) -> None:
        for name in {hdrs.LOCATION, "HX-Redirect"} & headers.keys():
            if headers[name].startswith("/"):  # and does not lead to the provider of the single sign-on
                headers[name] = self.path + headers[name]

    @web.middleware
    async def _own_site(self, request: web.Request, handler: guard.Handler) -> web.StreamResponse:
        if problem := guard.refusal(request, self.console):
            return self._refused(request, None, 403, problem, "")
        try:
            return await handler(request)
        except web.HTTPException as error:
            return self._not_served(request, error)
        except web.RequestPayloadError:  # compressed or parted into chunks, and neither of them
            return self._refused(
                request, None, 400, said("What was sent cannot be read."), said("Send it anew.")
            )
        except Exception as error:
            return self._failed(request, error)

    def _not_served(self, request: web.Request, error: web.HTTPException) -> web.StreamResponse:
        if problems.is_wanted(request.path, self.path):
            return problems.of_http(error)
        # 405: the address of a form. Who chooses a language below what a form answered comes back there.
        if isinstance(error, web.HTTPNotFound | web.HTTPMethodNotAllowed):
            answer = self._refused(
                request, None, error.status, said("There is no such page."), said("Begin at the overview.")
            )
            answer.headers.update(problems.allowed(error))
            return answer
        if isinstance(error, web.HTTPRequestEntityTooLarge):
            return self._refused(request, None, 413, said("That is too long."), said("Send less."))
        raise error

    def _failed(self, request: web.Request, error: Exception) -> web.Response:
        """The sentence and the remedy; the page before goes on, and the log has the rest of a bug."""
        known = failures.as_error(error)
        if isinstance(known, errors.Bug):
            log.logger().exception("the console failed", path=request.path)
        status = next((code for kind, code in _STATUS.items() if isinstance(known, kind)), 500)
        visitor = guard.visitor(request, self.console, self.sessions)
        return self._refused(request, visitor, status, known.problem, known.remedy)

    async def _for_role(
        self, role: Role, handler: PersonalHandler, request: web.Request
    ) -> web.StreamResponse:
        visitor = guard.visitor(request, self.console, self.sessions)
        if visitor is None:
            return _to_login(request)
        if not visitor.may(role):
            await self.audited(request, visitor.name, f"{request.method} {request.path}", "", "refused: role")
            needed = said("This needs the role {role}; yours is {own}.", role=role, own=visitor.user.role)
            return self._refused(request, visitor, 403, needed, said("Ask an administrator of this console."))
        if request.method == "POST" and not await guard.sent_by(request, visitor.session):
            return self._refused(
                request,
                visitor,
                403,
                said("This form is not from your session."),
                said("Load the page anew."),
            )
        return await handler(request, visitor)

    def _refused(
        self, request: web.Request, visitor: Visitor | None, status: int, problem: str, remedy: str
    ) -> web.Response:
        if problems.is_wanted(request.path, self.path):
            return problems.response(problems.Refused(status, problem, remedy))
        return self.respond("refused.html", visitor, status=status, problem=problem, remedy=remedy)


def _to_login(request: web.Request) -> web.StreamResponse:
    if "HX-Request" in request.headers:
        return web.Response(status=401, headers={"HX-Redirect": "/login"})
    raise web.HTTPSeeOther("/login")


async def _static(name: str, kind: str, _request: web.Request) -> web.Response:
    content = resources.files("pgbackstop_runner.console").joinpath("static", name).read_bytes()
    return web.Response(body=content, content_type=kind, charset="utf-8")
