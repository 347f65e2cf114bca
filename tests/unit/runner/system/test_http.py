"""One request and its answer: where it goes, what it takes along, and what is said when nobody answers."""

import contextlib
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from pgbackstop_runner.system import http

SECONDS = 30.0


class _Handler(BaseHTTPRequestHandler):
    """Says what it was asked; /moved leads to /elsewhere, /to-ftp away, /endless has no end."""

    def do_GET(self) -> None:
        self.send_response({"/moved": 302, "/to-ftp": 302, "/teapot": 418}.get(self.path, 200))
        self.send_header("Location", "ftp://127.0.0.1:1/list" if self.path == "/to-ftp" else "/elsewhere")
        self.end_headers()
        body = self.rfile.read(int(self.headers["Content-Length"] or 0))
        words = [
            self.command,
            self.path,
            self.headers["Authorization"],
            self.headers["X-Kind"],
            body.decode(),
        ]
        self.wfile.write(" ".join(map(str, words)).encode())
        try:
            while self.path == "/endless":
                self.wfile.write(b"x" * 4096)
        except OSError:
            pass  # the other side has read enough

    do_POST = do_GET

    def log_message(self, *_args: object) -> None:
        pass


@pytest.fixture
def address() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_what_is_sent_arrives(address: str) -> None:
    answer = http.ask(
        f"{address}/x",
        timeout=SECONDS,
        method="POST",
        data=b"body",
        headers={"X-Kind": "k"},
        authorization="A",
    )
    assert (answer.status, answer.is_good, answer.text) == (200, True, "POST /x A k body")


def test_every_status_is_an_answer(address: str) -> None:
    answer = http.ask(f"{address}/teapot", timeout=SECONDS)
    assert (answer.status, answer.is_good) == (418, False)
    assert answer.text.startswith("GET /teapot")


def test_a_redirected_get_is_followed_without_the_secret(address: str) -> None:
    answer = http.ask(f"{address}/moved", timeout=SECONDS, headers={"X-Kind": "k"}, authorization="secret")
    assert (answer.status, answer.text) == (200, "GET /elsewhere None k")


def test_a_redirected_post_is_not_followed(address: str) -> None:
    answer = http.ask(f"{address}/moved", timeout=SECONDS, method="POST", data=b"")
    assert (answer.status, answer.is_good) == (302, False)


def test_a_get_is_not_redirected_to_another_protocol(address: str) -> None:
    answer = http.ask(f"{address}/to-ftp", timeout=SECONDS)
    assert (answer.status, answer.is_good) == (302, False)


def test_a_body_without_an_end_is_read_to_the_limit(address: str) -> None:
    answer = http.ask(f"{address}/endless", timeout=SECONDS, most_bytes=10_000)
    assert len(answer.body) == 10_000


def test_a_proxy_is_for_the_world_outside(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", address)
    monkeypatch.delenv("no_proxy", raising=False)
    assert http.ask("http://shop.example/stop", timeout=SECONDS).text.startswith(
        "GET http://shop.example/stop"
    )
    with pytest.raises(http.NoAnswer, match="Connection refused"):
        http.ask("http://127.0.0.1:1/", timeout=SECONDS)


@pytest.mark.parametrize(
    ("host", "own"),
    [
        ("localhost", True),
        ("127.0.0.1", True),
        ("127.8.8.8", True),
        ("::1", True),
        ("10.0.0.1", False),
        ("localhost.example", False),
        (None, False),
    ],
)
def test_this_machines_own_addresses(host: str | None, own: bool) -> None:
    assert http.is_this_machine(host) is own


@pytest.mark.parametrize(
    "begins",
    [
        pytest.param(b"HTTP/1.1 200 OK\r\nX-Header: ", id="header"),
        pytest.param(b"HTTP/1.1 200 OK\r\n\r\n", id="body without a length"),
        pytest.param(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", id="length of a chunk"),
        pytest.param(b"HTTP/1.1 503 No\r\n\r\n", id="body of an error"),
    ],
)
def test_who_sends_a_byte_now_and_then_is_hung_up_on(begins: bytes) -> None:
    """Each is there before the time for one step is over: a backup would wait for its check for ever."""
    over = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection, contextlib.suppress(OSError):
                connection.recv(65536)
                connection.sendall(begins)
                while not over.wait(0.05):
                    connection.sendall(b"0")

        thread = threading.Thread(target=serve)
        thread.start()
        with pytest.raises(http.NoAnswer, match="no end within 3 seconds"):
            http.ask(f"http://127.0.0.1:{listener.getsockname()[1]}/", timeout=0.5)
        over.set()
        thread.join()


@pytest.fixture
def garbage() -> Iterator[str]:
    """A server that speaks, and not HTTP."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(b"SSH-2.0-secret\r\n")

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/secret"
        thread.join()


def test_what_is_no_http_is_said_without_the_address(garbage: str) -> None:
    with pytest.raises(http.NoAnswer) as caught:
        http.ask(garbage, timeout=SECONDS)
    assert str(caught.value) == "BadStatusLine"


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:1/secret", "http://127.0.0.1:1/a secret", "http://127.0.0.1:secret/", "secret"]
)
def test_no_reason_holds_the_address(url: str) -> None:
    with pytest.raises(http.NoAnswer) as caught:
        http.ask(url, timeout=SECONDS)
    assert "secret" not in str(caught.value)
    assert str(caught.value)


def test_a_connection_that_is_made_too_late_is_hung_up_on() -> None:
    with socket.create_server(("127.0.0.1", 0)) as late, http._Line(SECONDS) as line:
        line._hang_up()
        with line.connected(late.getsockname(), SECONDS) as made:
            assert made.recv(1) == b""
