"""Whoever answers in the place of a drill's server is told no password, and floods nobody's memory."""

import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from pgbackstop_catalog import errors
from pgbackstop_catalog.config.server import Server
from pgbackstop_runner.drill import empty_server
from pgbackstop_runner.drill.work_directory import DrillDirectory
from pgbackstop_runner.postgres import sessions
from pgbackstop_runner.postgres.client_programs import Binaries
from pgbackstop_runner.postgres.private_server import PrivateServer
from pgbackstop_runner.system import processes
from pgbackstop_runner.system.accounts import Account
from pgbackstop_runner.system.jail import Jail
from tests.support import backups, impostors, places

WHO = Account(name="", uid=os.geteuid(), gid=os.getegid())
SECRET = "of another server"


@pytest.fixture
def folder(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The runner's account has passwords for everybody who asks."""
    made = places.make()
    passwords = made / "pgpass"
    passwords.write_text(f"*:*:*:*:{SECRET}\n")
    passwords.chmod(0o600)
    monkeypatch.setenv("PGPASSFILE", str(passwords))
    monkeypatch.setenv("PGPASSWORD", SECRET)
    yield made
    places.remove(made)


def private(folder: Path) -> PrivateServer:
    programs = Binaries(folder=folder, version="17.1")
    return PrivateServer(
        programs=programs,
        data=folder / "data",
        socket_folder=folder,
        port=5432,
        log=folder / "log",
        who=WHO,
        user="postgres",
    )


def of_drill(folder: Path) -> Server:
    ground = DrillDirectory(
        root=folder, sockets=folder, who=WHO, jail=Jail(mechanism="none", who=WHO, sockets=folder)
    )
    return empty_server.entered(Server(user="pgbackstop"), ground, "postgres")


def enter(server: Server) -> None:
    with sessions.connect(server, "shop"):
        pass


@pytest.mark.parametrize(
    "session",
    [
        pytest.param(lambda folder: private(folder).connect(), id="physical"),
        pytest.param(lambda folder: enter(of_drill(folder)), id="logical"),
        pytest.param(lambda folder: enter(of_drill(folder).for_restores()), id="restoring"),
    ],
)
def test_no_password_is_told(folder: Path, session: Callable[[Path], object]) -> None:
    heard: list[bytes] = []

    def asks(client: socket.socket) -> None:
        client.sendall(impostors.ASKS_FOR_CLEAR_TEXT)
        heard.append(client.recv(1000))

    with impostors.listening_in(folder, asks), pytest.raises((psycopg.Error, errors.PgbackstopError)):
        session(folder)
    backups.until(lambda: heard, "an answer, or its absence")
    assert not any(SECRET.encode() in each for each in heard)


def test_a_log_without_an_end_is_read_from_near_it(folder: Path) -> None:
    server = private(folder)
    with server.log.open("wb") as log:
        log.seek(1 << 40)
        log.write(b"\nFATAL:  No space left on device\n")
    with pytest.raises(errors.PgbackstopError, match="is full: FATAL"):
        server.require_room()
    assert processes.tail(server.log, 1).endswith("FATAL: No space left on device")
