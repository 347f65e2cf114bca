"""A small HTTP proxy before a real server: it remembers what it was asked, and may refuse, trickle or hang.

It passes a request on as it came, so that signatures hold; it serves as a forward proxy as well.
"""

from __future__ import annotations

import contextlib
import http.client
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit


@dataclass(frozen=True, kw_only=True)
class Request:
    """A request as it came; the names of headers are in lower case."""

    method: str
    target: str
    headers: dict[str, str]


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What is said in the server's place; with a Content-Length of more than the body, it is cut off."""

    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class ReverseProxy:
    """Stands before a server. What a test changes counts from the next request on."""

    server: str
    asked: list[Request] = field(default_factory=list)
    answers: list[Answer] = field(default_factory=list)  # in the server's place, one for each next request
    drops: frozenset[str] = frozenset()  # headers that the server does not get
    pause: float = 0.0  # seconds before each piece of an answer
    pieces: int = 1
    stops_after: int | None = None  # pieces; the rest never comes
    over: threading.Event = field(default_factory=threading.Event)

    def wants(self, asked: Request) -> Answer | None:
        """What is refused; a test may put its own in the place of this."""
        return self.answers.pop(0) if self.answers else None

    @contextlib.contextmanager
    def open(self, tls: ssl.SSLContext | None = None) -> Iterator[str]:
        """Its address, while it stands."""

        class Handler(_Handler):
            proxy = self

        with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listener:
            if tls is not None:
                listener.socket = tls.wrap_socket(listener.socket, server_side=True)
            thread = threading.Thread(target=listener.serve_forever, kwargs={"poll_interval": 0.05})
            thread.start()
            try:
                yield f"http{'s' if tls else ''}://127.0.0.1:{listener.server_port}"
            finally:
                self.over.set()
                listener.shutdown()
                thread.join()


class _Handler(BaseHTTPRequestHandler):
    proxy: ReverseProxy

    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        headers = {name.lower(): value for name, value in self.headers.items()}
        passed = {name: value for name, value in headers.items() if name not in self.proxy.drops}
        asked = Request(method=self.command, target=self.path, headers=headers)
        self.proxy.asked.append(asked)
        refused = self.proxy.wants(asked)
        if refused is not None:
            self._answer(refused.status, dict(refused.headers), refused.body)
            return
        parts = urlsplit(self.path)
        target = f"{parts.path}?{parts.query}" if parts.query else parts.path
        connection = http.client.HTTPConnection(urlsplit(self.proxy.server).netloc, timeout=120)
        with contextlib.closing(connection):
            connection.request(self.command, target, body, passed)
            with connection.getresponse() as response:
                self._answer(response.status, dict(response.getheaders()), response.read())

    def _answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response_only(status)
        length = headers.pop("Content-Length", str(len(body)))
        for name, value in headers.items():
            if name.lower() not in {"transfer-encoding", "connection"}:
                self.send_header(name, value)
        self.send_header("Content-Length", length)
        self.send_header("Connection", "close")
        self.end_headers()
        if self.command == "HEAD":
            return
        size = -(-len(body) // self.proxy.pieces) or 1
        for number, start in enumerate(range(0, len(body), size)):
            if number == self.proxy.stops_after:
                self.proxy.over.wait()
                return
            self.proxy.over.wait(self.proxy.pause)
            with contextlib.suppress(OSError):
                self.wfile.write(body[start : start + size])

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = _serve

    def log_message(self, *_arguments: object) -> None:
        """Nothing: tests are silent."""
