"""Listening sockets: accepts connections, and gives each a place, a TLS handshake and a time limit."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable
from functools import partial
from typing import Final

from aiohttp import web

from pgbackstop_catalog import connection_places, errors
from pgbackstop_catalog.connection_places import Place, Places
from pgbackstop_exporter import log
from pgbackstop_exporter.web import connections
from pgbackstop_exporter.web.connections import Connection

_PAUSE_SECONDS: Final = 1.0


class Listener:
    """Serves the connections of some sockets; ``context`` gives the TLS of the moment, or none."""

    def __init__(self, runner: web.AppRunner, context: Callable[[], ssl.SSLContext | None]) -> None:
        self.sockets: list[socket.socket] = []
        self._runner = runner
        self._context = context
        self._places = Places(connections.most(), share=connections.SHARE)
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self, sockets: list[socket.socket]) -> None:
        """Accept from now on."""
        self.sockets = sockets
        for each in sockets:
            each.listen()
            self._keep(asyncio.create_task(self._accept(each), name="accept"))

    def close(self) -> None:
        """Accept no more; connections that are open go on."""
        for task in self._tasks:
            task.cancel()
        for each in self.sockets:
            each.close()

    def _keep(self, task: asyncio.Task[None]) -> None:
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _accept(self, listening: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                accepted, peer = await loop.sock_accept(listening)
            except ConnectionError:
                continue  # it was gone before we came to it
            except OSError as error:
                log.seldom("connections cannot be accepted", problem=error.strerror)
                await asyncio.sleep(_PAUSE_SECONDS)
                continue
            self._admit(accepted, connection_places.source(str(peer[0])))

    def _admit(self, accepted: socket.socket, whose: str) -> None:
        place = Place(whose, accepted.close)
        if not self._places.take(place):
            log.seldom("refused a connection: all places are taken", peer=whose)
            accepted.close()
            return
        task = asyncio.create_task(self._serve(accepted, place))
        task.add_done_callback(partial(self._handed_on, accepted, place))
        place.end = task.cancel
        self._keep(task)

    async def _serve(self, accepted: socket.socket, place: Place) -> None:
        """See a connection through its handshake; from then on its protocol keeps the place."""
        loop, server, context = asyncio.get_running_loop(), self._runner.server, self._context()
        if server is None:
            accepted.close()
            return
        limit = connections.REQUEST_SECONDS if context is not None else None
        await loop.connect_accepted_socket(
            partial(Connection, server, place, self._places, loop=loop, access_log=None),
            accepted,
            ssl=context,
            ssl_handshake_timeout=limit,
            ssl_shutdown_timeout=limit,
        )

    def _handed_on(self, accepted: socket.socket, place: Place, served: asyncio.Task[None]) -> None:
        """Close what failed, or was ended before it began, when there is nobody else to do that."""
        error = None if served.cancelled() else served.exception()
        if served.cancelled() or error is not None:
            self._places.give_back(place)
            accepted.close()
        if error is not None and not isinstance(error, OSError):
            log.seldom("a connection failed", error=error)


async def bind(host: str | None, port: int) -> list[socket.socket]:
    """Sockets bound to every address of ``host``. Raises PgbackstopError, ConfigError for what is no name."""
    loop = asyncio.get_running_loop()
    try:
        server = await loop.create_server(asyncio.Protocol, host, port, start_serving=False)
    except ValueError as error:  # of a name that cannot be asked for
        raise errors.ConfigError(
            f"{host!r} is no address to listen on.",
            remedy="Choose another address with --web.listen-address.",
        ) from error
    except OSError as error:
        raise errors.PgbackstopError(
            f"Cannot listen on {host or '*'}:{port}: {error.strerror}.",
            remedy="Choose another address with --web.listen-address.",
        ) from error
    found = [each.dup() for each in server.sockets]
    server.close()
    for each in found:
        each.setblocking(False)
    return found
