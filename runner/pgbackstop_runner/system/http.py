"""One request by HTTP and its answer: in bounded memory, and without what would send it somewhere else.

A redirected POST becomes a GET, whose 200 would look as if the POST had been accepted: it is not followed.
A proxy of the environment is for the world outside: it is not asked for this machine's own addresses.
"""

from __future__ import annotations

import contextlib
import http.client
import ipaddress
import os
import socket
import ssl
import threading
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from types import TracebackType
from typing import IO, Any, Self
from urllib.parse import urlsplit

from pgbackstop_catalog import errors

MOST_BYTES = 16 * 1024**2
_MOST_STEPS = 6  # that may take as long as one may: a name, a connection, its encryption, the answer


class NoAnswer(Exception):
    """Nobody answered. The words say why, and nothing of the address, which may be a secret."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a server answered, whatever its status; the beginning of its body."""

    status: int
    body: bytes

    @property
    def is_good(self) -> bool:
        """Whether the status is 2xx."""
        return 200 <= self.status < 300

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode(errors="replace").strip()


def ask(
    url: str,
    *,
    timeout: float,
    method: str = "GET",
    data: bytes | None = None,
    headers: Mapping[str, str] | None = None,
    authorization: str | None = None,
    most_bytes: int = MOST_BYTES,
) -> Answer:
    """Send one request to an address whose scheme the configuration has checked. Raises NoAnswer.

    ``timeout`` is in seconds, for each step; somebody who sends a byte now and then is hung up on after six
    times as long. ``authorization`` goes to that address, and not to one that it redirects to. Of the body
    ``most_bytes`` are read.
    """
    with _Line(_MOST_STEPS * timeout) as line:
        try:
            request = urllib.request.Request(url, data=data, headers=dict(headers or {}), method=method)  # noqa: S310
            if authorization is not None:
                request.add_unredirected_header("Authorization", authorization)
            answer = _answer(_opener(url, line), request, timeout, most_bytes)
        except ValueError as error:  # what is no address
            raise NoAnswer(reason(error)) from error
        except NoAnswer:
            if not line.is_overdue:
                raise
        if line.is_overdue:
            raise NoAnswer(f"its answer had no end within {_MOST_STEPS * timeout:g} seconds")
        return answer


def _answer(
    opener: urllib.request.OpenerDirector, request: urllib.request.Request, timeout: float, most_bytes: int
) -> Answer:
    try:
        with opener.open(request, timeout=timeout) as answer:
            return Answer(status=answer.status, body=answer.read(most_bytes))
    except urllib.error.HTTPError as error:
        return _of_error(error, most_bytes)
    except urllib.error.URLError as error:
        raise NoAnswer(reason(error.reason)) from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise NoAnswer(reason(error)) from error


def reason(error: object) -> str:
    """Return why a connection failed, without what may hold the address that was asked."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted: {error.verify_message}"
    if isinstance(error, OSError):
        return error.strerror or errors.one_line(error) or type(error).__name__
    return type(error).__name__ if isinstance(error, Exception) else errors.one_line(error)


def is_this_machine(host: str | None) -> bool:
    """Whether a host of an address is this machine by its loopback interface."""
    if host is None or host == "localhost":
        return host is not None
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class _GetsAreRedirected(urllib.request.HTTPRedirectHandler):
    def redirect_request(  # noqa: PLR0917 - as urllib calls it
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        # urllib would follow to FTP, too, where nobody hangs up on who takes too long.
        if req.get_method() != "GET" or urlsplit(newurl).scheme not in {"http", "https"}:
            return None
        return super().redirect_request(req, fp, code, msg, headers, newurl)


class _Line:
    """The connections of one request, which are hung up on when they took too long all together."""

    def __init__(self, seconds: float) -> None:
        self.is_overdue = False
        self._ends: list[socket.socket] = []
        self._turn = threading.Lock()
        self._timer = threading.Timer(seconds, self._hang_up)
        self._timer.daemon = True

    def __enter__(self) -> Self:
        self._timer.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._timer.cancel()
        with self._turn:
            for each in self._ends:
                each.close()
            self._ends.clear()

    def connected(self, *args: Any, **kwargs: Any) -> socket.socket:
        """A connection as http.client makes it, whose other wrappers we need not know."""
        made = socket.create_connection(*args, **kwargs)
        with self._turn:
            self._ends.append(socket.socket(fileno=os.dup(made.fileno())))
        if self.is_overdue:  # while it was made
            self._hang_up()
        return made

    def _hang_up(self) -> None:
        self.is_overdue = True
        with self._turn:
            for each in self._ends:
                with contextlib.suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)


class _Watched(urllib.request.AbstractHTTPHandler):
    """What makes connections, all of one line."""

    def __init__(self, line: _Line) -> None:
        super().__init__()
        self._line = line

    def do_open(self, http_class: Any, req: urllib.request.Request, **http_conn_args: Any) -> Any:
        return super().do_open(partial(self._made, http_class), req, **http_conn_args)

    def _made(self, http_class: Any, host: str, **kwargs: Any) -> Any:
        connection = http_class(host, **kwargs)
        connection._create_connection = self._line.connected
        return connection


class _Http(_Watched, urllib.request.HTTPHandler):
    pass


class _Https(_Watched, urllib.request.HTTPSHandler):
    pass


def _opener(url: str, line: _Line) -> urllib.request.OpenerDirector:
    direct = [urllib.request.ProxyHandler({})] if is_this_machine(urlsplit(url).hostname) else []
    return urllib.request.build_opener(_GetsAreRedirected, _Http(line), _Https(line), *direct)


def _of_error(error: urllib.error.HTTPError, most_bytes: int) -> Answer:
    """An answer, too: urllib raises those that are not 2xx."""
    with error:
        try:
            return Answer(status=error.code, body=error.read(most_bytes))
        except (OSError, http.client.HTTPException):
            return Answer(status=error.code, body=b"")  # the status is what counts
