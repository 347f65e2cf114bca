"""What goes wrong before and while a database is restored: one sentence, and the live one as it was."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from pgbackstop_catalog import errors
from pgbackstop_catalog.records.attempt import Status
from pgbackstop_runner.restore.select_backup import BackupQuery
from tests.integration.restore import image, places
from tests.support import backups, binaries, databases
from tests.support.backups import Site, until
from tests.support.databases import Database
from tests.support.fixtures import MakeServer
from tests.support.servers import Server


def test_errors_of_the_restore_are_not_passed_over(database: Database, place: Site) -> None:
    """Fault 3: a table whose check cannot be evaluated without the search path of its owner."""
    database.execute(
        """create table limits (most int); insert into limits values (10);
           create function fits(n int) returns bool language sql as 'select n <= most from limits';
           create table fitting (n int check (fits(n))); insert into fitting values (3)"""
    )
    before = image.of(database.server, database.name)
    places.backup(place)
    with pytest.raises(errors.PgbackstopError, match='relation "limits" does not exist'):
        places.restore(place)
    (record,) = places.restores(place)
    assert (record.status, record.replaced_database) == (Status.FAILED, "")
    assert "limits" in record.message
    assert image.of(database.server, database.name) == before
    assert record.scratch_database not in places.databases(database.server)


def test_an_assertion_of_the_plan_stops_the_swap(database: Database, tmp_path: Path) -> None:
    asked = [
        {"name": "orders exist", "sql": "select count(*) > 0 from public.orders"},
        {"name": "nobody is unnamed", "sql": "select count(*) = 17 from public.customers"},
        {"name": "it changes nothing", "sql": "delete from public.orders returning true"},
    ]
    place = places.site(tmp_path, database.server, database.name, assertions=asked)
    places.backup(place)
    with pytest.raises(errors.PgbackstopError, match="nobody is unnamed"):
        places.restore(place)
    (record,) = places.restores(place)
    verdicts = {check.name: check.ok for check in record.checks}
    assert verdicts["orders exist"]
    assert not verdicts["nobody is unnamed"]
    assert not verdicts["it changes nothing"]


def test_an_unreachable_server_is_one_sentence(private_server: Server, tmp_path: Path) -> None:
    private_server.execute("create database shop")
    place = places.site(tmp_path, private_server, "shop")
    places.backup(place)
    private_server.stop()
    with pytest.raises(errors.ServerUnreachable, match="Nothing answers"):
        places.restore(place)


def test_an_older_server_is_refused(pg15: Server, database: Database, tmp_path: Path) -> None:
    """Fault 25: a dump of 17 would restore into 15 with errors."""
    place = places.site(tmp_path, database.server, database.name)
    places.backup(place)
    older = Site(folder=tmp_path, server=pg15, plans=place.plans)
    with pytest.raises(errors.ValidationError, match="backup is of PostgreSQL 17; the server is 15"):
        places.restore(older)


@pytest.mark.parametrize("kind", places.FORMATS)
def test_newer_tools_restore_into_an_older_server(
    kind: str, pg15: Server, pg18: Server, tmp_path: Path
) -> None:
    """Fault 25, the other way: tools of 17 and later set a parameter that 16 and older refuse."""
    database = databases.clone(pg15)
    place = Site(
        folder=tmp_path,
        server=pg15,
        plans={"shop": backups.plan(databases=[database.name], format=kind)},
        server_settings={"bin_dir": str(pg18.programs.folder)},
    )
    places.backup(place)
    before = image.of(pg15, database.name)
    database.execute("drop table orders")
    places.restore(place, tables=("public.orders",))
    assert image.of(pg15, database.name) == before
    database.execute("drop table orders")
    done = places.restore(place)
    assert image.of(pg15, database.name) == before
    for name in (done.replaced_database, database.name):
        pg15.execute(f'drop database "{name}" with (force)')


def test_a_tool_that_dies_commits_nothing(database: Database, place: Site) -> None:
    """A pg_dump that ends in the middle must not look like the end of a good script to psql."""
    places.backup(place)
    database.execute("drop table orders")
    programs = database.server.programs
    real = programs.tool("pg_dump")
    script = (
        f'case "$*" in *--version*) exec {real} "$@";; esac\n{real} "$@" | sed "/^CREATE INDEX/,\\$d"\nexit 1'
    )
    folder = binaries.with_script(programs, place.folder / "bin", "pg_dump", script)
    half = Site(
        folder=place.folder,
        server=database.server,
        plans=place.plans,
        server_settings={"bin_dir": str(folder)},
    )
    with pytest.raises(errors.PgbackstopError, match="pg_dump ended with exit status 1"):
        places.restore(half, tables=("public.orders",))
    assert database.execute("select to_regclass('orders')") == [(None,)]


def test_another_server_must_be_confirmed_as_such(
    make_server: MakeServer, database: Database, tmp_path: Path
) -> None:
    """Fault 18: the same name and port, and yet another server."""
    place = places.site(tmp_path, database.server, database.name)
    places.backup(place)
    other = make_server(17)
    other.execute(f"create database {database.name}")
    moved = Site(folder=tmp_path, server=other, plans=place.plans)
    identity = str(other.execute("select system_identifier from pg_control_system()")[0][0])

    refused = moved.run("restore", "--yes-replace", database.name)
    assert refused.returncode == errors.ConfigError.exit_code
    assert f"{database.name} on server {identity}" in refused.stderr
    assert other.execute("select count(*) from pg_class where relname = 'orders'", database.name) == [(0,)]

    done = moved.run("restore", "--yes-replace", f"{database.name} on server {identity}")
    assert done.returncode == 0, done.stderr
    assert other.execute("select count(*) from orders", database.name) == [(2000,)]


def test_missing_roles_are_named_and_restored_on_request(make_server: MakeServer, tmp_path: Path) -> None:
    first, second = make_server(17), make_server(17)
    first.execute("create role owning; create role \"We Ird\" login password 'x' connection limit 3")
    first.execute('create role existing connection limit 5; grant owning to "We Ird"')
    first.execute("create database shop owner owning")
    first.execute('create table t (n int); grant select on t to "We Ird", existing', "shop")
    second.execute("create role existing connection limit 6")
    place = places.site(tmp_path, first, "shop")
    places.backup(place)
    moved = Site(folder=tmp_path, server=second, plans=place.plans)
    with pytest.raises(errors.ValidationError, match="role We Ird, owning") as caught:
        places.restore(moved)
    assert "--globals" in caught.value.remedy

    places.restore(moved, roles=True)

    limits = second.execute("select rolname, rolconnlimit from pg_roles where rolconnlimit <> -1 order by 1")
    assert limits == [("We Ird", 3), ("existing", 6)]
    member = (
        """select pg_has_role('We Ird', 'owning', 'member'), has_table_privilege('We Ird', 't', 'select')"""
    )
    assert second.execute(member, "shop") == [(True, True)]


def test_a_missing_extension_is_named(make_server: MakeServer, tmp_path: Path) -> None:
    """Since 18 extensions may lie in any folder: https://www.postgresql.org/docs/18/runtime-config-client.html"""
    server = make_server(18)
    folder = server.folder / "more"
    (folder / "extension").mkdir(parents=True)
    control = folder / "extension" / "gone.control"
    control.write_text("default_version = '1'\ndirectory = 'extension'\n")
    (folder / "extension" / "gone--1.sql").write_text("create function gone() returns int return 1;")
    server.execute(f"alter system set extension_control_path = '$system:{folder}'")
    server.execute("select pg_reload_conf()")
    server.execute("create database shop")
    until(
        lambda: server.execute("select * from pg_available_extensions where name = 'gone'"), "the extension"
    )
    server.execute("create extension gone", "shop")
    place = places.site(tmp_path, server, "shop")
    places.backup(place)
    shutil.rmtree(folder)
    with pytest.raises(errors.ValidationError, match="does not have the extension gone"):
        places.restore(place)


