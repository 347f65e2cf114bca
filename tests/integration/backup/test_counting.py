"""Counting rows beside the dump: whatever goes wrong there costs a count, never the dump."""

from __future__ import annotations

import contextlib
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


def test_a_table_that_somebody_waits_for_once_the_dump_has_its_lock(
    tmp_path: Path, database: Database
) -> None:
    """The other jobs of pg_dump lock each table once more, and give up where somebody waits for it."""
    settings = plan(databases=[database.name], format="directory", jobs=2)
    site = Site(folder=tmp_path, server=database.server, plans={"p": settings})
    waits = "select 1 from pg_locks where not granted and relation = '{}'::regclass"
    with database.connect() as other, database.connect() as application:
        other.execute("begin")
        other.execute("lock table pg_ts_template")  # read by pg_dump when it has the locks of all tables
        with site.start("backup", "p") as backup:
            until(lambda: database.execute(waits.format("pg_ts_template")), "the dump behind its locks")
            application.pgconn.send_query(b"truncate orders")
            until(lambda: database.execute(waits.format("orders")), "who waits for a table")
            other.execute("commit")
            _out, said = backup.communicate(timeout=120)
        while (result := application.pgconn.get_result()) is not None:
            assert result.status == psycopg.pq.ExecStatus.COMMAND_OK
    assert backup.returncode == 0, said
    assert "again, in a new snapshot" in said
    assert "jobs=1" in said
    assert site.newest("p").row_counts == {**SHOP, "public.orders": 0}
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
