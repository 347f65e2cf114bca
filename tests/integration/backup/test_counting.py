"""Counting rows beside the dump: whatever goes wrong there costs a count, never the dump."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from pgbackstop_catalog.config.plan import Plan
from pgbackstop_catalog.config.server import Server as ServerConfig
from pgbackstop_catalog.records.attempt import Status
from pgbackstop_catalog.records.backup import Backup
from pgbackstop_runner.backup import snapshot
from pgbackstop_runner.backup.snapshot import Snapshot
from pgbackstop_runner.postgres import row_counts
from pgbackstop_runner.postgres import sessions as postgres
from tests.integration.backup.conftest import MakeRole
from tests.support import databases, shop
from tests.support.backups import Site, plan, until
from tests.support.databases import Database
from tests.support.fixtures import MakeServer
from tests.support.servers import Server

# The index calls what a session that pins its search_path does not find: planning any query fails.
PLAINLY = """
    create schema elsewhere;
    create function elsewhere.plain(text) returns text language sql immutable as 'select lower($1)';
    create function public.plainly(text) returns text language sql immutable as 'select lower($1)';
    create table public.names (long text, n int not null, one int generated always as (1) stored);
    insert into public.names select 'Name ' || g, g from generate_series(1, 77) g;
    create index on public.names (public.plainly(long));
    set check_function_bodies = off;
    create or replace function public.plainly(text) returns text
      language sql immutable as 'select plain($1)';
