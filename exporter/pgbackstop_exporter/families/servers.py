"""The metrics of servers and of the exporter itself: pure, from a snapshot."""

from __future__ import annotations

import platform
from collections import defaultdict
from collections.abc import Iterable

import pgbackstop_catalog
from pgbackstop_catalog.config.configuration import Config
from pgbackstop_catalog.config.plan import Plan
from pgbackstop_catalog.config.server import Server
from pgbackstop_catalog.decisions import wal_segments
from pgbackstop_catalog.decisions.attempts import Attempt
from pgbackstop_catalog.decisions.wal_segments import WalState
from pgbackstop_exporter import unreachable
from pgbackstop_exporter.families import windows
from pgbackstop_exporter.families.samples import NONE, Families, Labels, labels
from pgbackstop_exporter.metrics import exporter_metrics, server_metrics
from pgbackstop_exporter.snapshot import CATALOG, CatalogFacts, ServerHealth, Snapshot, postgres_collector

SOURCE = "catalog"


def add_servers(families: Families, snapshot: Snapshot) -> None:
    """Every series of every configured server."""
    config, physical, proven = snapshot.settings.config, _physical_backups(snapshot), _proven_until(snapshot)
    for name, server in config.servers.items():
        where, plans = labels(server=name), config.plans_of(name).values()
        group = {"group": server.group} if server.group else {}
        families.add(server_metrics.INFO, labels(server=name, **group, **server.labels), 1)
        facts = snapshot.servers.get(name)
        state = snapshot.catalog.wal.get(name) if snapshot.catalog else None
        _add_reachability(families, name, server, snapshot)
        if server.wal.enabled:
            _add_promise(families, where, plans)
        if snapshot.catalog and not all(each.is_logical for each in plans):
            window = windows.window(physical[name], state if server.wal.enabled else None)
            _add_recovery(families, where, window, proven[name])
        if snapshot.catalog:
            _add_restores(families, name, snapshot.catalog)
        if server.wal.enabled and snapshot.catalog:
            _add_wal(families, where, state, physical[name])
            readings = snapshot.catalog.wal_readings.get(name)
            oldest = readings.oldest if readings else None
            read = oldest.timestamp() if oldest else None
            families.add(server_metrics.WAL_OLDEST_VERIFICATION, where, read)
        if _has_slot(server):
            families.add(server_metrics.SLOT_LIMIT, where, server.wal.retain_slot_bytes)
        if facts:
            _add_archiver(families, where, facts)
        if facts and snapshot.is_up(postgres_collector(name)):
            _add_volatile(families, where, facts, state if server.wal.enabled else None)
            if _has_slot(server):
                families.add(server_metrics.SLOT_ACTIVE, where, facts.slot_active)
                families.add(server_metrics.SLOT_RETAINED, where, facts.slot_retained)


def _add_reachability(families: Families, name: str, server: Server, snapshot: Snapshot) -> None:
    collector = postgres_collector(name)
    if not snapshot.has_run(collector):
        return
    families.add(server_metrics.POSTGRES_UP, labels(server=name), snapshot.is_up(collector))
    if not snapshot.is_up(collector):
        asked = labels(
            server=name,
            host=server.host,
            port=str(server.port),
            reason=snapshot.health[collector].reason or unreachable.OTHER,
        )
        families.add(server_metrics.POSTGRES_UNREACHABLE, asked, 1)


def _has_slot(server: Server) -> bool:
    return server.wal.enabled and server.wal.method == "stream"


def _add_recovery(families: Families, where: Labels, window: windows.Window, proven: float) -> None:
    families.add(server_metrics.EARLIEST, where, window.earliest)
    families.add(server_metrics.LATEST, where, window.latest)
    families.add(server_metrics.PROVEN, where, proven)


def _add_promise(families: Families, where: Labels, plans: Iterable[Plan]) -> None:
    """Where no WAL is archived nothing is promised: each backup is a moment of its own then."""
    promised = max((each.effective_recovery_window() for each in plans if each.enabled), default=0.0)
    if promised:
        families.add(server_metrics.WINDOW_TARGET, where, promised)


def _add_restores(families: Families, server: str, catalog: CatalogFacts) -> None:
    for database, facts in catalog.restores.get(server, {}).items():
        where = labels(server=server, database=database)
        families.add(server_metrics.RESTORE_SUCCESS, where, facts.success)
        families.add(server_metrics.RESTORE_FAILURE, where, facts.failure)
        families.add(server_metrics.RESTORE_DURATION, where, facts.duration)


