"""What the proof itself does survives what the backed up server sets, triggers and locks."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

from pgbackstop_catalog.records.attempt import Status
from tests.integration.drill.test_pitr import check, drill, primary
from tests.integration.recover import primary as primaries
from tests.integration.recover.primary import Primary
from tests.support import binaries
from tests.support.servers import Server

NO_DDL = """
    create function no_ddl() returns event_trigger language plpgsql as
      'begin raise exception ''no DDL here''; end';
    create event trigger no_ddl on ddl_command_start execute function no_ddl();
    alter event trigger no_ddl enable always;
"""
SETTINGS = {
    "statement_timeout": "'1ms'",
    "lock_timeout": "'1ms'",
    "datestyle": "'SQL, DMY'",
    "default_transaction_read_only": "on",
    "search_path": "nowhere",
}


@pytest.fixture(scope="module", params=binaries.MAJORS, ids=[f"pg{m}" for m in binaries.MAJORS])
def hostile(request: pytest.FixtureRequest) -> Iterator[Primary]:
    """A server that forbids what it can, and in its base backup a prepared transaction that locks a table."""
    settings = {**primaries.SETTINGS, "max_prepared_transactions": "5"}
    with Server(binaries.reachable(request.param), settings=settings) as server, primary(server) as made:
        _forbid(server)
        # Read at the next start: what this host has not.
        absent = {"unix_socket_group": "no_such_group"}
        server.configure(absent | ({"io_method": "io_uring"} if request.param >= 18 else {}))
        made.backup()
        yield made


def _forbid(server: Server) -> None:
    server.execute("create table locked (n int primary key, words text)")
    server.execute("create table twice (n int); insert into twice values (1), (1)")
    with pytest.raises(psycopg.errors.UniqueViolation):
        server.execute("create unique index concurrently once on twice (n)")
    server.execute(NO_DDL)
    with server.connect() as connection:
        connection.autocommit = False
        connection.execute("lock table locked in access exclusive mode")
        connection.execute("prepare transaction 'left alone'")
    with server.connect() as connection:
        for name, value in SETTINGS.items():
            connection.execute(f"alter database postgres set {name} = {value}".encode())
            connection.execute(f"alter database template1 set {name} = {value}".encode())


def test_a_physical_drill(hostile: Primary) -> None:
    proof = drill(hostile, "--physical")
    assert proof.status is Status.SUCCEEDED, proof.message
    assert check(proof, "heartbeats")[0]
    ok, pages = check(proof, "pages")
    assert ok
    assert "pg_amcheck found nothing" in pages
    assert "postgres.public.locked" in pages
    assert "prepared transaction" in pages
    assert "not valid, as at the source: postgres.public.once" in check(proof, "indexes")[1]


def test_a_recovery(hostile: Primary) -> None:
    with hostile.recovered("--immediate", "--check") as clone:
        assert "NOT AS IT SHOULD BE" not in clone.said
