"""Refusals that a server tells in words that nobody here knows are judged by SQLSTATE."""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest

from pgbackstop_catalog import errors
from pgbackstop_catalog.config.server import Server as ServerConfig
from pgbackstop_runner.failures import is_lost_connection
from pgbackstop_runner.postgres import refusal_states, refusals, session_options
from pgbackstop_runner.postgres import sessions as postgres
from tests.support.backups import until
from tests.support.servers import Server


@dataclass(frozen=True, kw_only=True)
class Refused:
    """What makes a server refuse, and what is to be said of it."""

    state: str
    says: str
    before: str = "select"
    after: str = "select"
    user: str = "keeper"
    database: str = "private"
    password: str | None = None


CASES = {
    "a password": Refused(state="28P01", says="refuses the password of role keeper", password="wrong"),
    "who may not log in": Refused(
        state="28000",
        says="not into 'private' from here: FATAL: role \"keeper\" is not permitted to log in.",
        before="alter role keeper nologin",
        after="alter role keeper login",
    ),
    "no such database": Refused(state="3D000", says="no database 'nowhere'", database="nowhere"),
    "no right to connect": Refused(
        state="42501",
        says="may not connect to database 'private'",
        before="revoke connect on database private from public",
        after="grant connect on database private to public",
    ),
    "a limit of the role": Refused(
        state="53300",
        says="no free connection for role keeper to 'private': FATAL: too many connections for role",
        before="alter role keeper connection limit 0",
        after="alter role keeper connection limit -1",
    ),
    "no connections": Refused(
        state="55000",
        says="takes no connections",
        before="alter database private allow_connections false",
        after="alter database private allow_connections true",
    ),
    "a library": Refused(
        state="58P01",
        says="ends each session of role keeper in 'private': FATAL: could not access file",
        before="alter database private set session_preload_libraries = 'missing'",
        after="alter database private reset session_preload_libraries",
    ),
}


@pytest.fixture(scope="module")
def foreign(pg17: Server) -> Iterator[Server]:
    """A server that refuses in a language of its own: as here, where nothing that it says is recognised."""
    pg17.execute("create database private")
    pg17.execute(f"create role keeper login password '{pg17.password}'")
    yield pg17
    pg17.execute("drop database private with (force)")
    pg17.execute("drop role keeper")


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_what_a_refusal_means_in_any_language(
    foreign: Server, monkeypatch: pytest.MonkeyPatch, case: Refused
) -> None:
    monkeypatch.setattr(refusals, "SESSIONS", ())
    monkeypatch.setattr(refusals, "is_known", lambda _words: False)
    monkeypatch.setattr(session_options, "_allowed", {})
    place = ServerConfig(port=foreign.port, user=case.user)
    told = session_options.connection_string(place, case.database, "a test")
    foreign.execute(case.before)
    try:
        with pytest.raises(refusal_states.Refusal) as refused:
            refusal_states.connect(told, case.password or foreign.password)
    finally:
        foreign.execute(case.after)
    assert refused.value.sqlstate == case.state
    said = postgres.unreachable(place, case.database, refused.value)
    assert case.says in said.problem
    assert "host and port are right" not in said.remedy


WAYS = {
    "no TLS": ("trust", {"sslmode": "require"}, "by TLS .* server does not support SSL"),
    "rejected": ("reject", {}, "lets role keeper not into 'private' from here"),
    "by account": ("ident", {}, "does not take this account for role keeper: FATAL: Ident authentication"),
}


@pytest.mark.parametrize(("method", "more", "said"), WAYS.values(), ids=WAYS.keys())
def test_what_keeps_us_out(foreign: Server, method: str, more: Mapping[str, Any], said: str) -> None:
    place = ServerConfig(port=foreign.port, user="keeper", password_file=foreign.password_file, **more)

    def refused() -> bool:
        try:
            with postgres.connect(place, "private"):
                return False
        except errors.ServerUnreachable as error:
            return re.search(said, error.problem) is not None

    hba = foreign.data / "pg_hba.conf"
    before = hba.read_text()
    hba.write_text(f"host private keeper 127.0.0.1/32 {method}\n{before}")
    try:
        foreign.execute("select pg_reload_conf()")
        until(refused, said)
    finally:
        hba.write_text(before)
        foreign.execute("select pg_reload_conf()")


def test_what_is_not_postgresql() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        answer = threading.Thread(target=_answers_as_the_web, args=(listening,))
        answer.start()
        place = ServerConfig(port=listening.getsockname()[1], user="keeper")
        with pytest.raises(errors.ServerUnreachable, match="is not PostgreSQL"), postgres.connect(place):
            pass
        answer.join()


def _answers_as_the_web(listening: socket.socket) -> None:
    peer, _address = listening.accept()
    with peer:
        peer.recv(8)
        peer.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")


def test_a_server_that_is_gone_when_it_is_asked_again(tmp_path: Path) -> None:
    path = tmp_path / ".s.PGSQL.5432"
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        listening.listen()
        answer = threading.Thread(target=_refuses_and_goes, args=(listening, path))
        answer.start()
        with pytest.raises(psycopg.OperationalError, match="nichts da"):
            refusal_states.connect(f"host={tmp_path} port=5432 user=keeper", None)
        answer.join()


def _refuses_and_goes(listening: socket.socket, path: Path) -> None:
    peer, _address = listening.accept()
    with peer:
        peer.recv(4096)
        path.unlink()
        fields = b"SFATAL\0VFATAL\0C57P03\0Mnichts da\0\0"
        peer.sendall(b"E" + (len(fields) + 4).to_bytes(4, "big") + fields)


def test_what_the_network_says_is_asked_for_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refusals, "is_known", lambda _words: False)
    with pytest.raises(psycopg.OperationalError) as refused:
        refusal_states.connect("host=127.0.0.1 port=1 user=keeper", None)
    assert not isinstance(refused.value, refusal_states.Refusal)


def test_a_foreign_server_that_is_away_is_no_lost_connection_of_ours(pg17: Server) -> None:
    place = ServerConfig(port=pg17.port, user="postgres", password_file=pg17.password_file)
    with postgres.connect(place) as connection, pytest.raises(psycopg.Error) as refused:
        connection.execute("do $$ begin raise 'nobody there' using errcode = '08001'; end $$")
    assert not is_lost_connection(refused.value)
    assert "answered with an error" in postgres.broken(refused.value).problem
