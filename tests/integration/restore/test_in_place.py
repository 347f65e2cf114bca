"""--in-place drops the old database when the restored one is checked and live, and never before."""

from pathlib import Path

import pytest

from pgbackstop_catalog import errors
from pgbackstop_catalog.records.attempt import Status
from pgbackstop_runner.restore import planning, run
from pgbackstop_runner.restore.plan import RestoreRequest
from pgbackstop_runner.restore.select_backup import BackupQuery
from pgbackstop_runner.restore.without import Without
from tests.integration.restore import image, places
from tests.support import backups
from tests.support.backups import Site
from tests.support.databases import Database
from tests.support.fixtures import MakeServer
from tests.support.servers import Server

# Stands for pg_cron, which no other database than that of its setting takes.
BOUND = """
    do $$ begin
      if current_database() <> current_setting('cron.database_name') then
        raise 'can only create extension in database %', current_setting('cron.database_name');
      end if;
    end $$;
    create schema cron;
    create sequence cron.jobid_seq;
    create table cron.job (jobid int primary key default nextval('cron.jobid_seq'), command text not null);
    select pg_extension_config_dump('cron.job', '');
    select pg_extension_config_dump('cron.jobid_seq', '');
"""


def test_a_restore_that_fails_leaves_the_live_database(database: Database, place: Site) -> None:
    made = places.backup(place)
    live = image.of(database.server, database.name)
    place.catalog.put(made.evolve(row_counts={**(made.row_counts or {}), "public.orders": 2001}))
    with pytest.raises(errors.PgbackstopError, match=r"public\.orders has 2000 instead of 2001"):
        places.restore(place, in_place=True)
    assert image.of(database.server, database.name) == live
    place.catalog.put(made)
    done = places.restore(place, in_place=True)
    assert (done.status, done.is_undoable) == (Status.SUCCEEDED, False)
    assert done.dropped_at is not None
    assert done.replaced_database not in places.databases(database.server)
    refused = place.run("restore", "--undo", done.id, "--yes-replace", database.name)
    assert refused.returncode == errors.ValidationError.exit_code
    assert "the old database was dropped" in refused.stderr


@pytest.fixture
def bound(make_server: MakeServer, tmp_path: Path) -> Server:
    """A server whose database "shop" has an extension that is bound to this name."""
    server = make_server(18, settings={"cron.database_name": "shop"})
    folder = server.folder / "more"
    (folder / "extension").mkdir(parents=True)
    control = "default_version = '1'\ndirectory = 'extension'\n"
    (folder / "extension" / "pg_cron.control").write_text(control)
    (folder / "extension" / "pg_cron--1.sql").write_text(BOUND)
    server.execute(f"alter system set extension_control_path = '$system:{folder}'")
    server.execute("select pg_reload_conf()")
    backups.until(
        lambda: server.execute("select * from pg_available_extensions where name = 'pg_cron'"),
        "the extension",
    )
    server.execute("create database shop")
    server.execute(
        "create extension pg_cron; insert into cron.job (command) values ('vacuum');"
        "grant usage on schema cron to public; grant select on cron.job to public;"
        "create table goods (n int primary key); insert into goods values (1), (2)",
        "shop",
    )
    return server


@pytest.fixture
def shop(bound: Server, tmp_path: Path) -> Site:
    place = places.site(tmp_path, bound, "shop")
    places.backup(place)
    bound.execute("delete from goods where n = 1", "shop")
    return place


def goods(server: Server, database: str = "shop") -> list[tuple[object, ...]]:
    return server.execute("select n from goods order by 1", database)


def test_an_extension_that_is_bound_to_the_name_is_found_before(bound: Server, shop: Site) -> None:
    with pytest.raises(errors.ValidationError, match="only in a database that is called 'shop'") as caught:
        places.restore(shop)
    assert "--in-place" in caught.value.remedy
    with pytest.raises(errors.ValidationError, match="only in the database 'shop' of this server"):
        places.restore(shop, into="elsewhere")
    assert places.restores(shop) == []
    assert places.databases(bound) == {"shop"}


def test_it_is_filled_under_its_name(bound: Server, shop: Site) -> None:
    told = dict(places.lines(shop, in_place=True))
    assert "filled under its name, as pg_cron needs it" in told["into"]
    done = places.restore(shop, in_place=True)
    assert (done.status, done.missing_entries) == (Status.SUCCEEDED, ())
    assert goods(bound) == [(1,), (2,)]
    assert bound.execute("select command from cron.job", "shop") == [("vacuum",)]
    assert bound.execute("select datconnlimit from pg_database where datname = 'shop'") == [(-1,)]
    assert places.databases(bound) == {"shop"}
    bound.execute("drop database shop with (force)")
    assert places.restore(shop).status is Status.SUCCEEDED
    assert goods(bound) == [(1,), (2,)]


