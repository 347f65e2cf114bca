"""A server whose database postgres was dropped, and whose first superuser is called otherwise."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

import pgbackstop_runner
from tests.integration.drill.conftest import drills
from tests.integration.exporter.running import Exporter
from tests.integration.recover.primary import SETTINGS, Primary
from tests.support import backups, binaries, places
from tests.support.backups import Site
from tests.support.fixtures import MakeServer
from tests.support.servers import Server

HEARTBEAT = Path(pgbackstop_runner.__file__).with_name("heartbeat.sql")
SESSIONS = "select distinct datname from pg_stat_activity where application_name = 'pgbackstop-exporter'"


@pytest.fixture(params=binaries.EDGES, ids=[f"pg{m}" for m in binaries.EDGES])
def server(request: pytest.FixtureRequest, make_server: MakeServer) -> Server:
    """It has the databases archive and shop."""
    made = make_server(request.param, superuser="boss", settings=SETTINGS)
    for name in ("archive", "shop"):
        made.execute(f"create database {name}")
        made.execute("create table orders (n int); insert into orders values (1), (2)", name)
    made.database = "shop"
    made.execute("drop database postgres")
    return made


@pytest.fixture
def site(server: Server) -> Iterator[Site]:
    folder = places.make()
    yield Site(folder=folder / "site", server=server, plans={"daily": backups.plan()})
    places.remove(folder)


def done(site: Site, *words: str) -> str:
    """What the command printed."""
    ended = site.run(*words)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


def beats(server: Server) -> int:
    return int(str(server.execute("select count(*) from pgbackstop.heartbeat", "shop")[0][0]))


def test_logical_backups_and_restores(site: Site, server: Server) -> None:
    done(site, "check", "daily")
    done(site, "backup", "daily")
    assert {each.database for each in site.backups() if each.is_available} == {"archive", "shop"}
    done(site, "drill", "daily")
    done(site, "restore", "--database", "shop", "--into", "beside")
    for name in ("archive", "shop"):  # the session is in none of the two that change their names
        server.execute("delete from orders", name)
        done(site, "restore", "--database", name, "--yes-replace", name)
        assert server.execute("select count(*) from orders", name) == [(2,)]
    found = {name for (name,) in server.execute("select datname from pg_database where datallowconn")}
    assert found == {"archive", "shop", "beside", "template1"}


@pytest.mark.parametrize("server", [17], indirect=True, ids=["pg17"])
def test_the_exporter_keeps_nobody_from_making_a_database(site: Site, server: Server) -> None:
    """Its session stays, and in the template it would be in the way of CREATE DATABASE."""
    with Exporter(site.file) as exporter:
        exporter.until_page(lambda page: page.value("backup_postgres_up", server="main") == 1.0)
        assert server.execute(SESSIONS) == [("archive",)]
        server.execute("create database another")


def test_physical_backups_wal_and_recovery(server: Server) -> None:
    """Heartbeats are in the one that has their table, here and in what a drill recovers."""
    server.execute("create role pgbackstop")
    server.execute(HEARTBEAT.read_text(), "shop")
    primary = Primary(server)
    primary.site.server_settings = {"wal": {}, "heartbeat": {"enabled": True, "interval": 1}}
    primary.site.write()
    try:
        with primary.site.start("daemon") as daemon:
            backups.until(lambda: beats(server) > 2, "heartbeats")
            daemon.terminate()
            daemon.communicate()
        primary.receive()
        primary.backup()
        server.execute("insert into orders values (3)")
        primary.switch()
        primary.caught_up()
        done(primary.site, "check", "base")
        done(primary.site, "drill", "base")
        proof = drills(primary.site)[0]
        assert [each.ok for each in proof.checks if each.name == "heartbeats"] == [True]
        assert proof.rpo_seconds is not None
        with primary.recovered() as clone:
            where = f"host={clone.data} port={clone.port} user={server.superuser} dbname=shop"
            with psycopg.connect(where, autocommit=True) as connection:
                assert connection.execute("select count(*) from orders").fetchall() == [(3,)]
    finally:
        primary.close()
