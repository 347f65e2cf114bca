"""Who may ask for what: the host, the origin, the login, the role and the form's token, before any page."""

from __future__ import annotations

import hmac
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Final

from aiohttp import hdrs, web

from pgbackstop_catalog import errors
from pgbackstop_catalog.config.console import Console
from pgbackstop_catalog.config.oidc import Role
from pgbackstop_catalog.text import said
from pgbackstop_runner.console.connections import SERVER_NAME
from pgbackstop_runner.console.sessions import ByPassword, Session, Sessions

RANKS: Final[dict[Role, int]] = {"viewer": 1, "operator": 2, "admin": 3}
COOKIE: Final = "pgbackstop_session"
HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # Not no-referrer: with it a browser sends its own forms with "Origin: null".
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
    hdrs.SERVER: SERVER_NAME,
}
_SAFE: Final = frozenset({"GET", "HEAD"})
_OWN_SITE: Final = frozenset({"same-origin", "none"})


@dataclass(frozen=True, kw_only=True)
class Member:
    """What somebody may do, whoever says so."""

    role: Role


@dataclass(frozen=True, kw_only=True)
class Visitor:
    """Who asks."""

    name: str
    user: Member
    session: Session

    def may(self, role: Role) -> bool:
        """Whether the role is theirs, or a lesser one."""
        return RANKS[self.user.role] >= RANKS[role]


Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
PersonalHandler = Callable[[web.Request, Visitor], Awaitable[web.StreamResponse]]


def refusal(request: web.Request, console: Console) -> str:
    """Why a request is none of a browser on our own pages; "" where it may be one. Pure."""
    if request.host.lower() not in {origin.partition("://")[2] for origin in console.origins}:
        return said("This address is not one of the console's: open that of listen, or of public_url.")
    if request.method in _SAFE:
        return ""
    origin = request.headers.get(hdrs.ORIGIN)
    if origin is not None and origin.lower() not in console.origins:
        return said("This form was sent by another site; nothing was done.")
    if request.headers.get("Sec-Fetch-Site", "same-origin") not in _OWN_SITE:
        return said("This form was sent by another site; nothing was done.")
    return ""


def visitor(request: web.Request, console: Console, sessions: Sessions) -> Visitor | None:
    """Who asks, by the session; None where nobody is logged in, or the what let them in is another by now."""
    session = sessions.of(request.cookies.get(COOKIE, ""), now=time.monotonic())
    role = _role(console, session) if session is not None else None
    if session is None or role is None:
        return None
    return Visitor(name=session.user, user=Member(role=role), session=session)


def _role(console: Console, session: Session) -> Role | None:
    """The role of a session as the configuration is now; None where it is nobody's any more."""
    entered = session.entered
    if isinstance(entered, ByPassword):
        user = console.users.get(session.user)
        return user.role if user is not None and user.password_hash == entered.password_hash else None
    oidc = console.oidc
    if oidc is None or (oidc.issuer, oidc.client_id) != (entered.issuer, entered.client_id):
        return None
    return oidc.roles.role_of(entered.groups)


async def form(request: web.Request) -> Mapping[str, str]:
    """The fields of a form. Raises ConfigError where it is none of ours, or has what no text can hold."""
    if request.content_type == "multipart/form-data":  # files, which no page of ours sends
        raise _no_form()
    try:
        found = [(name, each) for name, each in (await request.post()).items() if isinstance(each, str)]
        "".join(each for _, each in found).encode()  # a charset of the sender's makes halves of letters, too
    except (LookupError, ValueError) as error:  # LookupError: no charset has that name
        raise _no_form() from error
    return dict(found)


def _no_form() -> errors.ConfigError:
    return errors.ConfigError(said("The form cannot be read."), remedy=said("Load the page anew."))


async def sent_by(request: web.Request, session: Session) -> bool:
    """Whether a form carries its session's token. Raises ConfigError."""
    given = (await form(request)).get("csrf", "")
    return hmac.compare_digest(given.encode(), session.csrf.encode())


@web.middleware
async def hardened(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Every answer tells the browser to trust nothing but our own files."""
    try:
        response = await handler(request)
    except web.HTTPException as error:
        error.headers.update(HEADERS)
        raise
    response.headers.update(HEADERS)
    return response
