"""Entries that cannot be restored keep nobody from the rest; errors of the data, or before them, do."""

import json
from pathlib import Path

import pytest

from pgbackstop_catalog import errors
from pgbackstop_catalog.records.attempt import Status
from pgbackstop_catalog.records.restore import Restore
from tests.integration.restore import image, places
from tests.support import backups, databases, terminal
from tests.support.backups import Site
from tests.support.databases import Database
from tests.support.fixtures import MakeServer
from tests.support.servers import Server

# As by rows that came in with triggers off.
VIOLATED = """
    alter table orders disable trigger all;
    insert into orders (customer_id, product_id, quantity, ordered_at) values (4711, 1, 1, now());
    alter table orders enable trigger all"""
AWAY = """
    create extension file_fdw;
    create server files foreign data wrapper file_fdw;
    create foreign table far (n int) server files options (filename '{file}');
    create materialized view near as select * from far;
    create unique index near_n on near (n)"""
# PostgreSQL 17 and later refuse such an index at the source.
PLAINLY = """
    create function helper(t text) returns text language sql immutable as 'select lower(t)';
    create function plainly(t text) returns text language sql immutable as 'select helper(t)';
    create index customers_plainly on customers (plainly(email));
    comment on index customers_plainly is 'lost with it'"""
KEY = "FK CONSTRAINT public orders orders_customer_id_fkey"


def named(done: Restore) -> set[str]:
    """The missing entries; an archive says their owner too."""
    return {each.entry.removesuffix(" postgres") for each in done.missing_entries}


def with_what_no_dump_brings_back(database: Database) -> None:
    far = database.server.folder / f"far-{database.name}"
    far.write_text("1\n2\n")
    far.chmod(0o644)
    database.execute(VIOLATED)
    database.execute(AWAY.format(file=far))
    far.unlink()


@pytest.mark.parametrize("jobs", [1, 4])
@pytest.mark.parametrize("kind", places.FORMATS)
def test_they_are_named_and_the_rest_is_there(
    kind: str, jobs: int, database: Database, tmp_path: Path
) -> None:
    with_what_no_dump_brings_back(database)
    place = places.site(tmp_path, database.server, database.name, format=kind, jobs=jobs)
    places.backup(place)
    done = places.restore(place, into=f"{database.name}_copy")
    assert done.status is Status.SUCCEEDED
    assert named(done) == {KEY, "MATERIALIZED VIEW DATA public near"}
    key, view = sorted(done.missing_entries, key=lambda each: each.entry)
    assert "violates foreign key constraint" in key.error
    assert key.statement.startswith("ALTER TABLE ONLY public.orders ADD CONSTRAINT")
    assert "could not open file" in view.error
    assert view.statement == "REFRESH MATERIALIZED VIEW public.near;"
    for question in (
        "select count(*) from orders",
        "select count(*) from pg_indexes where schemaname = 'public'",
    ):
        assert database.server.execute(question, done.target) == database.execute(question)
    database.server.execute(f'drop database "{done.target}" with (force)')


# A function that keeps everybody from everything, also what makes a view's rows.
FORBIDDING = """
    create materialized view totals as select customer_id, count(*) from orders group by 1;
    create function forbid() returns event_trigger language plpgsql as $$ begin raise 'not today'; end $$;
    create event trigger forbidding on ddl_command_start execute function forbid();
    alter event trigger forbidding enable always;
    comment on event trigger forbidding is 'by the book'"""


@pytest.mark.usefixtures("edge_server")
@pytest.mark.parametrize("kind", places.FORMATS)
def test_event_triggers_act_on_nothing_of_a_restore(kind: str, database: Database, tmp_path: Path) -> None:
    database.execute(FORBIDDING)
    place = places.site(tmp_path, database.server, database.name, format=kind, jobs=4)
    places.backup(place)
    done = places.restore(place, into=f"{database.name}_copy")
    assert named(done) == set()
    for question in (
        "select * from totals order by 1",
        "select evtname, evtenabled, obj_description(oid, 'pg_event_trigger') from pg_event_trigger",
    ):
        assert database.server.execute(question, done.target) == database.execute(question)
    database.server.execute(f'drop database "{done.target}" with (force)')


