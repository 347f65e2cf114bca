"""Alertmanager's answers as a test wants them."""

import contextlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class StubAlertmanager(ThreadingHTTPServer):
    """A stand-in for what a real Alertmanager does not do on request: it answers with the code it is told.

    Whatever arrives is kept; the real one is in tests/integration/daemon.
    """

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.codes: list[int] = []
        self.received: list[Any] = []
        self.requests: list[str] = []
        self.body = b""
        self.refused = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


@contextlib.contextmanager
def answering() -> Iterator[StubAlertmanager]:
    """One that answers, in a thread of its own."""
    with StubAlertmanager() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    server: StubAlertmanager

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.requests.append(f"POST {self.path} {self.headers['Content-Type']}")
        code = self.server.codes.pop(0) if self.server.codes else 200
        if code == 200:
            self.server.received += json.loads(body)
        self._answer(code, self.server.body if code == 200 else b"what the server says")

    def do_GET(self) -> None:
        if self.server.refused:
            self._answer(self.server.refused)
            return
        if self.server.body:
            self._answer(200, self.server.body)
            return
        if self.path.startswith("/api/v2/alerts?"):
            self._answer(200, json.dumps(self.server.received).encode())
            return
        self.server.requests.append(f"GET {self.path}")
        self._answer(200)

    def _answer(self, code: int, body: bytes = b'"what the server says"') -> None:
        self.send_response(code)
        if code == 302:
            self.send_header("Location", "/elsewhere")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_args: object) -> None:
        pass
