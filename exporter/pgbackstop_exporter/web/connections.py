"""Open connections: how many there may be, from where, and how long each may take.

Who holds connections open or sends nothing must not keep Prometheus out. Where too many are open, a new one
takes the place of the oldest that has asked for nothing yet: one address cannot use up the places of the
others, and a client that asks at once is answered even where another holds all places of the same address.
"""

from __future__ import annotations

import asyncio
import ipaddress
import resource
from collections import Counter
from collections.abc import Callable
from typing import Any, Final

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler

from pgbackstop_exporter import log

SERVER_NAME: Final = "pgbackstop-exporter"  # and not the versions of Python and aiohttp
REQUEST_SECONDS: Final = 10.0  # until a request is complete, the handshake of TLS apart
ANSWER_SECONDS: Final = 60.0  # Prometheus gives up earlier
IDLE_SECONDS: Final = 75.0  # between two requests; Prometheus comes every 15 s
MOST: Final = 256
_SHARE: Final = 4  # of all places, what one address may have: a quarter


def most() -> int:
    """How many connections there may be: half of what the system lets us open, for the sources need some."""
    soft, _hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    return MOST if soft == resource.RLIM_INFINITY else min(MOST, soft // 2)


def source(host: str) -> str:
    """Whose places a connection takes: an address, or the network of a host where each has very many."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return host
    if isinstance(address, ipaddress.IPv6Address):
        return str(address.ipv4_mapped or ipaddress.ip_network((int(address) >> 64 << 64, 64)))
    return str(address)


class Place:
    """One connection: whose it is, whether a request is answered, whether one was. ``end`` cuts it."""

    def __init__(self, whose: str, end: Callable[[], object]) -> None:
        self.whose = whose
        self.end = end
        self.is_busy = False
        self.has_asked = False


class Places:
    """The connections that are open, the oldest first."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._most_of_one = max(1, most // _SHARE)
        self._taken: dict[Place, None] = {}

    def __len__(self) -> int:
        return len(self._taken)

    def take(self, place: Place) -> bool:
        """Whether there is room, if need be by ending another one that nobody waits for."""
        counts = Counter(each.whose for each in self._taken)
        crowd = ""
        if counts[place.whose] >= self._most_of_one:
            crowd = place.whose
        elif len(self._taken) >= self._most:
            crowd = counts.most_common(1)[0][0]
        if crowd and not self._end_one_of(crowd):
            return False
        self._taken[place] = None
        return True

    def give_back(self, place: Place) -> None:
        """It is closed."""
        self._taken.pop(place, None)

    def _end_one_of(self, crowd: str) -> bool:
        idle = [each for each in self._taken if each.whose == crowd and not each.is_busy]
        if not idle:
            return False
        victim = min(idle, key=lambda each: each.has_asked)  # of equals the first, which is the oldest
        self.give_back(victim)
        victim.end()
        return True


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