def test_a_restored_subscription_connects_to_nobody(database: Database, tmp_path: Path) -> None:
    connection = "host=127.0.0.1 port=1 dbname=publisher"
    database.execute(
        f"create subscription feed connection '{connection}' publication news with (connect = false)"
    )
    copy = f"{database.name}_copy"
    try:
        database.execute("alter subscription feed enable")
        place = places.site(tmp_path, database.server, database.name)
        places.backup(place)
        done = places.restore(place, into=copy)
        assert named(done) == set()
        enabled = "select d.datname, subenabled from pg_subscription join pg_database d on d.oid = subdbid"
        assert set(database.execute(enabled)) == {(database.name, True), (copy, False)}
    finally:
        for (name,) in database.server.execute(
            "select datname from pg_subscription join pg_database d on d.oid = subdbid"
        ):
            with database.server.connect(str(name)) as session:
                session.execute("alter subscription feed disable")
                session.execute("alter subscription feed set (slot_name = none)")
                session.execute("drop subscription feed")
        database.server.execute(f"drop database if exists {copy} with (force)")


@pytest.mark.parametrize("kind", places.FORMATS)
def test_a_label_whose_provider_is_not_here(kind: str, database: Database, tmp_path: Path) -> None:
    """What PostgreSQL only warns of, as of publications without wal_level = logical, is no missing entry."""
    database.execute(
        "insert into pg_seclabel values ('orders'::regclass, 'pg_class'::regclass, 0, 'anon', 'x')"
    )
    database.execute("comment on table orders is 'stays'; create publication everything for all tables")
    place = places.site(tmp_path, database.server, database.name, format=kind)
    places.backup(place)
    done = places.restore(place, into=f"{database.name}_copy")
    assert named(done) == {"SECURITY LABEL public TABLE orders"}
    assert 'provider "anon" is not loaded' in done.missing_entries[0].error
    for question in ("select obj_description('orders'::regclass)", "select pubname from pg_publication"):
        assert database.server.execute(question, done.target) == database.execute(question)
    database.server.execute(f'drop database "{done.target}" with (force)')


@pytest.mark.parametrize("kind", places.FORMATS)
def test_an_index_whose_function_has_unqualified_names(kind: str, pg15: Server, tmp_path: Path) -> None:
    database = databases.clone(pg15)
    database.execute(PLAINLY)
    place = places.site(tmp_path, pg15, database.name, format=kind)
    places.backup(place)
    done = places.restore(place, accept_missing=True)
    assert named(done) == {"INDEX public customers_plainly", "COMMENT public INDEX customers_plainly"}
    assert "function helper(text) does not exist" in done.missing_entries[0].error
    assert database.row_counts()["customers"] == 200
    for name in (done.replaced_database, database.name):
        pg15.execute(f'drop database "{name}" with (force)')


def test_tools_that_are_too_new_go_by_a_script(pg15: Server, pg18: Server, tmp_path: Path) -> None:
    database = databases.clone(pg15)
    with_what_no_dump_brings_back(database)
    place = Site(
        folder=tmp_path,
        server=pg15,
        plans={"shop": backups.plan(databases=[database.name])},
        server_settings={"bin_dir": str(pg18.programs.folder)},
    )
    places.backup(place)
    done = places.restore(place, accept_missing=True)
    assert named(done) == {KEY, "MATERIALIZED VIEW DATA public near"}
    for name in (done.replaced_database, database.name):
        pg15.execute(f'drop database "{name}" with (force)')


@pytest.fixture
def with_configuration(make_server: MakeServer) -> Server:
    """A server with an extension whose configuration table has a row from the start, and dumps it too."""
    server = make_server(18)
    folder = server.folder / "more"
    (folder / "extension").mkdir(parents=True)
    (folder / "extension" / "conf.control").write_text("default_version = '1'\ndirectory = 'extension'\n")
    (folder / "extension" / "conf--1.sql").write_text(
        "create table conf (n int primary key); insert into conf values (1);"
        "select pg_extension_config_dump('conf', '');"
    )
    server.execute(f"alter system set extension_control_path = '$system:{folder}'")
    server.execute("select pg_reload_conf()")
    backups.until(
        lambda: server.execute("select * from pg_available_extensions where name = 'conf'"), "the extension"
    )
    server.execute("create database shop")
    server.execute(
        """create extension conf; insert into conf values (2);
           create table plain (n int); insert into plain values (3)""",
        "shop",
    )
    return server


