"""A snapshot in which every metric has a value: all sources there are, all of them well."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pgbackstop_catalog.config.configuration import Config
from pgbackstop_catalog.decisions.wal_copies import WalCopyState
from pgbackstop_catalog.decisions.wal_holds import WalHold
from pgbackstop_catalog.decisions.wal_readings import DamagedSegment, WalReadings
from pgbackstop_catalog.decisions.wal_segments import WalGap, WalState, WalWindow
from pgbackstop_catalog.model import Model
from pgbackstop_catalog.records import codec
from pgbackstop_catalog.records.attempt import Status
from pgbackstop_catalog.records.scheduler import SchedulerState
from pgbackstop_catalog.records.totals import Totals
from pgbackstop_catalog.store import atomic
from pgbackstop_exporter.metrics import plan_metrics, server_metrics, storage_metrics
from pgbackstop_exporter.snapshot import (
    CATALOG,
    DiscoveryFacts,
    DiskFacts,
    DueRun,
    FleetFacts,
    Health,
    ServerHealth,
    Settings,
    Snapshot,
    WorkerFacts,
    disk_collector,
    postgres_collector,
)
from pgbackstop_exporter.sources.catalog import CatalogSource
from tests.support.factories import (
    DAY,
    NOW,
    catalog,
    config,
    copy_of,
    daily,
    proof_of,
    restore_of,
    weekly,
)

WELL = Health(success=True, duration=0.25, last_success=NOW.timestamp())
# What nobody emits while all is well.
OF_TROUBLE = {
    plan_metrics.FAILING.name,
    server_metrics.POSTGRES_UNREACHABLE.name,
    storage_metrics.UNCONFIGURED.name,
}
FLEET = FleetFacts(
    workers=(WorkerFacts(host="backup-1", queues=("default",), is_alive=True),),
    runs=(DueRun(plan="daily", queue="default", is_running=False, asked=NOW.timestamp()),),
)
SEEN_AT = datetime(2026, 11, 1, tzinfo=UTC)


def with_workers(config: Config) -> Config:
    """The same with workers, as if its catalog were in PostgreSQL."""
    return config.model_copy(update={"workers": config.workers.evolve(enabled=True)})


def wal_state(**changes: object) -> WalState:
    """A receiver that streams, with a gap that the weekly backup made up for."""
    found = WalState(
        server="main",
        method="stream",
        status="streaming",
        started_at=NOW - DAY,
        updated_at=NOW,
        last_received_at=NOW,
        received_lsn="0/5000000",
        archived_lsn="0/4000000",
        recoverable_until=NOW,
        segments=12,
        failures=2,
        archive_bytes=10**8,
        gaps=(
            WalGap(
                timeline=1,
                first="000000010000000000000001",
                last="000000010000000000000002",
                segments=2,
                found_at=NOW - DAY,
            ),
        ),
    )
    return found.evolve(**changes)


def wal_copy_state(**changes: object) -> WalCopyState:
    """A copier that keeps up."""
    found = WalCopyState(
        server="main",
        storage="offsite",
        status="copying",
        started_at=NOW - DAY,
        updated_at=NOW,
        copied_at=NOW,
        recoverable_until=NOW,
        segments=7,
        stored_bytes=10**7,
        pending_segments=1,
        copied=9,
        failures=3,
    )
    return found.evolve(**changes)


def put_state(folder: Path, name: str, state: Model) -> None:
    """Write a file of the daemon or of a receiver into the catalog."""
    path = folder / "catalog" / name
    atomic.make_folder(path.parent)
    atomic.write(path, codec.encode(state))


def fill(folder: Path) -> None:
    """A catalog with records of every kind and state."""
    good = daily(NOW - timedelta(hours=3), verified_at=NOW, scheduled_for=NOW - timedelta(hours=4))
    base = weekly(NOW - timedelta(hours=2))
    failed = daily(NOW - DAY, status=Status.FAILED)
    running = daily(status=Status.RUNNING, progress_bytes=5, progress_expected_bytes=9, started_at=NOW)
    drill = proof_of(base, proven_until=NOW)
    records = catalog(folder, good, base, failed, running, copy_of(good, failures=1), proof_of(good), drill)
    records.put(restore_of(good))
    records.put(Totals(plan="daily", runs={"shop": 7}, failures={"shop": {"tool": 1}}, missed={"": 1}))
    state = SchedulerState(pid=1, host="h", started_at=NOW, heartbeat_at=NOW, first_seen={"daily": SEEN_AT})
    put_state(folder, "state/scheduler.json", state)
    window = WalWindow(start=NOW - timedelta(hours=2), end=NOW, ends="received", backup=base.id)
    put_state(folder, "state/wal/main.json", wal_state(windows=(window,)))
    put_state(folder, "state/wal_readings/main.json", WalReadings(server="main", updated_at=NOW, oldest=NOW))
    put_state(folder, "state/wal_copies/offsite/main.json", wal_copy_state(windows=(window,)))
    damaged = DamagedSegment(name=f"{1:024X}", found_at=NOW)
    readings = WalReadings(
        server="main", storage="offsite", updated_at=NOW, oldest=NOW - DAY, damaged=(damaged,)
    )
    put_state(folder, "state/wal_copy_readings/offsite/main.json", readings)
    held = WalHold(server="main", storage="offsite", updated_at=NOW, segments=5, given_up=2, given_up_at=NOW)
    put_state(folder, "state/wal_holds/offsite/main.json", held)
    outbox = folder / "catalog" / "outbox"
    outbox.mkdir()
    (outbox / "1.json").write_text("{}")
    (outbox / "tally.state").write_text('{"failures": {"alertmanager": 3}}')


def snapshot(folder: Path) -> Snapshot:
    """The snapshot of a filled catalog; the server, the disk and the collectors' health are given."""
    fill(folder)
    server = ServerHealth(
        lsn=0x5000100,
        databases={"shop": NOW.timestamp()},
        slot_active=True,
        slot_retained=256,
        ready_segments=1,
        last_archived=1.0,
        last_failed=2.0,
        clock_offset=0.5,
    )
    configured = config(folder, discovery={"racks": {"files": ["racks.json"]}})
    disk = DiskFacts(free=10, size=100, free_inodes=5, is_readonly=False)
    return Snapshot(
        settings=Settings(config=with_workers(configured), seen_at=SEEN_AT.timestamp()),
        catalog=replace(CatalogSource.of_folder(folder / "catalog").refresh(), fleet=FLEET),
        servers={"main": server},
        disks={str(folder): disk},
        health={
            CATALOG: WELL,
            postgres_collector("main"): WELL,
            disk_collector(str(folder)): WELL,
        },
        discovery={"racks": DiscoveryFacts(success=True, last_success=NOW.timestamp(), servers=1)},
    )
