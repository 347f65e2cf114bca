"""What every request passes before it is answered: the rate limit, the client's certificate, its password.

The order is the one of Prometheus' exporters. Headers are added to every response, refusals included.
"""

from __future__ import annotations

import ipaddress
import time
from typing import Any, Final

from aiohttp import BasicAuth, hdrs, web
from aiohttp.typedefs import Handler, Middleware

from pgbackstop_catalog.config.web_config import RateLimit, WebConfig
from pgbackstop_exporter import log
from pgbackstop_exporter.web.connections import SERVER_NAME
from pgbackstop_exporter.web.users import TooManyChecks, Users

_ASK: Final = {hdrs.WWW_AUTHENTICATE: 'Basic realm="pgbackstop", charset="UTF-8"'}


class Guard:
    """Holds the rules in use; ``use`` replaces them between two requests."""

    def __init__(self) -> None:
        self.use(WebConfig())

    def use(self, config: WebConfig) -> None:
        """Go by this configuration from the next request on."""
        tls = config.tls_server_config
        self._users = Users(config.basic_auth_users)
        self._sans = None if tls is None else tls.client_allowed_sans
        self._headers = config.http_server_config.headers
        self._bucket = Bucket(config.rate_limit)

    def protect(self, app: web.Application) -> None:
        """Let nothing reach the application's handlers that the rules refuse."""
        app.middlewares.append(self._middleware())
        app.on_response_prepare.append(self._add_headers)

    def _middleware(self) -> Middleware:
        @web.middleware
        async def check(request: web.Request, handler: Handler) -> web.StreamResponse:
            return await self._refusal(request) or await handler(request)

        return check

    async def _add_headers(self, _request: web.Request, response: web.StreamResponse) -> None:
        response.headers[hdrs.SERVER] = SERVER_NAME
        response.headers.update(self._headers)

    async def _refusal(self, request: web.Request) -> web.Response | None:
        if not self._bucket.take(time.monotonic()):
            return web.Response(status=429, text="Too many requests.\n")
        if not self._has_allowed_san(request):
            log.seldom("refused a client's certificate", peer=request.remote)
            refused = web.Response(status=403, text="The certificate names none of client_allowed_sans.\n")
            refused.force_close()
            return refused
        return await self._password_refusal(request) if self._users else None

    def _has_allowed_san(self, request: web.Request) -> bool:
        if self._sans is None:
            return True
        certificate: Any = request.get_extra_info("peercert") or {}
        return any(_comparable(value) in self._sans for _kind, value in certificate.get("subjectAltName", ()))

    async def _password_refusal(self, request: web.Request) -> web.Response | None:
        try:
            given = BasicAuth.decode(request.headers.get(hdrs.AUTHORIZATION, ""), encoding="utf-8")
            admitted = await self._users.admit(given.login, given.password)
        except ValueError:
            admitted = False
        except TooManyChecks:
            return web.Response(
                status=503, headers={hdrs.RETRY_AFTER: "5"}, text="Too many log-ins at once.\n"
            )
        return None if admitted else web.Response(status=401, headers=_ASK, text="Unauthorized\n")


class Bucket:
    """A token bucket; each request takes a token, and they come back one an interval."""

    def __init__(self, limit: RateLimit) -> None:
        self._limit = limit
        self._tokens = float(limit.burst)
        self._looked_at: float | None = None

    def take(self, now: float) -> bool:
        """Whether there is a token at ``now``, in seconds of a monotonic clock."""
        if not self._limit.interval:
            return True
        passed = 0.0 if self._looked_at is None else now - self._looked_at
        self._tokens = min(self._limit.burst, self._tokens + passed / self._limit.interval)
        self._looked_at = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True


def _comparable(value: str) -> str:
    """An address as TlsConfig writes it; anything else as it is."""
    try:
        return str(ipaddress.ip_address(value.strip()))
    except ValueError:
        return value
