"""Signing in by the provider: to it, back from it, and out there, too."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlencode

from aiohttp import hdrs, web

from pgbackstop_catalog import errors
from pgbackstop_catalog.config.oidc import CALLBACK, Oidc
from pgbackstop_catalog.text import joined, said
from pgbackstop_runner.console import login
from pgbackstop_runner.console.app import ConsoleContext
from pgbackstop_runner.console.oidc import person, refusal
from pgbackstop_runner.console.oidc.person import Person
from pgbackstop_runner.console.oidc.provider import Provider
from pgbackstop_runner.console.oidc.refusal import NoEntry
from pgbackstop_runner.console.oidc.sign_ins import SECONDS, SignIn, SignIns
from pgbackstop_runner.console.sessions import Attempts, ByProvider

_COOKIE: Final = "pgbackstop_sign_in"
_TRIES: Final = 30  # within a minute and from one address, which behind a proxy is everybody's


def add(context: ConsoleContext, app: web.Application) -> None:
    """Add these pages."""
    door = _Door(context)
    context.add_public(app, "GET", "/login/oidc", door.begin)
    context.add_public(app, "GET", CALLBACK, door.end)
    context.add_public(app, "GET", "/login/oidc/end", door.leave)


@dataclass
class _Door:
    context: ConsoleContext
    _sign_ins: SignIns = field(default_factory=SignIns)
    _attempts: Attempts = field(default_factory=lambda: Attempts(tries=_TRIES))
    _known: Provider | None = None

    async def begin(self, request: web.Request) -> web.StreamResponse:
        """Send somebody to the provider."""
        provider = self._provider()
        if not self._attempts.begin(request.remote or "", "", now=time.monotonic()):
            return self._again(429, said("More than {n} sign-ins within a minute. Wait a minute.", n=_TRIES))
        try:
            metadata = await provider.metadata()
        except NoEntry as error:
            return self._again(error.status, self._advised(provider.settings, error))
        made = self._sign_ins.begin(now=time.monotonic())
        asked = {
            "response_type": "code",
            "client_id": provider.settings.client_id,
            "redirect_uri": self.context.console.redirect_uri,
            "scope": " ".join(provider.settings.scopes),
            "state": made.state,
            "nonce": made.nonce,
            "code_challenge": made.challenge,
            "code_challenge_method": "S256",
        }
        response = _led_to(metadata.authorization_endpoint, asked)
        # Lax: the browser comes back from another site.
        response.set_cookie(
            _COOKIE,
            made.browser,
            max_age=int(SECONDS),
            httponly=True,
            samesite="Lax",
            secure=self.context.console.is_https,
            path=self._cookie_path,
        )
        return response

    async def end(self, request: web.Request) -> web.StreamResponse:
        """Let somebody in who comes back from the provider. Raises CatalogError where that is not audited."""
        provider, query = self._provider(), request.query
        begun = self._sign_ins.end(
            query.get("state", ""), request.cookies.get(_COOKIE, ""), now=time.monotonic()
        )
        if begun is None:
            begin_anew = said(
                "This sign-in was begun in another browser, took more than {minutes:.0f} minutes, or was "
                "used before. Begin anew.",
                minutes=SECONDS / 60,
            )
            return self._again(403, begin_anew)
        try:
            who = await self._person(provider, query, begun)
        except (NoEntry, errors.ConfigError) as error:
            status = error.status if isinstance(error, NoEntry) else 503
            problem = self._advised(provider.settings, error)
            await self.context.audited(
                request, f"({provider.settings.name})", "login", "", f"refused: {problem}"
            )
            return self._again(status, problem)
        self._attempts.succeeded(request.remote or "", "")
        return await self._welcome(request, provider.settings, who)

    async def leave(self, _request: web.Request) -> web.StreamResponse:
        """Send somebody to where the provider lets them out."""
        provider = self._provider()
        try:
            address = (await provider.metadata()).end_session_endpoint
        except NoEntry as error:
            return self._again(error.status, self._advised(provider.settings, error))
        if address is None:
            has_none = said("{name} has no page to log out. Close the browser.", name=provider.settings.name)
            return self._again(404, has_none)
        back = self.context.console.redirect_uri.removesuffix(CALLBACK) + "/login"
        return _led_to(address, {"client_id": provider.settings.client_id, "post_logout_redirect_uri": back})

    async def _person(self, provider: Provider, query: Any, begun: SignIn) -> Person:
        settings = provider.settings
        if query.get("iss", settings.issuer) != settings.issuer:  # RFC 9207
            raise NoEntry("The answer comes from another issuer.")
        if "error" in query:
            raise NoEntry(f"It refused: {refusal.of_error(query)}.", status=403)
        if not (code := query.get("code", "")):
            raise NoEntry("The answer has no code.")
        tokens = await provider.redeem(code, begun.verifier, self.context.console.redirect_uri)
        claims = await _claims(provider, tokens.id_token, begun)
        if not person.has_groups(settings, claims):
            told = await provider.userinfo(tokens)
            # Of another person it may say what it likes: OpenID Connect Core, 5.3.2.
            claims = {**told, **claims} if told.get("sub") == claims["sub"] else claims
        return person.of_claims(settings, claims)

    async def _welcome(self, request: web.Request, settings: Oidc, who: Person) -> web.Response:
        subject = f"{refusal.quoted(who.subject)} of {settings.issuer}"
        await self.context.audited(request, who.name, "login", subject, "done")
        # A page of ours, and no redirect: what another site began does not send the session's strict cookie.
        response = self.context.respond("signed_in.html", None, home=f"{self.context.path}/")
        entered = ByProvider(issuer=settings.issuer, client_id=settings.client_id, groups=who.groups)
        login.let_in(self.context, response, who.name, entered)
        response.del_cookie(_COOKIE, path=self._cookie_path)
        return response

    def _provider(self) -> Provider:
        """As the configuration has it now. Raises HTTPNotFound where it has none."""
        settings = self.context.console.oidc
        if settings is None:
            raise web.HTTPNotFound
        if self._known is None or self._known.settings != settings:
            self._known = Provider(settings)
        return self._known

    @property
    def _cookie_path(self) -> str:
        return f"{self.context.path}/login/oidc"

    def _advised(self, settings: Oidc, error: NoEntry | errors.ConfigError) -> str:
        """What the login page says; what a provider did wrong stays in English, as in the log."""
        told = said("{name}: {problem}", name=settings.name, problem=error.problem)
        if not self.context.console.users or getattr(error, "status", 503) != 503:
            return told
        advice = said("Log in by a name and a password of this console, or try again.")
        return joined(" ", (told, advice))

    def _again(self, status: int, problem: str) -> web.Response:
        return login.page(self.context, status=status, problem=problem)


async def _claims(provider: Provider, token: str, begun: SignIn) -> dict[str, Any]:
    """What the token says; its keys are asked for anew where it is signed by none of those known."""
    from pgbackstop_runner.console.oidc import id_token  # noqa: PLC0415 - 10 MB, for who has a provider

    settings = provider.settings
    expected = id_token.Expected(issuer=settings.issuer, client_id=settings.client_id, nonce=begun.nonce)
    try:
        return id_token.verify(token, await provider.keys(), expected, now=time.time())
    except id_token.UnknownKey:
        return id_token.verify(token, await provider.keys(anew=True), expected, now=time.time())


def _led_to(address: str, query: dict[str, str]) -> web.Response:
    joint = "&" if "?" in address else "?"
    return web.Response(status=303, headers={hdrs.LOCATION: f"{address}{joint}{urlencode(query)}"})
