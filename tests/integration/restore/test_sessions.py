"""Those who work in the live database while it is restored."""

import signal
from pathlib import Path

import psutil
import pytest

from pgbackstop_catalog import errors
from pgbackstop_catalog.records.attempt import Status
from tests.integration.restore import places
from tests.support import backups
from tests.support.backups import Site
from tests.support.databases import Database
from tests.support.fixtures import MakeServer


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


def test_busy_clients_are_ended_and_let_in_again(database: Database, tmp_path: Path) -> None:
    """Ten sessions, one of them in a transaction, and one that listens for what happens."""
    gate = tmp_path / "heard"
    place = places.that_waits(gate, database)
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