@pytest.fixture
def small_disk(tmp_path: Path, private_server: Server) -> Iterator[Path]:
    """A file system of 40 MB that the server may write to."""
    folder = private_server.folder / "small"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=40m", "tmpfs", folder], check=True)
    try:
        shutil.chown(folder, private_server.data.stat().st_uid, private_server.data.stat().st_gid)
        folder.chmod(0o700)
        yield folder
    finally:
        private_server.stop()
        subprocess.run(["umount", "--lazy", folder], check=True)


@pytest.mark.root
@pytest.mark.parametrize("in_place", [False, True])
def test_a_full_disk_leaves_the_live_database_and_its_room(
    in_place: bool, small_disk: Path, private_server: Server, tmp_path: Path
) -> None:
    private_server.execute(f"create tablespace small location '{small_disk}'")
    private_server.execute("create database shop tablespace small")
    private_server.execute(
        "create table big as select n, repeat(md5(n::text), 30) as filling from generate_series(1, 20000) n",
        "shop",
    )
    place = places.site(tmp_path, private_server, "shop")
    places.backup(place)
    with pytest.raises(errors.PgbackstopError, match="No space left on device") as caught:
        places.restore(place, in_place=in_place)
    assert "restore into another server" in caught.value.remedy
    (record,) = places.restores(place)
    assert record.reason == "space"
    assert places.databases(private_server) == {"shop"}
    assert private_server.execute("select count(*) from big", "shop") == [(20000,)]


def test_what_was_asked_for_must_be_one_thing(database: Database, place: Site) -> None:
    places.backup(place)
    with pytest.raises(errors.NotFound, match="no logical backup"):
        places.lines(place, wanted=BackupQuery(database="elsewhere"))
    with pytest.raises(errors.NotFound, match="no backup '2031'"):
        places.lines(place, wanted=BackupQuery(backup="2031"))
    with pytest.raises(errors.ValidationError, match="There is a database 'postgres' already"):
        places.restore(place, into="postgres")