def _physical_backups(snapshot: Snapshot) -> defaultdict[str, list[Attempt]]:
    """Those of each server that are not missing."""
    found, missing = defaultdict[str, list[Attempt]](list), snapshot.missing
    for plan in snapshot.catalog.plans.values() if snapshot.catalog else ():
        for each in plan.physical:
            if each.id not in missing:
                found[each.subject.server].append(each)
    return found


def _proven_until(snapshot: Snapshot) -> defaultdict[str, float]:
    """The newest moment of each server that a drill has recovered to; 0 where there is none."""
    found = defaultdict[str, float](float)
    for plan in snapshot.catalog.plans.values() if snapshot.catalog else ():
        for subject, proofs in plan.proofs.items():
            if subject.backup_type == "physical":
                found[subject.server] = max(found[subject.server], proofs.proven_until)
    return found


def _add_wal(families: Families, where: Labels, state: WalState | None, backups: list[Attempt]) -> None:
    """Before the receiver has started once, nothing was received and nothing is counted."""
    received = state.last_received_at if state else None
    families.add(server_metrics.WAL_RECEIVED, where, received.timestamp() if received else 0.0)
    families.add(server_metrics.WAL_SEGMENTS, where, state.segments if state else 0)
    families.add(server_metrics.WAL_FAILURES, where, state.failures if state else 0)
    families.add(server_metrics.WAL_ARCHIVE, where, state.archive_bytes if state else 0)
    families.add(server_metrics.WAL_MISSING, where, windows.missing_segments(backups, state) if state else 0)
    gaps = (gap.found_at.timestamp() for gap in (state.gaps if state else ()))
    families.add(server_metrics.WAL_LAST_GAP, where, max(gaps, default=0.0))
    if state and state.recoverable_until:
        families.add_age(server_metrics.WAL_LAG, where, windows.on_our_clock(state.recoverable_until, state))


def _add_archiver(families: Families, where: Labels, facts: ServerHealth) -> None:
    families.add(server_metrics.ARCHIVER_ARCHIVED, where, facts.last_archived)
    families.add(server_metrics.ARCHIVER_FAILED, where, facts.last_failed)


def _add_volatile(families: Families, where: Labels, facts: ServerHealth, state: WalState | None) -> None:
    families.add(server_metrics.CLOCK_OFFSET, where, facts.clock_offset)
    families.add(server_metrics.WAL_READY, where, facts.ready_segments)
    held = (
        [wal_segments.parse_lsn(lsn) for lsn in (state.received_lsn, state.archived_lsn) if lsn]
        if state
        else []
    )
    if held and facts.lsn is not None:
        # The state is older than the server's answer or newer by up to a refresh: never below zero.
        families.add(server_metrics.WAL_LAG_BYTES, where, max(0, facts.lsn - max(held)))


def add_self(families: Families, snapshot: Snapshot, *, revision: str) -> None:
    """How the exporter and its sources fare."""
    catalog = snapshot.catalog
    if snapshot.has_run(CATALOG):
        families.add(exporter_metrics.CATALOG_UP, NONE, snapshot.is_up(CATALOG))
        families.add(exporter_metrics.SOURCE_UP, labels(source=SOURCE), snapshot.is_up(CATALOG))
    if catalog:
        families.add(exporter_metrics.CATALOG_BAD, NONE, catalog.unreadable)
        families.add(exporter_metrics.PENDING, NONE, catalog.pending)
        _add_notification_failures(families, snapshot.settings.config, catalog)
    if catalog and catalog.scheduler:
        families.add(exporter_metrics.HEARTBEAT, NONE, catalog.scheduler.heartbeat_at.timestamp())
    families.add(exporter_metrics.RELOAD_SUCCESS, NONE, snapshot.settings.reload_success)
    build = labels(
        version=pgbackstop_catalog.__version__,
        revision=revision,
        python_version=platform.python_version(),
    )
    families.add(exporter_metrics.BUILD_INFO, build, 1)


def _add_notification_failures(families: Families, config: Config, catalog: CatalogFacts) -> None:
    configured = {"alertmanager"} if config.notifications.alertmanager else set()
    for channel in sorted(configured | set(catalog.notification_failures)):
        number = catalog.notification_failures.get(channel, 0)
        families.add(exporter_metrics.NOTIFICATION_FAILURES, labels(channel=channel), number)


def add_health(families: Families, snapshot: Snapshot) -> None:
    """How each collector fares; apart from the rest because it changes with each of their runs."""
    for name, health in snapshot.health.items():
        where = labels(collector=name)
        families.add(exporter_metrics.COLLECTOR_SUCCESS, where, health.success)
        families.add(exporter_metrics.COLLECTOR_DURATION, where, health.duration)
        families.add(exporter_metrics.COLLECTOR_LAST, where, health.last_success)
