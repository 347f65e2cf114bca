"""WAL in further storages: what they reach, and nothing where none was asked for."""

from dataclasses import replace
from pathlib import Path

from pgbackstop_catalog.config.server import Server, Wal
from pgbackstop_exporter.snapshot import Snapshot
from tests.unit.exporter import filled
from tests.unit.exporter.pages_of import UNIX, value, value_at, values

WHERE = {"server": "main", "storage": "offsite"}


def known(snapshot: Snapshot, **changes: object) -> Snapshot:
    assert snapshot.catalog is not None
    (state,) = snapshot.catalog.wal_copies.values()
    copies = {("main", "offsite"): state.evolve(**changes)}
    return replace(snapshot, catalog=replace(snapshot.catalog, wal_copies=copies))


def test_to_which_second_when_this_host_is_lost(tmp_path: Path) -> None:
    found = filled.snapshot(tmp_path)
    assert value(found, "backup_wal_copy_latest_recoverable_timestamp_seconds", **WHERE) == UNIX
    assert value(found, "backup_wal_copy_earliest_recoverable_timestamp_seconds", **WHERE) == UNIX - 7200
    assert value_at(UNIX + 9, found, "backup_wal_copy_lag_seconds", **WHERE) == 9.0
    assert value(found, "backup_wal_copy_up", **WHERE) == 1.0


def test_a_storage_that_is_down_keeps_its_moment(tmp_path: Path) -> None:
    found = known(filled.snapshot(tmp_path), status="down", message="no answer")
    assert value(found, "backup_wal_copy_up", **WHERE) == 0.0
    assert value(found, "backup_wal_copy_latest_recoverable_timestamp_seconds", **WHERE) == UNIX


def test_a_copier_that_never_ran_has_nothing_there(tmp_path: Path) -> None:
    found = filled.snapshot(tmp_path)
    assert found.catalog is not None
    bare = replace(found, catalog=replace(found.catalog, wal_copies={}))
    assert value(bare, "backup_wal_copy_up", **WHERE) == 0.0
    assert value(bare, "backup_wal_copy_latest_recoverable_timestamp_seconds", **WHERE) == 0.0
    assert values(bare, "backup_wal_copy_lag_seconds") == []


def test_a_storage_without_a_backup_has_no_moment(tmp_path: Path) -> None:
    found = known(filled.snapshot(tmp_path), status="waiting", recoverable_until=None, windows=())
    assert value(found, "backup_wal_copy_up", **WHERE) == 1.0
    assert value(found, "backup_wal_copy_latest_recoverable_timestamp_seconds", **WHERE) == 0.0


def test_what_waits_here_and_what_was_given_up(tmp_path: Path) -> None:
    found = filled.snapshot(tmp_path)
    assert value(found, "backup_wal_copy_held_segments", **WHERE) == 5
    assert value(found, "backup_wal_copy_given_up_timestamp_seconds", **WHERE) == UNIX
    assert found.catalog is not None
    bare = replace(found, catalog=replace(found.catalog, wal_holds={}))
    assert value(bare, "backup_wal_copy_held_segments", **WHERE) == 0
    assert value(bare, "backup_wal_copy_given_up_timestamp_seconds", **WHERE) == 0


def test_when_it_was_read_back_and_what_was_found(tmp_path: Path) -> None:
    found = filled.snapshot(tmp_path)
    assert value(found, "backup_wal_copy_damaged_segments", **WHERE) == 1
    assert value(found, "backup_wal_copy_oldest_verification_timestamp_seconds", **WHERE) == UNIX - 86400
    assert found.catalog is not None
    bare = replace(found, catalog=replace(found.catalog, wal_copy_readings={}))
    assert value(bare, "backup_wal_copy_damaged_segments", **WHERE) == 0
    assert values(bare, "backup_wal_copy_oldest_verification_timestamp_seconds") == []


def test_nothing_is_said_of_readings_where_nothing_is_read(tmp_path: Path) -> None:
    found = filled.snapshot(tmp_path)
    config = found.settings.config
    storages = {**config.storages, "offsite": config.storages["offsite"].evolve(verify=False)}
    changed = replace(found.settings, config=config.evolve(storages=storages))
    assert values(replace(found, settings=changed), "backup_wal_copy_damaged_segments") == []


def test_no_copies_no_series(tmp_path: Path) -> None:
    found = filled.snapshot(tmp_path)
    changed = found.settings.config.evolve(servers={"main": Server(wal=Wal(copies=()))})
    bare = replace(found, settings=replace(found.settings, config=changed))
    assert values(bare, "backup_wal_copy_up") == []
