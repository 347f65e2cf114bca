"""A database's owner makes the table of heartbeats before anybody else does, and hangs his code on it."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

import pgbackstop_runner
from pgbackstop_runner.postgres import heartbeats, sessions
from tests.support import backups, places
from tests.support.backups import Site
from tests.support.fixtures import MakeServer
from tests.support.servers import Server

SCRIPTS = Path(pgbackstop_runner.__file__).parent
TABLE = """
    create schema pgbackstop;
    create table pgbackstop.heartbeat (written_at timestamptz primary key, previous timestamptz);
    grant usage on schema pgbackstop to public;
    grant select, insert, delete on pgbackstop.heartbeat to public;
    create schema bobs;
    grant usage on schema bobs to public;
    create table bobs.loot (who text);
    grant insert on bobs.loot to public;
    create function bobs.act() returns trigger language plpgsql as
        $$ begin insert into bobs.loot values (current_user); return new; end $$;
"""
CHECKED = """
    create function bobs.checked() returns boolean language plpgsql as
        $$ begin insert into bobs.loot values (current_user); return true; end $$;
    create function bobs.indexed(timestamptz) returns boolean immutable language plpgsql as
        $$ begin return bobs.checked(); end $$;
"""
TRAPS = {
    "trigger": """
        create trigger act before insert on pgbackstop.heartbeat
            for each row execute function bobs.act()""",
    "rule": """
        create rule act as on insert to pgbackstop.heartbeat do also
            insert into bobs.loot values (current_user)""",
    "check": f"{CHECKED} alter table pgbackstop.heartbeat add check (bobs.checked())",
    "domain": f"""{CHECKED}
        create domain bobs.moment as timestamptz check (bobs.checked());
        alter table pgbackstop.heartbeat alter written_at type bobs.moment""",
    "index": f"{CHECKED} create index on pgbackstop.heartbeat (bobs.indexed(written_at))",
    "statistics": f"""{CHECKED}
        create statistics bobs.told on (bobs.indexed('epoch')), previous from pgbackstop.heartbeat;
        select max(written_at) from pgbackstop.heartbeat""",
    "policy": f"""{CHECKED}
        create policy act on pgbackstop.heartbeat with check (bobs.checked());
        alter table pgbackstop.heartbeat enable row level security, force row level security""",
    "child": """
        create table bobs.child () inherits (pgbackstop.heartbeat);
        create trigger act before delete on bobs.child for each row execute function bobs.act();
        insert into bobs.child values (now()); delete from pgbackstop.heartbeat""",
    "partition": f"""{CHECKED}
        drop table pgbackstop.heartbeat;
        create table bobs.whole (written_at timestamptz, previous timestamptz)
            partition by list (bobs.indexed(written_at));
        create table pgbackstop.heartbeat partition of bobs.whole for values in (true)""",
}
BOB = "set session authorization bob;"


@pytest.fixture
def site(make_server: MakeServer) -> Iterator[Site]:
    """The server has one database that the role of the backups is told of, and it is bob's."""
    server = make_server()
    server.execute(SCRIPTS.joinpath("create-role.sql").read_text())
    server.execute(f"alter role pgbackstop password '{server.password}'")
    server.execute("create role bob; create role alice createrole")
    server.execute("create database app owner bob")
    folder = places.make()
    settings = {
        "user": "pgbackstop",
        "maintenance_database": "app",
        "heartbeat": {"enabled": True, "interval": 1},
    }
    yield Site(folder=folder / "site", server=server, plans={}, server_settings=settings)
    places.remove(folder)


@contextlib.contextmanager
def daemon(site: Site) -> Iterator[Path]:
    """The real one; yields its log."""
    log = site.folder / "log"
    with log.open("ab") as words:
        running = subprocess.Popen(site.argv("daemon"), stdout=words, stderr=words, env=backups.environment())
    try:
        yield log
    finally:
        running.terminate()
        running.wait(backups.PATIENCE)


def loot(server: Server) -> list[tuple[object, ...]]:
    return server.execute("select distinct who from bobs.loot", "app")


def is_trusted(site: Site) -> bool:
    server = site.workspace.server("main")
    with sessions.connect(server) as connection:
        return heartbeats.is_there(connection, server)


def test_no_code_of_an_owner_runs_as_the_role_that_writes(site: Site) -> None:
    server = site.server
    server.execute(f"{BOB} {TABLE}; {TRAPS['trigger']}", "app")
    with daemon(site) as log:
        backups.until(lambda: loot(server) or b"no heartbeats are written" in log.read_bytes(), "a refusal")
        assert loot(server) == []
        server.execute("drop schema pgbackstop cascade", "app")
        server.execute(SCRIPTS.joinpath("heartbeat.sql").read_text(), "app")
        beats = "select count(*) > 1 from pgbackstop.heartbeat"
        backups.until(lambda: server.execute(beats, "app") == [(True,)], "heartbeats")
        # While the session lasts.
        server.execute(
            f"drop schema pgbackstop cascade; drop schema bobs cascade; {BOB} {TABLE}; {TRAPS['rule']}", "app"
        )
        refused = "has the table pgbackstop.heartbeat as a superuser"
        backups.until(lambda: loot(server) or log.read_text().count(refused) > 1, "another refusal")
    assert loot(server) == []


def test_whose_table_it_must_be(site: Site) -> None:
    """Neither bob's, nor in his schema, nor with what he left on it before it was given away."""
    server = site.server
    for trap in TRAPS.values():
        server.execute(f"{BOB} {TABLE}; {trap}; insert into pgbackstop.heartbeat values (now())", "app")
        assert loot(server) == [("bob",)], "the trap does not work"
        assert not is_trusted(site)
        server.execute("alter table pgbackstop.heartbeat owner to postgres", "app")
        assert not is_trusted(site)
        server.execute("alter schema pgbackstop owner to postgres", "app")
        assert not is_trusted(site)
        server.execute("drop schema pgbackstop cascade; drop schema bobs cascade", "app")
    server.execute(f"{TABLE}", "app")
    assert is_trusted(site)
    server.execute("alter schema pgbackstop owner to alice", "app")
    assert not is_trusted(site)
    # An administrator who is no superuser, as at a provider, has made the role.
    server.execute("grant pgbackstop to alice with admin option")
    assert is_trusted(site)