@pytest.mark.parametrize("kind", places.FORMATS)
def test_it_can_be_left_out(kind: str, bound: Server, tmp_path: Path) -> None:
    """Under another name, in the place of the live one, and for one table."""
    place = places.site(tmp_path, bound, "shop", format=kind)
    places.backup(place)
    without = Without.of(["pg_cron"])
    told = dict(places.lines(place, into="elsewhere", without=without))
    assert told["without"] == "the extension pg_cron, and all that the schema cron holds"
    done = places.restore(place, into="elsewhere", without=without)
    assert (done.status, done.missing_entries) == (Status.SUCCEEDED, ())
    assert any("Restored without the extension pg_cron" in each for each in done.warnings)
    assert goods(bound, "elsewhere") == [(1,), (2,)]
    assert bound.execute("select to_regnamespace('cron')", "elsewhere") == [(None,)]
    bound.execute("drop table goods", "shop")
    assert places.restore(place, tables=("public.goods",), without=without).status is Status.SUCCEEDED
    assert goods(bound) == [(1,), (2,)]
    assert bound.execute("select command from cron.job", "shop") == [("vacuum",)]
    assert places.restore(place, without=without).is_undoable
    assert bound.execute("select to_regnamespace('cron')", "shop") == [(None,)]


def test_what_cannot_be_without_it_is_found_before(bound: Server, shop: Site) -> None:
    bound.execute("create view jobs as select * from cron.job", "shop")
    places.backup(shop)
    with pytest.raises(errors.ValidationError, match=r"view public\.jobs of the dump needs it"):
        places.restore(shop, into="elsewhere", without=Without.of(["pg_cron"]))
    with pytest.raises(errors.ValidationError, match="no extension 'postgis' to be left out"):
        places.restore(shop, in_place=True, without=Without.of(["postgis"]))
    assert places.restores(shop) == []
    refused = shop.run("restore", "--into", "elsewhere", "--without-extension", "pg_cron")
    assert refused.returncode == errors.ValidationError.exit_code, refused.stderr


def test_the_live_one_gets_its_name_back(bound: Server, shop: Site) -> None:
    made = shop.newest()
    shop.catalog.put(made.evolve(row_counts={**(made.row_counts or {}), "public.goods": 3}))
    with pytest.raises(errors.PgbackstopError, match=r"public\.goods has 2 instead of 3"):
        places.restore(shop, in_place=True)
    assert goods(bound) == [(2,)]
    assert places.databases(bound) == {"shop"}
    assert places.restores(shop)[0].is_undoable is False


def test_a_database_that_somebody_made_meanwhile_is_not_dropped(bound: Server, shop: Site) -> None:
    """While somebody reads the plan, which says that nothing has the name."""
    bound.execute("drop database shop with (force)")
    with planning.plan_restore(shop.workspace, RestoreRequest(wanted=BackupQuery())) as drawn:
        bound.execute("create database shop")
        bound.execute("create table theirs (); insert into theirs default values", "shop")
        with pytest.raises(errors.PgbackstopError, match="already exists"):
            run.run(shop.workspace, drawn)
    assert bound.execute("select count(*) from theirs", "shop") == [(1,)]
    assert places.databases(bound) == {"shop"}


@pytest.mark.parametrize("moment", ['event="put aside"', "event=create", "event=restore ", "event=validate"])
def test_who_kills_it_leaves_the_live_one_whole(
    moment: str, bound: Server, shop: Site, tmp_path: Path
) -> None:
    gate = tmp_path / "killed"  # until then it cannot come to its end
    wait = {"command": ["sh", "-c", f"while [ ! -e {gate} ]; do sleep 0.05; done"], "timeout": "600s"}
    shop.server_settings = {"application": {"start": wait}}
    shop.write()
    places.kill_at(shop, moment, gate, "--in-place", "--yes-replace", "shop")
    (record,) = places.restores(shop)
    assert (record.status, record.drop_began_at) == (Status.RUNNING, None)
    closed = f"select not datallowconn from pg_database where datname = '{record.replaced_database}'"
    assert bound.execute(closed) == [(True,)]
    undone = shop.run("restore", "--undo", record.id, "--yes-replace", "shop")
    assert undone.returncode == 0, undone.stderr
    assert "'restore --undo' puts the old database back" in undone.stderr or "goes back" in undone.stderr
    assert goods(bound) == [(2,)]


def test_who_kills_it_where_nothing_had_the_name_is_told_so(
    bound: Server, shop: Site, tmp_path: Path
) -> None:
    """It is not said to be untouched, and --clean drops nothing that has the name of a live database."""
    bound.execute("drop database shop with (force)")
    gate = tmp_path / "killed"
    wait = {"command": ["sh", "-c", f"while [ ! -e {gate} ]; do sleep 0.05; done"], "timeout": "600s"}
    shop.server_settings = {"application": {"start": wait}}
    shop.write()
    places.kill_at(shop, "event=create", gate)
    told = shop.run("restore", "--clean")
    assert told.returncode == 0, told.stderr
    assert "What there is of shop is not whole: drop it, and restore again." in told.stderr
    assert places.databases(bound) == {"shop"}
