"""The metrics of servers, disks and the exporter, when something is down, absent or not asked for."""

from dataclasses import replace
from pathlib import Path

import pytest

from pgbackstop_catalog.config.notifications import Alertmanager, Notifications
from pgbackstop_catalog.config.server import Server, Wal
from pgbackstop_catalog.config.storage import FolderStorage
from pgbackstop_exporter.snapshot import Health, Snapshot, disk_collector, postgres_collector
from pgbackstop_exporter.sources import disks
from pgbackstop_exporter.sources.stored_backups import StoredBackups
from tests.support.factories import config
from tests.unit.exporter import filled
from tests.unit.exporter.pages_of import UNIX, value, value_at, values

ILL = Health(success=False, duration=0.1, last_success=5.0, error="gone")


def with_server(snapshot: Snapshot, server: Server) -> Snapshot:
    changed = snapshot.settings.config.model_copy(update={"servers": {"main": server}})
    return replace(snapshot, settings=replace(snapshot.settings, config=changed))


def ill(snapshot: Snapshot, collector: str) -> Snapshot:
    return replace(snapshot, health={**snapshot.health, collector: ILL})


def test_a_server_that_is_down_keeps_times_and_drops_the_rest(tmp_path: Path) -> None:
    found = ill(filled.snapshot(tmp_path), postgres_collector("main"))
    assert value(found, "backup_postgres_up", server="main") == 0.0
    address = {"host": "127.0.0.1", "port": "5432"}
    why = {"reason": "see the exporter's log"}
    assert value(found, "backup_postgres_unreachable_info", server="main", **address, **why) == 1.0
    assert value(found, "backup_pg_archiver_last_failed_timestamp_seconds", server="main") == 2.0
    assert value(found, "backup_wal_last_received_timestamp_seconds", server="main") == UNIX
    for name in (
        "backup_wal_lag_bytes",
        "backup_wal_slot_active",
        "backup_wal_slot_retained_bytes",
        "backup_wal_ready_segments",
    ):
        assert values(found, name) == []


def test_free_labels_stand_on_the_info_of_their_server_alone(tmp_path: Path) -> None:
    without = filled.snapshot(tmp_path)
    found = with_server(without, Server(group="g", labels={"team": 'pay"ments', "tier": "1"}))
    assert value(found, "backup_server_info", server="main", group="g", team='pay"ments', tier="1") == 1.0
    assert values(found, "backup_postgres_up", team='pay"ments') == []
    assert value(without, "backup_server_info", server="main") == 1.0


def test_a_server_that_was_not_asked_yet_is_neither_up_nor_down(tmp_path: Path) -> None:
    found = replace(filled.snapshot(tmp_path), health={}, servers={})
    assert values(found, "backup_postgres_up") == []


def test_the_lag_is_what_the_server_wrote_and_the_archive_does_not_hold(tmp_path: Path) -> None:
    found = filled.snapshot(tmp_path)
    assert value(found, "backup_wal_lag_bytes", server="main") == 0x100
    assert value_at(UNIX + 9, found, "backup_wal_lag_seconds", server="main") == 9.0
    assert found.catalog is not None
    state = found.catalog.wal["main"].evolve(clock_offset_seconds=600)
    ahead = replace(found, catalog=replace(found.catalog, wal={"main": state}))
    assert value_at(UNIX + 609, ahead, "backup_wal_lag_seconds", server="main") == 1209.0
    behind = replace(found, servers={"main": replace(found.servers["main"], lsn=0x10)})
    assert value(behind, "backup_wal_lag_bytes", server="main") == 0.0
    unknown = replace(found, servers={"main": replace(found.servers["main"], lsn=None)})
    assert values(unknown, "backup_wal_lag_bytes") == []


def test_a_receiver_that_never_ran_has_received_nothing(tmp_path: Path) -> None:
    found = filled.snapshot(tmp_path)
    assert found.catalog is not None
    bare = replace(found, catalog=replace(found.catalog, wal={}))
    assert value(bare, "backup_wal_last_received_timestamp_seconds", server="main") == 0.0
    assert value(bare, "backup_wal_segments_total", server="main") == 0.0
    assert value(bare, "backup_wal_missing_segments", server="main") == 0.0
    assert value(bare, "backup_wal_last_gap_timestamp_seconds", server="main") == 0.0
    assert values(bare, "backup_wal_lag_seconds") == values(bare, "backup_wal_lag_bytes") == []
    quiet = filled.wal_state(
        last_received_at=None, recoverable_until=None, received_lsn=None, archived_lsn=None
    )
    starting = replace(found, catalog=replace(found.catalog, wal={"main": quiet}))
    assert value(starting, "backup_wal_last_received_timestamp_seconds", server="main") == 0.0
    assert values(starting, "backup_wal_lag_seconds") == []


def test_a_gap_that_was_healed_is_still_told(tmp_path: Path) -> None:
    found = filled.snapshot(tmp_path)
    assert found.catalog is not None
    gaps = found.catalog.wal["main"].gaps
    assert gaps
    assert value(found, "backup_wal_missing_segments", server="main") == 0.0
    newest = max(gap.found_at.timestamp() for gap in gaps)
    assert value(found, "backup_wal_last_gap_timestamp_seconds", server="main") == newest


def test_a_server_without_a_wal_archive_has_no_series_of_it(tmp_path: Path) -> None:
    found = with_server(filled.snapshot(tmp_path), Server(wal=Wal(enabled=False)))
    for name in ("backup_wal_segments_total", "backup_wal_slot_active", "backup_wal_slot_limit_bytes"):
        assert values(found, name) == []
    moment = value(found, "backup_latest_recoverable_timestamp_seconds", server="main")
    assert moment == value(found, "backup_earliest_recoverable_timestamp_seconds", server="main") != 0.0


