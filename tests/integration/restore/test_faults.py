"""What goes wrong before and while a database is restored: one sentence, and the live one as it was."""

import fcntl
import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from pgbackstop_catalog import atomic, codec, errors
from pgbackstop_catalog.records import Status
from pgbackstop_runner.restore import after, survey
from pgbackstop_runner.restore.choose import Wanted
from pgbackstop_runner.restore.outline import Request
from tests.integration.restore import image, places
from tests.support import backups, databases
from tests.support.backups import Site, until
from tests.support.databases import Database
from tests.support.fixtures import MakeServer
from tests.support.servers import Server

FORMATS = ("custom", "directory", "plain")


def flip(path: Path) -> None:
    """Turns one bit in the middle of a file."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0x10
    path.write_bytes(content)


def cut(path: Path) -> None:
    """Takes the last byte of a file away."""
    os.truncate(path, path.stat().st_size - 1)


@pytest.fixture
def place(database: Database, tmp_path: Path) -> Site:
    return places.site(tmp_path, database.server, database.name)


@pytest.mark.parametrize("damage", [flip, cut])
@pytest.mark.parametrize("kind", FORMATS)
def test_a_damaged_backup_is_found_out_before_anything_is_touched(
    kind: str, damage: Callable[[Path], None], database: Database, tmp_path: Path
) -> None:
    place = places.site(tmp_path, database.server, database.name, format=kind)
    made = places.backup(place)
    there = places.databases(database.server)
    for stored in made.files:
        path = place.path(made) / stored.path
        whole = path.read_bytes()
        damage(path)
        with pytest.raises(errors.PgbackstopError, match="is damaged") as caught:
            places.restore(place)
        assert stored.path in caught.value.problem
        path.write_bytes(whole)
    assert places.databases(database.server) == there
    assert places.restores(place) == []


def test_a_missing_and_an_exchanged_file_are_damage(database: Database, place: Site) -> None:
    made = places.backup(place)
    path = place.path(made) / made.files[0].path
    path.rename(path.with_name("aside"))
    with pytest.raises(errors.PgbackstopError, match="is no file"):
        places.restore(place)
    path.symlink_to(path.with_name("aside"))
    with pytest.raises(errors.PgbackstopError, match="is no file"):
        places.restore(place)


def test_a_command_to_psql_in_a_dump_is_refused(database: Database, tmp_path: Path) -> None:
    """Who can write the storage can change the checksums too; the commands of psql could run anything."""
    place = places.site(
        tmp_path, database.server, database.name, format="plain", compression={"method": "none"}
    )
    made = places.backup(place)
    stored = next(each for each in made.files if each.path.endswith(".sql") and each.path != "globals.sql")
    path = place.path(made) / stored.path
    witness = tmp_path / "witness"
    path.write_bytes(
        path.read_bytes().replace(b"\nCREATE TABLE", f"\n\\! touch {witness}\nCREATE TABLE".encode(), 1)
    )
    from pgbackstop_runner import stream  # noqa: PLC0415

    changed = tuple(stream.digest(path, each.path) if each == stored else each for each in made.files)
    place.catalog.put(made.but(files=changed))
    with pytest.raises(errors.PgbackstopError, match="command for psql"):
        places.restore(place)
    assert not witness.exists()


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


def test_rows_that_are_not_those_of_the_record_stop_the_swap(database: Database, place: Site) -> None:
    made = places.backup(place)
    counts = {**(made.row_counts or {}), "public.orders": 2001}
    place.catalog.put(made.but(row_counts=counts))
    with pytest.raises(errors.PgbackstopError, match=r"public\.orders has 2000 instead of 2001"):
        places.restore(place)
    (record,) = places.restores(place)
    assert [check.name for check in record.checks if not check.ok] == ["rows"]
    assert record.scratch_database not in places.databases(database.server)
    assert database.row_counts()["orders"] == 2000


def test_a_failed_restore_in_place_says_what_is_left(database: Database, place: Site) -> None:
    made = places.backup(place)
    place.catalog.put(made.but(row_counts={**(made.row_counts or {}), "public.orders": 2001}))
    with pytest.raises(errors.PgbackstopError, match=r"public\.orders has 2000 instead of 2001"):
        places.restore(place, in_place=True)
    (record,) = places.restores(place)
    assert f"What was restored so far is {record.scratch_database}" in record.warnings[0]
    assert record.scratch_database in places.databases(database.server)
    assert database.name not in places.databases(database.server)
    place.catalog.put(made)
    assert places.restore(place).status is Status.SUCCEEDED
    assert place.run("restore", "--clean").returncode == 0
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


@pytest.mark.parametrize("kind", FORMATS)
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
        pg15.execute(f'drop database "{name}"')


def test_a_tool_that_dies_commits_nothing(database: Database, place: Site) -> None:
    """A pg_dump that ends in the middle must not look like the end of a good script to psql."""
    places.backup(place)
    database.execute("drop table orders")
    folder = place.folder / "bin"
    folder.mkdir()
    real = database.server.programs.folder
    for tool in real.iterdir():
        (folder / tool.name).symlink_to(tool)
    (folder / "pg_dump").unlink()
    (folder / "pg_dump").write_text(
        f'#!/bin/sh\ncase "$*" in *--version*) exec {real}/pg_dump "$@";; esac\n'
        f'{real}/pg_dump "$@" | sed "/^CREATE INDEX/,\\$d"\nexit 1\n'
    )
    (folder / "pg_dump").chmod(0o755)
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


def test_prepared_transactions_are_told_before_anything_is_done(
    make_server: MakeServer, tmp_path: Path
) -> None:
    server = make_server(17, settings={"max_prepared_transactions": "2"})
    server.execute("create database shop")
    place = places.site(tmp_path, server, "shop")
    places.backup(place)
    server.execute("begin; create table t (n int); prepare transaction 'waiting'", "shop")
    with pytest.raises(errors.ValidationError, match="1 prepared transactions"):
        places.restore(place)


def test_a_connection_that_does_not_end_leaves_the_live_database_open(
    database: Database, place: Site
) -> None:
    places.backup(place)
    database.execute("delete from orders")
    with database.connect() as stubborn:
        pid = stubborn.info.backend_pid
        psutil.Process(pid).send_signal(signal.SIGSTOP)
        try:
            with pytest.raises(errors.PgbackstopError, match=f"does not end within .*process {pid}"):
                places.restore(place, fence_timeout=1.0)
            assert database.execute("select count(*) from orders") == [(0,)]
        finally:
            psutil.Process(pid).send_signal(signal.SIGCONT)
    (record,) = places.restores(place)
    assert (record.status, record.replaced_database) == (Status.FAILED, "")
    place.run("restore", "--clean")
    assert record.scratch_database not in places.databases(database.server)


def waits_for(gate: Path, database: Database) -> Site:
    """A site whose application does not stop before that file is there."""
    script = f"while [ ! -e {gate} ]; do sleep 0.05; done"
    hooks = {"application": {"stop": {"command": ["sh", "-c", script], "timeout": "60s"}}}
    return Site(
        folder=gate.parent,
        server=database.server,
        plans={"shop": backups.plan(databases=[database.name])},
        server_settings=hooks,
    )


def test_busy_clients_are_ended_and_let_in_again(database: Database, tmp_path: Path) -> None:
    """Ten sessions, one of them in a transaction, and one that listens for what happens."""
    gate = tmp_path / "heard"
    place = waits_for(gate, database)
    places.backup(place)
    sessions = [database.connect() for _ in range(10)]
    sessions[0].execute("begin; lock table orders in access exclusive mode")
    sessions[1].execute("listen pgbackstop")
    with place.start("restore", "--yes-replace", database.name) as running:
        heard = [note.payload for note in sessions[1].notifies(timeout=backups.PATIENCE, stop_after=1)]
        gate.touch()
        assert running.wait(backups.PATIENCE) == 0
    assert "restore starts" in heard[0]
    for session in sessions:
        session.close()
    assert database.row_counts()["orders"] == 2000


def test_a_backup_in_use_is_leased(database: Database, tmp_path: Path) -> None:
    """Fault 21: nobody may expire what is being restored."""
    gate = tmp_path / "gate"
    place = waits_for(gate, database)
    made = places.backup(place)
    lease = place.catalog.root / "locks" / f"lease-{made.id}.lock"
    with place.start("restore", "--yes-replace", database.name) as running:
        until(lambda: any(each.step == "stop" for each in places.restores(place)), "the stop hook")
        with lease.open("r+b") as file, pytest.raises(BlockingIOError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        second = place.run("restore", "--yes-replace", database.name)
        assert second.returncode == errors.Busy.exit_code, second.stderr
        gate.touch()
        assert running.wait(timeout=60) == 0


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
def test_a_full_disk_leaves_the_live_database_and_its_room(
    small_disk: Path, private_server: Server, tmp_path: Path
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
        places.restore(place)
    assert "--in-place" in caught.value.remedy
    (record,) = places.restores(place)
    assert record.reason == "space"
    assert places.databases(private_server) == {"shop"}
    assert private_server.execute("select count(*) from big", "shop") == [(20000,)]

    done = places.restore(place, in_place=True)

    assert done.status is Status.SUCCEEDED
    assert private_server.execute("select count(*) from big", "shop") == [(20000,)]
    assert places.databases(private_server) == {"shop"}


def test_a_record_of_a_dead_process_is_closed_with_what_to_do(database: Database, place: Site) -> None:
    places.backup(place)
    done = places.restore(place)
    dead = done.but(status="running", finished_at=None, step="restore", replaced_database="", checks=())
    path = place.catalog.path(dead)
    atomic.write(path, codec.encode(dead))
    told = place.run("restore", "--clean")
    assert told.returncode == 0, told.stderr
    assert "was not touched" in told.stderr
    assert places.restores(place)[0].status is Status.INTERRUPTED


def test_what_was_decided_on_an_old_record_is_decided_again(database: Database, place: Site) -> None:
    """Two people have read the same record; the second one types the name after the first is done."""
    places.backup(place)
    done = places.restore(place)
    undone = after.undo(place.workspace, done, timeout=30)
    with pytest.raises(errors.ValidationError, match="undone already"):
        after.drop_old(place.workspace, done)
    with pytest.raises(errors.ValidationError, match="undone already"):
        after.undo(place.workspace, done, timeout=30)
    (record,) = places.restores(place)
    assert (record.undone_database, record.dropped_at) == (undone.undone_database, None)
    database.server.execute(f'drop database "{undone.undone_database}"')


def test_what_somebody_else_dropped_is_not_said_to_be_dropped(database: Database, place: Site) -> None:
    places.backup(place)
    done = places.restore(place)
    database.server.execute(f'drop database "{done.replaced_database}"')
    refused = place.run("restore", "--drop-old", done.id, "--yes-replace", done.replaced_database)
    assert refused.returncode == errors.ValidationError.exit_code
    assert "is not on the server any more" in refused.stderr
    assert "is dropped" not in refused.stdout
    assert places.restores(place)[0].dropped_at is None


def test_what_was_asked_for_must_be_one_thing(database: Database, place: Site) -> None:
    places.backup(place)
    with pytest.raises(errors.NotFound, match="no logical backup"):
        survey.draw(place.workspace, Request(wanted=Wanted(database="elsewhere")))
    with pytest.raises(errors.NotFound, match="no backup '2031'"):
        survey.draw(place.workspace, Request(wanted=Wanted(backup="2031")))
    with pytest.raises(errors.ValidationError, match="There is a database 'postgres' already"):
        places.restore(place, into="postgres")
