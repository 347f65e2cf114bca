"""The facts that the exporter would read of a world: its catalog, its server, its disk."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from pgbackstop_catalog.decisions import history
from pgbackstop_catalog.decisions.attempts import Subject
from pgbackstop_catalog.decisions.wal_copies import WalCopyState
from pgbackstop_catalog.decisions.wal_holds import WalHold
from pgbackstop_catalog.decisions.wal_readings import DamagedSegment, WalReadings
from pgbackstop_catalog.decisions.wal_segments import WalState, WalWindow
from pgbackstop_catalog.records.scheduler import SchedulerState
from pgbackstop_catalog.records.totals import Totals
from pgbackstop_exporter.snapshot import (
    CATALOG,
    CatalogFacts,
    CopyFacts,
    DiscoveryFacts,
    DiskFacts,
    DueRun,
    FleetFacts,
    Health,
    KeptBackup,
    PlanFacts,
    ServerHealth,
    Snapshot,
    WorkerFacts,
    disk_collector,
    postgres_collector,
)
from tests.alerts.world import HOSTS, LOGICAL, NAMES, PHYSICAL, STORE, World


def snapshot(world: World, now: datetime) -> Snapshot:
    """What its collectors have found now; one that is down has what it found before."""
    moment = now.timestamp()
    collectors = (CATALOG, postgres_collector("main"), disk_collector(STORE))
    for name in collectors:
        if name not in world.down:
            world.last_good[name] = moment
    health = {
        name: Health(
            success=name not in world.down,
            duration=0.1,
            last_success=world.last_good.get(name, 0.0),
            error="connection refused" if name in world.down else "",
            reason="connection refused" if name in world.down else "",
        )
        for name in collectors
    }
    disk = DiskFacts(
        free=int(world.free()),
        size=int(world.disk_size),
        free_inodes=10**6,
        is_readonly=world.is_readonly,
        missing=world.missing,
    )
    return Snapshot(
        settings=world.settings,
        catalog=_catalog(world),
        servers={"main": _server(world)},
        disks={STORE: disk},
        health=health,
        discovery={
            "inventory": DiscoveryFacts(
                success=world.does.discover, last_success=world.listed.timestamp(), servers=0
            )
        },
    )


def _server(world: World) -> ServerHealth:
    return ServerHealth(
        lsn=10**9 + world.lag,
        databases={"shop": world.settings.seen_at},
        slot_active=world.slot_active,
        slot_retained=world.slot_retained,
        ready_segments=0,
        last_archived=0.0,
        last_failed=0.0,
        clock_offset=(world.server_ahead - world.exporter_ahead).total_seconds(),
    )


def _catalog(world: World) -> CatalogFacts:
    pause = timedelta(seconds=world.settings.config.verify.interval)
    return CatalogFacts(
        plans={name: _plan(world, subject, name) for subject, name in NAMES.items()},
        wal={"main": _wal(world)},
        wal_readings={
            "main": WalReadings(server="main", updated_at=world.wal_read, oldest=world.wal_read - pause)
        },
        wal_copies={("main", "offsite"): _wal_copy(world)},
        wal_copy_readings={("main", "offsite"): _wal_copy_readings(world)},
        wal_holds={("main", "offsite"): _wal_hold(world)},
        scheduler=SchedulerState(
            pid=1,
            host="h",
            started_at=world.begins,
            heartbeat_at=world.heartbeat,
            first_seen=dict.fromkeys(NAMES.values(), datetime.fromtimestamp(world.settings.seen_at, UTC)),
        ),
        fleet=_fleet(world),
        pending=world.pending,
        unreadable=world.unreadable,
    )


def _fleet(world: World) -> FleetFacts:
    workers = tuple(
        WorkerFacts(host=host, queues=("default",), is_alive=host not in world.dead_hosts) for host in HOSTS
    )
    since, plan = world.waiting_since, NAMES[LOGICAL]
    if since is None:
        return FleetFacts(workers=workers)
    waits = DueRun(plan=plan, queue="default", is_running=False, asked=since.timestamp())
    return FleetFacts(workers=workers, runs=(waits,))


def _wal(world: World) -> WalState:
    start, end, base = world.window, world.received, "20261001T000000Z-000000"
    windows = (WalWindow(start=start, end=end, ends="received", backup=base),) if start is not None else ()
    return WalState(
        server="main",
        method="stream",
        status="streaming",
        started_at=world.begins,
        updated_at=world.received,
        last_received_at=world.received,
        recoverable_until=world.received,
        received_lsn=f"0/{10**9:X}",
        segments=1,
        gaps=world.gaps,
        windows=windows,
    )


def _wal_copy(world: World) -> WalCopyState:
    return WalCopyState(
        server="main",
        storage="offsite",
        status="copying" if world.does.copy else "down",
        started_at=world.begins,
        updated_at=world.copied,
        recoverable_until=world.copied if PHYSICAL in world.copies else None,
    )


def _wal_copy_readings(world: World) -> WalReadings:
    interval = timedelta(seconds=world.settings.config.verify.effective_copies_interval())
    oldest, since = world.copies_read - interval, world.wal_copy_rots_since
    damaged = (DamagedSegment(name=f"{1:024X}", found_at=since),) if since else ()
    return WalReadings(
        server="main", storage="offsite", updated_at=world.copies_read, oldest=oldest, damaged=damaged
    )


def _wal_hold(world: World) -> WalHold:
    return WalHold(server="main", storage="offsite", updated_at=world.copied, given_up_at=world.given_up)


def _plan(world: World, subject: Subject, name: str) -> PlanFacts:
    attempts = world.attempts[subject]
    if world.summed.get(subject, ([], history.History()))[0] != attempts:
        world.summed[subject] = (list(attempts), history.summarise(attempts))
    return PlanFacts(
        histories={subject: world.summed[subject][1]} if attempts else {},
        tally=Totals(plan=name),
        scheduled_until=max((each.scheduled for each in attempts), default=0.0),
        copies={(subject, "offsite"): _copied(world, subject)} if subject in world.copies else {},
        proofs={subject: world.proofs[subject]} if subject in world.proofs else {},
        physical=tuple(each for each in attempts if subject == PHYSICAL and each.is_available),
        kept={
            subject: {
                each.id: KeptBackup(each.storage, each.last_read) for each in attempts if each.is_available
            }
        },
    )


def _copied(world: World, subject: Subject) -> CopyFacts:
    """With the reading that is the longest ago: each was compared when it was made."""
    pause = world.settings.config.verify.effective_copies_interval()
    oldest = min((each.finished for each in world.attempts[subject] if each.is_available), default=0.0)
    read = max(oldest, world.copies_read.timestamp() - pause)
    return replace(world.copies[subject], oldest_read=read)
