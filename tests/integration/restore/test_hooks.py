"""The application around a restore: a real process that is stopped, started and asked whether it is well."""

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from pgbackstop_catalog import errors
from pgbackstop_catalog.records.attempt import Status
from pgbackstop_runner.restore import undo
from tests.integration.restore import image, places
from tests.support import ports
from tests.support.backups import Site, until
from tests.support.databases import Database

# Holds a connection as applications do, answers GET /health from it, and stops on POST /stop.
APPLICATION = """
import http.server, os, sys, threading
import psycopg
conninfo, port, pidfile = sys.argv[1], int(sys.argv[2]), sys.argv[3]
connection = psycopg.connect(conninfo, autocommit=True)
open(pidfile, "w").write(str(os.getpid()))
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        try:
            body = str(connection.execute("select count(*) from orders").fetchone()[0]).encode()
            self.send_response(200)
        except psycopg.Error as error:
            body = str(error).encode()
            self.send_response(503)
        self.end_headers()
        self.wfile.write(body)
    def do_POST(self):
        self.send_response(202)
        self.end_headers()
        threading.Thread(target=server.shutdown).start()
    def log_message(self, *args): pass
server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
server.serve_forever()
"""
START = """
import subprocess, sys
subprocess.Popen(sys.argv[1:], start_new_session=True, stdin=-3, stdout=-3, stderr=-3)
print("started")
"""


class Shop:
    """The application's program, its address, and the process that runs now."""

    def __init__(self, folder: Path, database: Database) -> None:
        program = folder / "application.py"
        program.write_text(APPLICATION)
        self.port, self.pidfile = ports.free(), folder / "pid"
        address = database.conninfo
        self.argv = [sys.executable, str(program), address, str(self.port), str(self.pidfile)]
        self.start = [sys.executable, "-c", START, *self.argv]

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    def pid(self) -> int:
        until(lambda: self.pidfile.exists() and self.pidfile.read_text(), "the application")
        return int(self.pidfile.read_text())

    def end(self) -> None:
        with contextlib.suppress(psutil.NoSuchProcess, FileNotFoundError):
            psutil.Process(int(self.pidfile.read_text())).kill()


@pytest.fixture
def shop(database: Database, tmp_path: Path) -> Iterator[Shop]:
    made = Shop(tmp_path, database)
    psutil.Popen(made.start).wait()
    made.pid()
    yield made
    made.end()


def site(folder: Path, database: Database, **application: Any) -> Site:
    return Site(
        folder=folder,
        server=database.server,
        plans={"shop": {"server": "main", "backup_type": "logical", "databases": [database.name]}},
        server_settings={"application": application},
    )


def test_it_is_stopped_restored_under_and_comes_back(shop: Shop, database: Database, tmp_path: Path) -> None:
    place = site(
        tmp_path,
        database,
        stop={"url": shop.url("/stop")},
        start={"command": shop.start},
        check={"url": shop.url("/health")},
    )
    places.backup(place)
    first = shop.pid()
    database.execute("delete from orders")

    done = places.restore(place)

    assert done.status is Status.SUCCEEDED
    assert [(hook.hook, hook.ok) for hook in done.hooks] == [("stop", True), ("start", True), ("check", True)]
    assert done.hooks[1].output == "started"
    assert done.hooks[2].output == "200 2000"
    assert done.warnings == ()
    assert shop.pid() != first
    assert done.downtime_seconds is not None
    assert done.downtime_seconds >= sum(hook.duration_seconds for hook in done.hooks)

    undo.undo(place.workspace, done, timeout=60)
    (record,) = places.restores(place)
    assert record.hooks[-1].output == "200 0"
    for left in (record.undone_database,):
        database.server.execute(f'drop database "{left}" with (force)')


def test_one_that_does_not_stop_is_not_swapped_under(database: Database, tmp_path: Path) -> None:
    hook = ["sh", "-c", "echo 'the queue is not empty'; exit 3"]
    place = site(
        tmp_path, database, stop={"command": hook}, start={"command": ["touch", str(tmp_path / "up")]}
    )
    places.backup(place)
    database.execute("delete from orders")
    live = image.of(database.server, database.name)
    with pytest.raises(errors.PgbackstopError, match="The application does not stop: exit status 3"):
        places.restore(place)
    (record,) = places.restores(place)
    assert "the queue is not empty" in record.hooks[0].output
    assert image.of(database.server, database.name) == live
    assert (tmp_path / "up").exists()  # it may have stopped by half


def test_a_token_that_is_not_there_is_told_before_anything_is_restored(
    database: Database, tmp_path: Path
) -> None:
    url = f"http://127.0.0.1:{ports.free()}/stop"
    place = site(tmp_path, database, stop={"url": url, "token_file": str(tmp_path / "absent")})
    places.backup(place)
    with pytest.raises(errors.ValidationError, match="absent with the token of the hook cannot be read"):
        places.restore(place)
    assert places.restores(place) == []
    assert places.lines(place, into="beside")  # runs no hooks, so it needs no token


def test_one_that_hangs_is_given_up(database: Database, tmp_path: Path) -> None:
    place = site(tmp_path, database, stop={"command": ["sleep", "600"], "timeout": "300ms"})
    places.backup(place)
    with pytest.raises(errors.PgbackstopError, match="does not stop: not done within"):
        places.restore(place)
    assert not [each for each in psutil.Process().children(recursive=True) if each.name() == "sleep"]


def test_one_that_does_not_come_back_is_told_and_the_restore_stands(
    database: Database, tmp_path: Path
) -> None:
    place = site(
        tmp_path,
        database,
        start={"command": ["/nowhere/application"]},
        check={"url": f"http://127.0.0.1:{ports.free()}/", "timeout": "300ms"},
    )
    places.backup(place)
    database.execute("delete from orders")
    done = places.restore(place)
    assert done.status is Status.SUCCEEDED
    (warning,) = done.warnings
    assert "does not start: /nowhere/application cannot be started" in warning
    assert database.row_counts()["orders"] == 2000


def test_without_a_hook_to_start_the_check_tells(database: Database, tmp_path: Path) -> None:
    place = site(tmp_path, database, check={"command": ["sh", "-c", "exit 1"], "timeout": "300ms"})
    places.backup(place)
    done = places.restore(place)
    assert [hook.hook for hook in done.hooks] == ["check"]
    assert "does not answer as it should" in done.warnings[0]
