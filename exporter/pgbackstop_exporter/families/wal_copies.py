"""WAL in further storages: to which second one can recover when this host is lost."""

from __future__ import annotations

from pgbackstop_catalog.decisions import wal_copies
from pgbackstop_catalog.decisions.wal_copies import WalCopyState
from pgbackstop_catalog.decisions.wal_holds import WalHold
from pgbackstop_catalog.decisions.wal_readings import WalReadings
from pgbackstop_catalog.decisions.wal_segments import WalState
from pgbackstop_exporter.families import windows
from pgbackstop_exporter.families.samples import Families, Labels, labels
from pgbackstop_exporter.metrics import storage_metrics
from pgbackstop_exporter.snapshot import Snapshot


def add_wal_copies(families: Families, snapshot: Snapshot) -> None:
    """Every series of every storage that a server's WAL goes to."""
    catalog, config = snapshot.catalog, snapshot.settings.config
    if catalog is None:
        return
    for server in config.servers:
        for storage in wal_copies.storages(config, server):
            state = catalog.wal_copies.get((server, storage))
            where = labels(server=server, storage=storage)
            _add(families, where, state, catalog.wal.get(server))
            if wal_copies.is_read_again(config, storage):
                _add_readings(families, where, catalog.wal_copy_readings.get((server, storage)))
            _add_hold(families, where, catalog.wal_holds.get((server, storage)))


def _add(families: Families, where: Labels, state: WalCopyState | None, receiver: WalState | None) -> None:
    """Before a copier has run once, nothing is there and nothing is counted."""
    until = state.recoverable_until if state else None
    families.add(storage_metrics.WAL_COPY_UP, where, state is not None and state.status != "down")
    families.add(storage_metrics.WAL_COPY_EARLIEST, where, _earliest(state))
    families.add(storage_metrics.WAL_COPY_LATEST, where, until.timestamp() if until else 0.0)
    if until:
        families.add_age(storage_metrics.WAL_COPY_LAG, where, windows.on_our_clock(until, receiver))
    families.add(storage_metrics.WAL_COPY_PENDING, where, state.pending_segments if state else 0)
    families.add(storage_metrics.WAL_COPY_MISSING, where, state.missing_segments if state else 0)
    families.add(storage_metrics.WAL_COPY_BYTES, where, state.stored_bytes if state else 0)
    families.add(storage_metrics.WAL_COPY_SEGMENTS, where, state.copied if state else 0)
    families.add(storage_metrics.WAL_COPY_FAILURES, where, state.failures if state else 0)


def _add_readings(families: Families, where: Labels, readings: WalReadings | None) -> None:
    oldest = readings.oldest if readings else None
    families.add(storage_metrics.WAL_COPY_DAMAGED, where, len(readings.damaged) if readings else 0)
    read = oldest.timestamp() if oldest else None
    families.add(storage_metrics.WAL_COPY_OLDEST_VERIFICATION, where, read)


def _add_hold(families: Families, where: Labels, hold: WalHold | None) -> None:
    given_up = hold.given_up_at if hold else None
    families.add(storage_metrics.WAL_COPY_HELD, where, hold.segments if hold else 0)
    families.add(storage_metrics.WAL_COPY_GIVEN_UP, where, given_up.timestamp() if given_up else 0.0)


def _earliest(state: WalCopyState | None) -> float:
    """The start of the window that reaches the latest moment, as for the archive itself."""
    if state is None:
        return 0.0
    starts = [each.start for each in state.windows if each.end == state.recoverable_until]
    return min(starts).timestamp() if starts else 0.0
