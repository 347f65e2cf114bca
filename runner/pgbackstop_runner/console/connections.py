"""Open connections of the console: how many there may be, from where, and how long a request may take.

The daemon makes backups in the same process: who holds connections open, sends nothing, or sends nonsense
takes neither its descriptors nor its log. Which one gives way where too many are open: see
``connection_places``.
"""

from __future__ import annotations

import asyncio
import contextlib
import resource
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, Final

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler

from pgbackstop_catalog import connection_places
from pgbackstop_catalog.connection_places import Place, Places

SERVER_NAME: Final = "pgbackstop"  # and not the versions of Python and aiohttp
REQUEST_SECONDS: Final = 10.0  # until a request is complete, its form too, and the handshake of TLS apart
_IDLE_SECONDS: Final = 75.0  # between two requests
_PAUSE_SECONDS: Final = 1.0
_MOST: Final = 128
_SHARE: Final = 2  # of all places, what one address may have: half; a proxy is one address


def _most() -> int:
    """How many there may be: a quarter of the files that may be open, for backups need them more."""
    soft, _hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    return _MOST if soft == resource.RLIM_INFINITY else max(4, min(_MOST, soft // 4))


class _Connection(web.RequestHandler):
    """The protocol of one connection, cut where a request does not come to its end."""

    def __init__(self, server: web.Server, place: Place, places: Places, **options: Any) -> None:
        super().__init__(server, keepalive_timeout=_IDLE_SECONDS, **options)
        self._place, self._places = place, places
        self._limit: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._place.end = self._cut
        self._allow(REQUEST_SECONDS, self._cut)

    def connection_lost(self, exc: BaseException | None) -> None:
        self._forget_limit()
        self._places.give_back(self._place)
        super().connection_lost(exc)

    def begin(self, request: web.Request) -> None:
        """The head of a request is complete; its form may still be on its way."""
        self._place.is_busy = True
        self._allow(REQUEST_SECONDS, partial(self._cut_unless_whole, request))

    def finish(self) -> None:
        """It is answered."""
        self._place.is_busy, self._place.has_asked = False, True
        self._allow(_IDLE_SECONDS, self._cut)

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """A short answer, and no line in the log, to what anybody may send who reaches the port."""
        if request.writer.output_size > 0:
            raise ConnectionError
        answer = web.Response(
            status=status, text="The request could not be answered.\n", headers={hdrs.SERVER: SERVER_NAME}
        )
        answer.force_close()
        return answer

    def log_exception(self, *_arguments: Any, **_options: Any) -> None:
        """What fails in a page is in the log already."""

    def _allow(self, seconds: float, then: Callable[[], None]) -> None:
        self._forget_limit()
        self._limit = asyncio.get_running_loop().call_later(seconds, then)

    def _forget_limit(self) -> None:
        if self._limit is not None:
            self._limit.cancel()

    def _cut_unless_whole(self, request: web.Request) -> None:
        if not request.content.is_eof():
            self._cut()

    def _cut(self) -> None:
        if self.transport is not None:
            self.transport.abort()


@web.middleware
async def track(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Tell the connection when a request of it is answered."""
    connection = request.protocol
    if not isinstance(connection, _Connection):
        return await handler(request)
    connection.begin(request)
    try:
        return await handler(request)
    finally:
        connection.finish()


class _Listener:
    """Accepts connections, and gives each a place and a time limit for its handshake."""

    def __init__(self, server: web.Server, context: ssl.SSLContext | None) -> None:
        self._server, self._context = server, context
        self._places = Places(_most(), share=_SHARE)
        self._tasks: set[asyncio.Task[None]] = set()

    def keep(self, task: asyncio.Task[None]) -> None:
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def stop(self) -> None:
        """Accept no more."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def accept(self, listening: socket.socket) -> None:
        """For ever."""
        loop = asyncio.get_running_loop()
        while True:
            try:
                accepted, peer = await loop.sock_accept(listening)
            except OSError:
                await asyncio.sleep(_PAUSE_SECONDS)
                continue
            place = Place(connection_places.source(str(peer[0])), accepted.close)
            if self._places.take(place):
                task = asyncio.create_task(self._serve(accepted, place))
                task.add_done_callback(partial(self._handed_on, accepted, place))
                place.end = task.cancel
                self.keep(task)
            else:
                accepted.close()

    async def _serve(self, accepted: socket.socket, place: Place) -> None:
        loop = asyncio.get_running_loop()
        limit = REQUEST_SECONDS if self._context is not None else None
        await loop.connect_accepted_socket(
            partial(_Connection, self._server, place, self._places, loop=loop, access_log=None),
            accepted,
            ssl=self._context,
            ssl_handshake_timeout=limit,
            ssl_shutdown_timeout=limit,
        )

    def _handed_on(self, accepted: socket.socket, place: Place, served: asyncio.Task[None]) -> None:
        """Close what failed, or was ended before it began, when there is nobody else to do that."""
        if served.cancelled() or served.exception() is not None:
            self._places.give_back(place)
            accepted.close()


@asynccontextmanager
async def listening(
    runner: web.AppRunner, host: str, port: int, context: ssl.SSLContext | None
) -> AsyncIterator[None]:
    """Serve there while the body runs. Raises OSError."""
    loop = asyncio.get_running_loop()
    assert runner.server is not None  # noqa: S101 - it was set up
    listener = _Listener(runner.server, context)
    bound = await loop.create_server(asyncio.Protocol, host, port, start_serving=False)
    with contextlib.ExitStack() as opened:
        sockets = [opened.enter_context(each.dup()) for each in bound.sockets]
        bound.close()
        for each in sockets:
            each.setblocking(False)
            each.listen()
            listener.keep(asyncio.create_task(listener.accept(each), name="console-accept"))
        try:
            yield
        finally:
            await listener.stop()