def test_the_archive_command_has_no_slot(tmp_path: Path) -> None:
    found = with_server(filled.snapshot(tmp_path), Server(wal=Wal(method="archive_command")))
    assert values(found, "backup_wal_slot_active") == values(found, "backup_wal_slot_limit_bytes") == []
    assert value(found, "backup_wal_segments_total", server="main") == 12.0


def test_a_server_without_a_physical_plan_has_no_window(tmp_path: Path) -> None:
    found = filled.snapshot(tmp_path)
    only = config(tmp_path, plans={"daily": {"server": "main", "backup_type": "logical"}})
    found = replace(found, settings=replace(found.settings, config=only))
    assert values(found, "backup_latest_recoverable_timestamp_seconds") == []


def test_the_window_and_what_is_proven(tmp_path: Path) -> None:
    found = filled.snapshot(tmp_path)
    assert value(found, "backup_latest_recoverable_timestamp_seconds", server="main") == UNIX
    assert value(found, "backup_earliest_recoverable_timestamp_seconds", server="main") == UNIX - 7200
    assert value(found, "backup_proven_recoverable_timestamp_seconds", server="main") == UNIX


def test_a_disk_that_cannot_be_read_has_no_numbers(tmp_path: Path) -> None:
    found = ill(filled.snapshot(tmp_path), disk_collector(str(tmp_path)))
    assert values(found, "disk_free_bytes") == []
    assert value(found, "backup_collector_success", collector=disk_collector(str(tmp_path))) == 0.0


def test_channels_that_are_configured_start_at_zero(tmp_path: Path) -> None:
    found = filled.snapshot(tmp_path)
    assert found.catalog is not None
    silent = replace(found, catalog=replace(found.catalog, notification_failures={}, scheduler=None))
    assert values(silent, "backup_notification_failures_total") == []
    assert values(silent, "backup_scheduler_heartbeat_timestamp_seconds") == []
    heard = Notifications(alertmanager=Alertmanager(url="http://127.0.0.1:9093"))
    changed = found.settings.config.model_copy(update={"notifications": heard})
    silent = replace(silent, settings=replace(found.settings, config=changed))
    assert value(silent, "backup_notification_failures_total", channel="alertmanager") == 0.0


def test_a_collector_that_never_succeeded_says_so(tmp_path: Path) -> None:
    found = replace(filled.snapshot(tmp_path), health={"disk:/x": Health()})
    assert value(found, "backup_collector_last_success_timestamp_seconds", collector="disk:/x") == 0.0
    assert values(found, "backup_collector_duration_seconds") == []


def test_disks_are_those_of_storages_and_of_a_catalog_outside_them(tmp_path: Path) -> None:
    inside = config(tmp_path)
    assert disks.paths(inside) == (str(tmp_path),)
    outside = inside.model_copy(update={"catalog": Path("/elsewhere/catalog")})
    assert disks.paths(outside) == ("/elsewhere/catalog", str(tmp_path))


def test_what_statvfs_says(tmp_path: Path) -> None:
    stored = StoredBackups(tmp_path, tmp_path / "catalog")
    found = disks.read(str(tmp_path), stored, {})
    assert 0 < found.free <= found.size
    assert not found.is_readonly
    assert disks.read("/proc", stored, {}).free_inodes is None


@pytest.mark.parametrize(
    ("path", "options"),
    [
        ("/srv/backups/shop", {"ro", "errors=remount-ro"}),
        ("/srv/back", {"rw"}),
        ("/srv/with space/x", {"rw", "size=64k"}),
    ],
)
def test_options_are_those_of_the_file_system_and_not_of_the_mount(path: str, options: set[str]) -> None:
    table = (
        "22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n"
        "30 22 8:2 / /srv/backups rw,relatime shared:9 - ext4 /dev/sdb1 rw\n"
        "31 30 8:2 / /srv/backups ro,relatime - ext4 /dev/sdb1 ro,errors=remount-ro\n"
        "32 22 0:9 / /srv/with\\040space ro - tmpfs tmpfs rw,size=64k\n"
    )
    assert disks.super_options(table, Path(path)) == options


def test_a_server_promises_what_its_plan_keeps_for_certain(tmp_path: Path) -> None:
    found = filled.snapshot(tmp_path)
    plan = found.settings.config.plans["weekly"]
    held = 3 * 7 * 86400 - plan.max_duration - plan.grace
    assert value(found, "backup_recovery_window_target_seconds", server="main") == held
    without = with_server(found, Server(wal=Wal(enabled=False)))
    assert values(without, "backup_recovery_window_target_seconds") == []


def test_the_next_runs_need_room_for_each_enabled_plan_and_its_copies(tmp_path: Path) -> None:
    found = filled.snapshot(tmp_path)
    assert value(found, "disk_next_runs_bytes", path=str(tmp_path)) == 2_000_000
    config = found.settings.config
    storages = {**config.storages, "second": FolderStorage(path=tmp_path / "second")}
    plans = {
        "daily": config.plans["daily"].evolve(copies=("second",)),
        "weekly": config.plans["weekly"].evolve(enabled=False),
    }
    changed = config.model_copy(update={"plans": plans, "storages": storages})
    copied = replace(found, settings=replace(found.settings, config=changed))
    assert value(copied, "disk_next_runs_bytes", path=str(tmp_path)) == 1_000_000
    assert value(copied, "disk_next_runs_bytes", path=str(tmp_path / "second")) == 1_000_000
