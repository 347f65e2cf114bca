"""The shop's application, a process of its own: what a restore stops, restores under, starts and checks.

It keeps one connection, as applications do, and gets a new one by itself when that was ended. It is for
looking at: whoever can reach it may order. Where it is not told otherwise, it listens on 127.0.0.1 only,
and whoever can reach it may stop and start it, too.
"""

from __future__ import annotations

import contextlib
import hmac
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import flask
import psycopg
from werkzeug.serving import WSGIRequestHandler, make_server

from pgbackstop_runner.demo import shop

# Whoever waits for a page has left after that: seconds to connect, milliseconds for a statement.
_CONNECT_SECONDS = 3
_STATEMENT_MILLISECONDS = 5000
LOOPBACK = "127.0.0.1"


class Stopped(Exception):
    """The application was told to leave the database alone."""


@dataclass
class Store:
    """The one connection to the database; ``connect`` makes it. Raises psycopg's errors and Stopped."""

    connect: Callable[[], psycopg.Connection]
    is_stopped: bool = False
    _connection: psycopg.Connection | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @contextlib.contextmanager
    def connection(self) -> Iterator[psycopg.Connection]:
        """The connection, for one request at a time; a new one where the last was ended meanwhile."""
        with self._lock:
            if self.is_stopped:
                raise Stopped
            if self._connection is None or not _answers(self._connection):
                self._connection = self.connect()
            yield self._connection

    def stop(self) -> None:
        """Let the request under way end, leave the database, and stay away from it."""
        with self._lock:
            self.is_stopped = True
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    def start(self) -> None:
        """Work again; the next request connects."""
        with self._lock:
            self.is_stopped = False


@dataclass(frozen=True, kw_only=True)
class Guard:
    """Who is let in: requests to one of ``hosts``; to maintenance, where there is a ``token``, who has it."""

    hosts: frozenset[str] = frozenset({LOOPBACK, "localhost"})
    token: str | None = None

    def refuse(self) -> None:
        """Ends the request under way with 401 or 403 where it may not go on."""
        self._refuse_other_sites()
        if self.token is not None and flask.request.path.startswith("/maintenance/"):
            shown = flask.request.headers.get("Authorization", "")
            if not hmac.compare_digest(shown.encode(), f"Bearer {self.token}".encode()):
                flask.abort(401)

    def _refuse_other_sites(self) -> None:
        """A page of another site that is open in the same browser must not order, stop or start.

        Its address may lead here, but the name in it stays its own.
        """
        request = flask.request
        origin = request.headers.get("Origin")
        if urlsplit(request.host_url).hostname not in self.hosts:
            flask.abort(403)
        if request.method == "POST" and origin is not None and f"{origin}/" != request.host_url:
            flask.abort(403)


def application(store: Store, guard: Guard) -> flask.Flask:
    """The pages: the shop for people, orders and health for programs, maintenance for a restore's hooks."""
    app = flask.Flask("shop", root_path=str(Path(__file__).parent), template_folder="")
    app.before_request(guard.refuse)
    app.register_error_handler(Stopped, lambda _error: _closed("stopped", "The shop is closed for a moment."))
    app.register_error_handler(psycopg.Error, lambda error: _closed("no database", _words(error)))

    @app.get("/")
    def page() -> str:
        with store.connection() as connection:
            return flask.render_template(
                "shop_page.html",
                count=shop.count(connection),
                products=shop.products(connection),
                orders=shop.newest_orders(connection),
            )

    @app.get("/orders")
    def orders() -> list[dict[str, object]]:
        with store.connection() as connection:
            return shop.newest_orders(connection)

    @app.post("/orders")
    def order() -> flask.typing.ResponseReturnValue:
        product = flask.request.form.get("product", type=int)
        with store.connection() as connection:
            number = shop.place_order(connection, product)
        return flask.redirect("/", 303) if product else ({"order": number}, 201)

    @app.get("/health")
    def health() -> dict[str, object]:
        with store.connection() as connection:
            return {"status": "ok", "orders": shop.count(connection)}

    @app.post("/maintenance/stop")
    def stop() -> dict[str, str]:
        store.stop()
        return {"status": "stopped"}

    @app.post("/maintenance/start")
    def start() -> dict[str, str]:
        store.start()
        return {"status": "started"}

    return app


def connect(password_file: Path, *, host: str = LOOPBACK, port: int = 5432) -> psycopg.Connection:
    """To the shop's database, as its owner. Raises psycopg.Error, and OSError where there is no password."""
    return psycopg.connect(
        host=host,
        port=port,
        user=shop.OWNER,
        dbname=shop.DATABASE,
        password=password_file.read_text(encoding="utf-8").strip(),
        application_name="shop",
        connect_timeout=_CONNECT_SECONDS,
        # A server that vanished without a word is no longer waited for.
        tcp_user_timeout=_STATEMENT_MILLISECONDS,
        options=f"-c statement_timeout={_STATEMENT_MILLISECONDS}",
        autocommit=True,
    )


def serve(app: flask.Flask, port: int, *, listen: str = LOOPBACK) -> None:
    """Serve until a signal."""
    make_server(listen, port, app, threaded=True, request_handler=_Quiet).serve_forever()


def main(port: int, server_port: int, password_file: Path) -> None:
    """The demo's: everything on 127.0.0.1, until a signal."""
    store = Store(lambda: connect(password_file, port=server_port))
    serve(application(store, Guard()), port)


class _Quiet(WSGIRequestHandler):
    """Logs what went wrong only: an order every two seconds would fill the disk."""

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        if str(code) >= "500":
            self.log("error", '"%s" %s', self.requestline, code)


def _answers(connection: psycopg.Connection) -> bool:
    try:
        connection.execute("select")
    except psycopg.OperationalError:
        connection.close()
        return False
    return True


def _closed(status: str, problem: str) -> flask.typing.ResponseReturnValue:
    """503, for a person and for a check alike."""
    if flask.request.accept_mimetypes.best_match(["application/json", "text/html"]) == "text/html":
        return flask.render_template("shop_page.html", problem=problem), 503
    return {"status": status, "problem": problem}, 503


def _words(error: Exception) -> str:
    return " ".join(str(error).split())


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]))
