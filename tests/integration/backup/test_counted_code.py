"""Counting rows runs no code of a table's owner, by the rights of whoever counts."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from pgbackstop_catalog.config.plan import Plan
from pgbackstop_runner.backup import snapshot
from tests.integration.backup.conftest import MakeRole
from tests.support import databases
from tests.support.backups import Site, plan, until
from tests.support.databases import Database
from tests.support.servers import Server

PLAN = Plan(server="main", backup_type="logical", lock_timeout=600.0)
# Of a table's owner, who would see every row by the rights of whoever plans a query of the table.
SPY = """
    create role {owner};
    create schema own authorization {owner};
    set role {owner};
    create function own.spy(n int) returns int immutable language plpgsql as $spy$
    begin
        if current_user <> '{owner}' then raise warning '% runs code of {owner}', current_user; end if;
        return n;
    end $spy$;
    create table own.t (n int);
    insert into own.t values (1);
    create table own.child () inherits (own.t);
"""
PLACES = {
    "an index": "create index on own.t ((own.spy(1)))",
    "a partial index": "create index on own.child (n) where own.spy(1) = 1",
    "statistics": "create statistics own.s on (own.spy(1) + n), n from own.t",
    "a constraint": "alter table own.t add check (own.spy(1) = n)",
    "a policy": "alter table own.t enable row level security;"
    " create policy p on own.t using (own.spy(n) = 1)",
    "a default": "alter table own.t alter n set default own.spy(1)",
    "a partition's bound": "create table own.parted (n int) partition by list ((own.spy(n)));"
    " create table own.part partition of own.parted for values in (1); insert into own.parted values (1)",
    "a generated column": "alter table own.t add m int generated always as (own.spy(n)) stored",
    "a domain": "create domain own.d int check (own.spy(value) = 1); alter table own.t add d own.d default 1",
    "a trigger": "create function own.fire() returns trigger language plpgsql as"
    " 'begin perform own.spy(1); return new; end'; create trigger t before insert on own.t"
    " for each row execute function own.fire(); alter table own.t enable always trigger t",
    "a rule": "create rule r as on update to own.t do also select own.spy(1);"
    " alter table own.t enable always rule r",
    "a view": "create view own.v as select own.spy(1); create materialized view own.m as select own.spy(1)",
    "a cast": "create type own.c as (n int); create function own.cast(own.c) returns int immutable"
    " language sql as 'select own.spy(1)'; create cast (own.c as int) with function own.cast(own.c)"
    " as implicit; create index on own.t ((row(1)::own.c::int))",
}
SWAPS = {
    "a view": "create view own.t as select g from generate_series(1, 1) g where own.spy(g) = 1",
    "another table": "create table own.t (n int); create index on own.t ((own.spy(1)))",
    "a materialized view": "create materialized view own.t as select own.spy(1)",
    "a sequence": "create sequence own.t",
}


@pytest.fixture
def spied(tmp_path: Path, pg17: Server, make_role: MakeRole) -> Iterator[tuple[Site, Database, str]]:
    """A site, its database, and the owner of one of its tables; backups are made by a role that may read."""
    role = make_role(pg17, "bypassrls", "grant pg_read_all_data to {role}")
    database, owner = databases.clone(pg17), f"spy_{secrets.token_hex(4)}"
    database.execute(SPY.format(owner=owner))
    plans = {"p": plan(databases=[database.name], role_passwords=False)}
    yield Site(folder=tmp_path, server=pg17, plans=plans, server_settings=role), database, owner
    database.drop()
    pg17.execute(f"drop role {owner}")


def was_run(site: Site, owner: str) -> bool:
    return f"runs code of {owner}" in site.server.log_tail(10_000)


def test_no_code_of_a_table_is_run_by_a_backup(spied: tuple[Site, Database, str]) -> None:
    """An expression of constants is evaluated by whoever plans a query of the table."""
    site, database, owner = spied
    for code in PLACES.values():
        database.execute(f"set role {owner}; {code}")
    (backup,) = site.make("p")
    assert backup.row_counts is not None, backup.message
    assert backup.row_counts["own.t"] == 1
    assert not was_run(site, owner)
    database.execute("select count(*) from own.t")  # so that the above can be seen to mean something
    assert was_run(site, owner)


@pytest.mark.parametrize("what", SWAPS)
def test_no_code_is_run_where_a_table_is_swapped(spied: tuple[Site, Database, str], what: str) -> None:
    """Its owner holds its lock until the backup waits for it, and knows what for."""
    site, database, owner = spied
    server = site.workspace.config.servers["main"]
    with snapshot.exported(server, database.name, PLAN) as shared:
        with database.connect() as other, other.transaction():
            other.execute(f"set local role {owner}")
            other.execute("lock table own.t")
            shared.start_counting()
            waits = "select 1 from pg_locks where not granted and relation = 'own.t'::regclass"
            until(lambda: database.execute(waits), "the counting at the lock")
            other.execute("alter table own.t rename to gone")
            other.execute(SWAPS[what].encode())
        counts = shared.counts()
    assert "own.t" not in counts.rows
    assert "renamed or rewritten" in counts.problems["own.t"]
    assert not was_run(site, owner)


def test_no_code_is_run_where_a_table_was_made_an_extension_s(spied: tuple[Site, Database, str]) -> None:
    """Trusted extensions are anybody's to make who may create something in the database."""
    site, database, owner = spied
    database.execute(f"grant create on database {database.name} to {owner}")
    for code in (
        PLACES["an index"],
        "create extension hstore schema own",
        "alter extension hstore add table own.t",
    ):
        database.execute(f"set role {owner}; {code}")
    (backup,) = site.make("p")
    assert backup.undumped == {"own.t": 1}, backup.message
    assert not was_run(site, owner)