@pytest.mark.parametrize("kind", places.FORMATS)
def test_a_duplicate_row_of_an_extension(kind: str, with_configuration: Server, tmp_path: Path) -> None:
    place = places.site(tmp_path, with_configuration, "shop", format=kind)
    places.backup(place)
    done = places.restore(place, into="copy")
    assert named(done) == {"TABLE DATA public conf"}
    assert "duplicate key value" in done.missing_entries[0].error
    assert with_configuration.execute("select n from plain", "copy") == [(3,)]
    assert with_configuration.execute("select n from conf", "copy") == [(1,)]


@pytest.mark.parametrize("kind", places.FORMATS)
def test_errors_of_the_data_end_it(kind: str, database: Database, tmp_path: Path) -> None:
    """Rows that the table's own check refuses: with them missing it is no restore."""
    database.execute(
        """create table limits (most int); insert into limits values (10);
           create function fits(n int) returns bool language sql as 'select n <= most from limits';
           create table fitting (n int check (fits(n))); insert into fitting values (3)"""
    )
    place = places.site(tmp_path, database.server, database.name, format=kind)
    places.backup(place)
    with pytest.raises(errors.PgbackstopError, match='relation "limits" does not exist'):
        places.restore(place, accept_missing=True)
    (record,) = places.restores(place)
    assert (record.status, record.missing_entries) == (Status.FAILED, ())
    assert record.scratch_database not in places.databases(database.server)


def test_nothing_is_replaced_before_somebody_accepts(database: Database, place: Site) -> None:
    database.execute(VIOLATED)
    places.backup(place)
    database.execute("delete from orders where id > 5 and customer_id <> 4711")
    live = image.of(database.server, database.name)
    refused = place.run("restore", "--yes-replace", database.name)
    assert refused.returncode == 1
    assert "1 entry of the dump could not be restored, and nothing was replaced" in refused.stderr
    assert KEY in refused.stderr
    assert "--accept-missing" in refused.stderr
    assert image.of(database.server, database.name) == live
    (failed,) = places.restores(place)
    assert (failed.status, len(failed.missing_entries)) == (Status.FAILED, 1)
    assert failed.scratch_database not in places.databases(database.server)

    done = place.run("restore", "--yes-replace", database.name, "--accept-missing")
    assert done.returncode == errors.EntriesMissing.exit_code == 9
    assert "is restored with 1 entry missing" in done.stdout
    assert "ALTER TABLE ONLY public.orders ADD CONSTRAINT" in done.stdout
    assert database.row_counts()["orders"] == 2001


@pytest.mark.parametrize(("answer", "code"), [("y", 9), ("n", 1)])
def test_a_person_at_a_terminal_is_asked(answer: str, code: int, database: Database, place: Site) -> None:
    database.execute(VIOLATED)
    places.backup(place)
    argv = place.argv("restore", "--database", database.name)
    done = terminal.run(argv, types=f"{database.name}\n{answer}\n", env=backups.environment())
    assert done.returncode == code, done.stdout
    assert "Replace the live database by one without them?" in done.stdout
    assert bool(places.restores(place)[0].replaced_database) is (answer == "y")


def test_a_drill_succeeds_as_a_restore_would_and_tells_it(database: Database, place: Site) -> None:
    database.execute(VIOLATED)
    places.backup(place)
    done = place.run("drill", "shop", "--json")
    assert done.returncode == 0, done.stderr
    (proof,) = json.loads(done.stdout)
    (missing,) = proof["missing_entries"]
    assert missing["entry"].startswith(KEY)
    told = place.run("drill", "shop")
    assert f"NOT restored: {KEY}" in told.stdout


def test_a_table_comes_back_without_what_other_entries_lack(database: Database, place: Site) -> None:
    with_what_no_dump_brings_back(database)
    places.backup(place)
    database.execute("drop table customers cascade")
    done = places.restore(place, tables=("public.customers",))
    assert done.status is Status.SUCCEEDED
    assert done.missing_entries == ()
    assert database.row_counts()["customers"] == 200
