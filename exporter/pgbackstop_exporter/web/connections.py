"""Open connections: how many there may be, from where, and how long each may take.

Who holds connections open or sends nothing must not keep Prometheus out: see ``connection_places``.
"""

from __future__ import annotations

import asyncio
import resource
from typing import Any, Final

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler

from pgbackstop_catalog.connection_places import Place, Places
from pgbackstop_exporter import log

SERVER_NAME: Final = "pgbackstop-exporter"  # and not the versions of Python and aiohttp
REQUEST_SECONDS: Final = 10.0  # until a request is complete, the handshake of TLS apart
ANSWER_SECONDS: Final = 60.0  # Prometheus gives up earlier
IDLE_SECONDS: Final = 75.0  # between two requests; Prometheus comes every 15 s
MOST: Final = 256
SHARE: Final = 4  # of all places, what one address may have: a quarter


def most() -> int:
    """How many connections there may be: half of what the system lets us open, for the sources need some."""
    soft, _hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    return MOST if soft == resource.RLIM_INFINITY else min(MOST, soft // 2)


class Connection(web.RequestHandler):
    """The protocol of one connection, with a time limit for all that a client may let us wait for."""

    def __init__(self, server: web.Server, place: Place, places: Places, **options: Any) -> None:
        super().__init__(server, keepalive_timeout=IDLE_SECONDS, **options)
        self._place = place
        self._places = places
        self._is_receiving = False
        self._limit: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._place.end = self._cut
        self._allow(REQUEST_SECONDS)

    def connection_lost(self, exc: BaseException | None) -> None:
        if self._limit is not None:
            self._limit.cancel()
        self._places.give_back(self._place)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if not self._place.is_busy and not self._is_receiving:
            self._is_receiving = True
            self._allow(REQUEST_SECONDS)
        super().data_received(data)

    def begin(self) -> None:
        """A request is complete and is being answered."""
        self._is_receiving = False
        self._place.is_busy = True
        self._allow(ANSWER_SECONDS)

    def finish(self) -> None:
        """It is answered, as far as the client takes the answer."""
        self._place.is_busy, self._place.has_asked = False, True
        self._allow(IDLE_SECONDS)

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """A short answer; one line a minute in the log, for what anybody may send who reaches the port."""
        if request.writer.output_size > 0:
            raise ConnectionError
        if status == web.HTTPBadRequest.status_code:
            log.seldom("refused what is no HTTP request", peer=request.remote, problem=type(exc).__name__)
        else:
            log.seldom("a request could not be answered", error=exc, peer=request.remote)
        answer = web.Response(
            status=status, text="The request could not be answered.\n", headers={hdrs.SERVER: SERVER_NAME}
        )
        answer.force_close()
        return answer

    def log_exception(self, *_arguments: Any, exc_info: BaseException | None = None, **_options: Any) -> None:
        log.seldom("a connection failed", error=exc_info)

    def _allow(self, seconds: float) -> None:
        if self._limit is not None:
            self._limit.cancel()
        self._limit = asyncio.get_running_loop().call_later(seconds, self._cut)

    def _cut(self) -> None:
        if self.transport is not None:
            self.transport.abort()


@web.middleware
async def track(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Tell the connection when a request of it is answered."""
    connection = request.protocol
    if not isinstance(connection, Connection):
        return await handler(request)
    connection.begin()
    try:
        return await handler(request)
    finally:
        connection.finish()
