"""What a record says, when somebody else has done something since."""

import fcntl
import os
import signal
from pathlib import Path

import pytest

from pgbackstop_catalog import errors
from pgbackstop_catalog.model import utc_now
from pgbackstop_catalog.records import codec
from pgbackstop_catalog.records.attempt import Status
from pgbackstop_catalog.store import atomic
from pgbackstop_runner.restore import old_database, target_database, undo
from tests.integration.restore import places
from tests.support import backups
from tests.support.backups import Site, until
from tests.support.databases import Database
from tests.support.servers import Server


def test_a_backup_in_use_is_leased(database: Database, tmp_path: Path) -> None:
    """Fault 21: nobody may expire what is being restored."""
    gate = tmp_path / "gate"
    place = places.that_waits(gate, database)
    made = places.backup(place)
    lease = place.catalog.root / "locks" / f"lease-{made.id}.lock"
    with place.start("restore", "--yes-replace", database.name) as running:
        until(lambda: any(each.step == "stop" for each in places.restores(place)), "the stop hook")
        with lease.open("r+b") as file, pytest.raises(BlockingIOError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        second = place.run("restore", "--yes-replace", database.name)
        assert second.returncode == errors.Busy.exit_code, second.stderr
        gate.touch()
        assert running.wait(backups.PATIENCE) == 0


def test_a_record_of_a_dead_process_is_closed_with_what_to_do(database: Database, place: Site) -> None:
    places.backup(place)
    done = places.restore(place)
    dead = done.evolve(status="running", finished_at=None, step="restore", replaced_database="", checks=())
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
    undone = undo.undo(place.workspace, done, timeout=60)
    with pytest.raises(errors.ValidationError, match="undone already"):
        undo.drop_old(place.workspace, done)
    with pytest.raises(errors.ValidationError, match="undone already"):
        undo.undo(place.workspace, done, timeout=60)
    (record,) = places.restores(place)
    assert (record.undone_database, record.dropped_at) == (undone.undone_database, None)
    database.server.execute(f'drop database "{undone.undone_database}" with (force)')


def test_what_somebody_else_dropped_is_not_said_to_be_dropped(database: Database, place: Site) -> None:
    places.backup(place)
    done = places.restore(place)
    database.server.execute(f'drop database "{done.replaced_database}" with (force)')
    refused = place.run("restore", "--drop-old", done.id, "--yes-replace", done.replaced_database)
    assert refused.returncode == errors.ValidationError.exit_code
    assert "is not on the server any more" in refused.stderr
    assert "is dropped" not in refused.stdout
    assert places.restores(place)[0].dropped_at is None


@pytest.mark.parametrize("drop", [True, False])
def test_a_drop_that_was_killed_comes_true(drop: bool, database: Database, place: Site) -> None:
    """The intention is on record before the deed; the server says what came of it."""
    places.backup(place)
    done = places.restore(place)
    place.catalog.put(done.evolve(drop_began_at=utc_now()))
    if drop:
        database.server.execute(f'drop database "{done.replaced_database}" with (force)')
    told = place.run("restore", "--clean")
    assert told.returncode == 0, told.stderr
    (record,) = places.restores(place)
    assert (record.dropped_at is not None, record.is_undoable) == (drop, not drop)
    refused = place.run("restore", "--undo", done.id, "--yes-replace", database.name)
    assert refused.returncode == (errors.ValidationError.exit_code if drop else 0)


@pytest.mark.parametrize("swapped", [True, False])
def test_an_undo_that_was_killed_comes_true(swapped: bool, database: Database, place: Site) -> None:
    places.backup(place)
    done = places.restore(place)
    aside = target_database.name_beside(done.target, "undone", done.short_id)
    place.catalog.put(done.evolve(undone_database=aside))
    if swapped:
        database.server.execute(f'alter database "{done.target}" rename to "{aside}"')
        database.server.execute(f'alter database "{done.replaced_database}" rename to "{done.target}"')
    told = place.run("restore", "--clean")
    assert told.returncode == 0, told.stderr
    (record,) = places.restores(place)
    assert (record.undone_at is not None, record.is_undoable) == (swapped, not swapped)
    assert record.undone_database == (aside if swapped else "")


def test_a_drop_that_postgresql_had_begun_is_ended(database: Database, place: Site) -> None:
    """It was asked for, that is on record, and PostgreSQL lets nothing else be done with what is left."""
    places.backup(place)
    done = places.restore(place)
    old = done.replaced_database
    place.catalog.put(done.evolve(drop_began_at=utc_now()))
    database.server.execute(f"update pg_database set datconnlimit = -2 where datname = '{old}'")
    refused = place.run("restore", "--undo", done.id, "--yes-replace", database.name)
    assert refused.returncode == errors.ValidationError.exit_code
    assert "the old database was dropped" in backups.sentence(refused)
    assert old not in places.databases(database.server)
    assert places.restores(place)[0].dropped_at is not None


def test_a_drop_that_failed_is_settled_later(database: Database, place: Site) -> None:
    """It may go on in the server, so that what is there now says nothing."""
    places.backup(place)
    begun = places.restore(place).evolve(drop_began_at=utc_now())
    server = place.workspace.server(begun.server).for_restores()
    assert old_database.exchanged(server, begun).is_unsettled
    assert not old_database.settled(server, begun).is_unsettled


def test_what_is_half_dropped_is_no_way_back(database: Database, place: Site) -> None:
    """What a DROP DATABASE that was interrupted leaves, of somebody else: PostgreSQL marks it as invalid."""
    places.backup(place)
    done = places.restore(place)
    old = done.replaced_database
    database.server.execute(f"update pg_database set datconnlimit = -2 where datname = '{old}'")
    refused = place.run("restore", "--undo", done.id, "--yes-replace", database.name)
    assert refused.returncode == errors.ValidationError.exit_code
    assert "is half dropped" in backups.sentence(refused)
    dropped = place.run("restore", "--drop-old", done.id, "--yes-replace", old)
    assert dropped.returncode == 0, dropped.stderr
    assert old not in places.databases(database.server)
    assert places.restores(place)[0].dropped_at is not None


def test_an_undo_whose_start_hook_is_killed_is_on_record(database: Database, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    wait = {"command": ["sh", "-c", f"while [ ! -e {gate} ]; do sleep 0.05; done"], "timeout": "600s"}
    place = places.site(tmp_path, database.server, database.name)
    places.backup(place)
    done = places.restore(place)
    place.server_settings = {"application": {"start": wait}}
    place.write()
    with place.start("restore", "--undo", done.id, "--yes-replace", database.name) as running:
        until(lambda: any(each.step == "start" for each in places.restores(place)), "the start hook")
        running.kill()
        gate.touch()
    assert place.run("restore", "--clean").returncode == 0
    (record,) = places.restores(place)
    assert record.undone_at is not None
    assert not record.is_undoable


def test_postgresql_that_goes_away_under_a_drop(private_server: Server, tmp_path: Path) -> None:
    """DROP DATABASE waits until every process of the server has noticed; one that is frozen does not."""
    private_server.execute("create database shop")
    place = places.site(tmp_path, private_server, "shop")
    places.backup(place)
    done = places.restore(place)
    drop = ("restore", "--drop-old", done.id, "--yes-replace", done.replaced_database)
    half = f"select datconnlimit from pg_database where datname = '{done.replaced_database}'"
    with private_server.connect() as idle:
        os.kill(idle.info.backend_pid, signal.SIGSTOP)
        with place.start(*drop) as running:
            until(lambda: private_server.execute(half) == [(-2,)], "the drop")
            private_server.execute("select pg_switch_wal()")  # what is committed so far is on the disk
            private_server.kill()
            _said, words = running.communicate(timeout=backups.PATIENCE)
    assert running.returncode == errors.ServerUnreachable.exit_code, words
    assert "The connection to PostgreSQL was lost" in words
    private_server.start()
    refused = place.run("restore", "--undo", done.id, "--yes-replace", "shop")
    assert refused.returncode == errors.ValidationError.exit_code, refused.stderr
    assert "the old database was dropped" in backups.sentence(refused)
    assert places.databases(private_server) == {"shop"}


def test_postgresql_that_goes_away_before_an_exchange(private_server: Server, tmp_path: Path) -> None:
    """Nobody can say then whether the databases were exchanged; once the server is back, it says so."""
    private_server.execute("create database shop")
    place = places.site(tmp_path, private_server, "shop")
    places.backup(place)
    away = {"command": ["sh", "-c", f"kill -QUIT $(head -1 {private_server.data}/postmaster.pid)"]}
    place.server_settings = {"application": {"stop": away}}
    place.write()
    failed = place.run("restore", "--yes-replace", "shop")
    assert failed.returncode == errors.ServerUnreachable.exit_code, failed.stderr
    (record,) = places.restores(place)
    assert (record.status, record.is_unsettled) == (Status.FAILED, True)
    private_server.start()
    place.server_settings = {}
    place.write()
    told = place.run("restore", "--clean")
    assert told.returncode == 0, told.stderr
    (record,) = places.restores(place)
    assert (record.is_unsettled, record.is_undoable, record.replaced_database) == (False, False, "")
    assert places.databases(private_server) == {"shop"}