"""
PLAN = Plan(server="main", backup_type="logical")
SHOP = {f"public.{name}": count for name, count in shop.ROW_COUNTS.items()}


@pytest.fixture
def site(tmp_path: Path, edge_server: Server, database: Database) -> Site:
    return Site(folder=tmp_path, server=edge_server, plans={"p": plan(databases=[database.name])})


def settings(site: Site) -> ServerConfig:
    return site.workspace.config.servers["main"]


def made(site: Site) -> Backup:
    (backup,) = site.make("p")
    assert backup.status is Status.SUCCEEDED, backup.message
    return backup


@contextlib.contextmanager
def exported(site: Site, database: Database) -> Iterator[Snapshot]:
    with snapshot.exported(settings(site), database.name, PLAN.evolve(lock_timeout=0.1)) as shared:
        yield shared


def test_what_cannot_be_planned_is_counted(site: Site, database: Database) -> None:
    database.execute(PLAINLY)
    with (
        pytest.raises(psycopg.errors.UndefinedFunction),
        postgres.connect(settings(site), database.name) as own,
    ):
        own.execute("select count(*) from public.names")
    with postgres.connect(settings(site), database.name) as own:
        assert row_counts.rows_by_query(own, "public", "names") == 77
        assert row_counts.rows_by_query(own, "public", "orders") == SHOP["public.orders"]
    backup = made(site)
    assert backup.row_counts == {**SHOP, "public.names": 77}
    assert (backup.warnings, backup.uncounted) == ((), ())


def test_tables_without_a_column_are_counted(site: Site, database: Database) -> None:
    database.execute("create table bare (); insert into bare default values; insert into bare default values")
    with postgres.connect(settings(site), database.name) as own:
        assert row_counts.rows(own, "public", "bare") == 2


def test_a_table_that_cannot_be_counted_costs_its_count_only(site: Site, database: Database) -> None:
    with exported(site, database) as shared, database.connect() as other, other.transaction():
        other.execute("lock table public.orders")
        counts = shared.counts()
    assert counts.rows == {name: count for name, count in SHOP.items() if name != "public.orders"}
    assert list(counts.problems) == ["public.orders"]
    (warning,) = counts.warnings()
    assert warning.startswith("The rows of public.orders were not counted: ")
    assert "lock timeout" in warning


@pytest.mark.parametrize(
    "change",
    [
        "truncate public.orders cascade",
        "alter table public.orders rename to sold; create table public.orders ()",
    ],
)
def test_what_changes_under_the_snapshot_is_not_counted_wrong(
    site: Site, database: Database, change: str
) -> None:
    with exported(site, database) as shared:
        database.execute(change)
        counts = shared.counts()
    assert "renamed or rewritten" in counts.problems["public.orders"]
    assert all(SHOP[name] == count for name, count in counts.rows.items())


@pytest.mark.parametrize("lost", [1, row_counts.MOST_SESSIONS - 1, row_counts.MOST_SESSIONS])
def test_a_lost_session_is_opened_again(
    site: Site, database: Database, edge_server: Server, lost: int
) -> None:
    opened: list[int] = []
    with exported(site, database) as shared:

        @contextlib.contextmanager
        def connect() -> Iterator[psycopg.Connection]:
            with postgres.connect(settings(site), database.name) as connection:
                opened.append(connection.info.backend_pid)
                if len(opened) <= lost:
                    edge_server.execute(f"select pg_terminate_backend({opened[-1]}, 10000)")
                yield connection

        counts = row_counts.Counter(connect, shared.name, shared.tables).finish()
    if lost < row_counts.MOST_SESSIONS:
        assert (counts.rows, counts.problems) == (SHOP, {})
    else:
        assert set(counts.problems) == set(SHOP)
        assert len(list(counts.warnings())) == 1


def test_a_snapshot_that_is_gone_is_said_once(site: Site, database: Database) -> None:
    with exported(site, database) as shared:
        tables = shared.tables
        shared.name = "00000000-00000000-1"
        counts = shared.counts()
    assert set(counts.problems) == {table.quoted for table in tables}
    (warning,) = counts.warnings()
    assert "the snapshot is gone" in warning


@pytest.mark.parametrize("form", ["custom", "directory", "plain"])
def test_a_table_that_goes_before_the_dump_has_its_lock(
    tmp_path: Path, database: Database, form: str
) -> None:
    site = Site(
        folder=tmp_path, server=database.server, plans={"p": plan(databases=[database.name], format=form)}
    )
    waits = "select 1 from pg_locks where not granted and relation = 'orders'::regclass"
    with database.connect() as other:
        other.execute("begin")
        other.execute("lock table orders")
        with site.start("backup", "p") as backup:
            until(lambda: database.execute(waits), "the dump at the lock")
            other.execute("alter table orders rename to sold")
            other.execute("commit")
            _out, said = backup.communicate(timeout=120)
    assert backup.returncode == 0, said
    assert "again, in a new snapshot" in said
    assert set(site.newest("p").row_counts or {}) == {*SHOP, "public.sold"} - {"public.orders"}
    assert site.leftovers() == []


def test_nothing_stays_locked(site: Site, database: Database) -> None:
    database.execute("create table many (n int) partition by list (n)")
    for number in range(40):
        database.execute(f"create table many_{number} partition of many for values in ({number})")
    with exported(site, database) as shared:
        counts = shared.counts()
        assert len(counts.rows) == len(SHOP) + 40
        locked = database.execute(
            "select relation::regclass from pg_locks where pid <> pg_backend_pid() and relation >= 16384"
            " and database = (select oid from pg_database where datname = current_database())"
        )
    assert locked == []


# As 5,000 partitions with the default pool of locks; this server has the smallest.
FEW_LOCKS = {"max_locks_per_transaction": "10", "max_connections": "20"}
PARTITIONS = 200
FREE_LOCKS = """
    do $$
    declare held int := 0;
    begin
        loop perform pg_advisory_xact_lock(held); held := held + 1; end loop;
    exception when out_of_memory then raise exception '%', held;
    end $$"""


def test_an_application_beside_it_keeps_its_locks(tmp_path: Path, make_server: MakeServer) -> None:
    """With locks on all partitions and their indexes at once, one of the two would get none."""
    server = make_server(settings=FEW_LOCKS)
    database = databases.clone(server)
    database.execute("create table parts (n int, a int, b int) partition by list (n)")
    for number in range(PARTITIONS):
        database.execute(
            f"create table part_{number} partition of parts for values in ({number});"
            f"create index on part_{number} (n); create index on part_{number} (a);"
            f"create index on part_{number} (b); insert into part_{number} values ({number})"
        )
    with pytest.raises(psycopg.errors.RaiseException) as counted:
        database.execute(FREE_LOCKS)
    free = int(str(counted.value).split()[0])
    dumped, at_once = len(SHOP) + PARTITIONS + 1, 4 * row_counts.TOGETHER
    others = 60  # of pg_dump and of the sessions beside it, on the system's tables
    assert dumped + at_once + others < free < dumped + 4 * PARTITIONS
    site = Site(folder=tmp_path, server=server, plans={"p": plan(databases=[database.name])})
    with database.connect() as application, application.transaction():
        held = free - dumped - at_once - others
        application.execute(f"select pg_advisory_xact_lock(n) from generate_series(1, {held}) n".encode())
        backup = made(site)
    assert (backup.warnings, backup.uncounted) == ((), ())
    assert (backup.row_counts or {})["public.part_0"] == 1


def test_without_a_connection_to_spare_the_dump_has_what_there_is(
    tmp_path: Path, edge_server: Server, database: Database, make_role: MakeRole
) -> None:
    role = make_role(edge_server, "connection limit 2", "grant pg_read_all_data to {role}")
    plans = {"p": plan(databases=[database.name], role_passwords=False)}
    backup = made(Site(folder=tmp_path, server=edge_server, plans=plans, server_settings=role))
    assert sorted([*(backup.row_counts or {}), *backup.uncounted]) == sorted(SHOP)
    assert bool(backup.warnings) == bool(backup.uncounted)


def test_the_end_of_a_dump_ends_the_counting(site: Site, database: Database) -> None:
    with database.connect() as other, other.transaction():
        other.execute("lock table public.orders")
        with snapshot.exported(settings(site), database.name, PLAN.evolve(lock_timeout=600.0)) as shared:
            shared.start_counting()
        assert shared.counter is not None
        assert "public.orders" not in shared.counter.finish().rows


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
    backup = made(site)
    assert (backup.row_counts or {})["own.t"] == 1
    assert not was_run(site, owner)
    database.execute("select count(*) from own.t")  # so that the above can be seen to mean something
    assert was_run(site, owner)


@pytest.mark.parametrize("what", SWAPS)
def test_no_code_is_run_where_a_table_is_swapped(spied: tuple[Site, Database, str], what: str) -> None:
    """Its owner holds its lock until the backup waits for it, and knows what for."""
    site, database, owner = spied
    with exported(site, database) as shared:
        shared.lock_timeout = 600.0
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
    assert made(site).undumped == {"own.t": 1}
    assert not was_run(site, owner)
