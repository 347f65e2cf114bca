"""Metrics of servers: restores, the recovery window, WAL, what PostgreSQL says."""

from __future__ import annotations

from typing import Final

from pgbackstop_exporter.metrics import metric

RESTORE: Final = ("server", "database")
RESTORE_SUCCESS: Final = metric.Metric(
    name="backup_restore_success_timestamp_seconds",
    kind="gauge",
    labels=RESTORE,
    help="Unix time at which a restore last succeeded; 0 = never.",
    source="restore records",
)
RESTORE_FAILURE: Final = metric.Metric(
    name="backup_restore_failure_timestamp_seconds",
    kind="gauge",
    labels=RESTORE,
    help="Unix time at which a restore last failed; 0 = never.",
    source="restore records",
)
RESTORE_DURATION: Final = metric.Metric(
    name="backup_restore_duration_seconds",
    kind="gauge",
    labels=RESTORE,
    help="Wall time of the newest successful restore; absent until there is one.",
    source="restore records",
)
INFO: Final = metric.server(
    "backup_server_info",
    "1 for each configured server, with its group, if any, and its free labels; others join it: `metric * on "
    "(server) group_left (team) backup_server_info`.",
    metric.CONFIG,
    free_labels=True,
)
POSTGRES_UP: Final = metric.server(
    "backup_postgres_up", "1 when the server answered, 0 when it did not.", metric.ASKED
)
POSTGRES_UNREACHABLE: Final = metric.Metric(
    name="backup_postgres_unreachable_info",
    kind="gauge",
    labels=("server", "host", "port", "reason"),
    help="1 while the server does not answer, with where it is asked and why not; absent while it answers.",
    source=metric.ASKED,
)
CLOCK_OFFSET: Final = metric.server(
    "backup_postgres_clock_offset_seconds",
    "Seconds that the server's clock is ahead of the exporter's; negative where it is behind.",
    metric.ASKED,
    volatile=True,
)
EARLIEST: Final = metric.server(
    "backup_earliest_recoverable_timestamp_seconds",
    "Earliest Unix time, by the server's clock, to which it can be recovered without a gap until the latest; "
    "0 = none.",
    "physical backups and the state of the WAL receiver",
)
LATEST: Final = metric.server(
    "backup_latest_recoverable_timestamp_seconds",
    "Latest Unix time, by the server's clock, to which it can be recovered; 0 = none.",
    "physical backups and the state of the WAL receiver",
)
WINDOW_TARGET: Final = metric.server(
    "backup_recovery_window_target_seconds",
    "How far back the server must be recoverable: the longest of its physical plans' own, else what their "
    "retention holds for certain; absent where nothing is promised or no WAL is archived.",
    metric.CONFIG,
)
PROVEN: Final = metric.server(
    "backup_proven_recoverable_timestamp_seconds",
    "Latest Unix time to which a drill has recovered the server; 0 = never.",
    metric.PROOFS,
)
WAL_RECEIVED: Final = metric.server(
    "backup_wal_last_received_timestamp_seconds",
    "Unix time at which the newest WAL arrived; 0 = never.",
    metric.WAL,
)
WAL_LAG_BYTES: Final = metric.server(
    "backup_wal_lag_bytes",
    "WAL that the server has written and the archive does not hold yet, the partial segment counted as held.",
    f"{metric.ASKED} and the {metric.WAL}",
    volatile=True,
)
WAL_LAG: Final = metric.server(
    "backup_wal_lag_seconds",
    "Seconds since the newest moment by which everything written was in the archive, computed at the scrape; "
    "stays small on an idle server.",
    metric.WAL,
)
WAL_MISSING: Final = metric.server(
    "backup_wal_missing_segments",
    "Segments that are missing for good in the archive and that no newer base backup makes up for.",
    f"{metric.WAL} and physical backups",
)
WAL_LAST_GAP: Final = metric.server(
    "backup_wal_last_gap_timestamp_seconds",
    "Unix time at which the newest gap in the archive was found, whether or not a base backup has made up "
    "for it; 0 = none is known.",
    metric.WAL,
)
WAL_SEGMENTS: Final = metric.counter(
    "backup_wal_segments_total", metric.SERVER, "Segments archived since the archive began.", metric.WAL
)
WAL_FAILURES: Final = metric.counter(
    "backup_wal_failures_total",
    metric.SERVER,
    "Failed starts and broken streams of the WAL receiver.",
    metric.WAL,
)
WAL_ARCHIVE: Final = metric.server("backup_wal_archive_bytes", "Stored bytes of the WAL archive.", metric.WAL)
WAL_OLDEST_VERIFICATION: Final = metric.server(
    "backup_wal_oldest_verification_timestamp_seconds",
    "Unix time at which that archived segment was read back whose reading is the longest ago, as of the last "
    "reading; one that was never read back counts from when it was archived. Absent until WAL was read once.",
    "state of verify",
)
SLOT_ACTIVE: Final = metric.server(
    "backup_wal_slot_active",
    "1 when a receiver is connected to the replication slot, 0 when none is or the slot does not exist.",
    metric.ASKED,
    volatile=True,
)
SLOT_RETAINED: Final = metric.server(
    "backup_wal_slot_retained_bytes",
    "WAL that the server holds back for the replication slot; absent while the slot does not exist.",
    metric.ASKED,
    volatile=True,
)
SLOT_LIMIT: Final = metric.server(
    "backup_wal_slot_limit_bytes",
    "WAL that the replication slot may hold back on the server before it is alerted.",
    metric.CONFIG,
)
WAL_READY: Final = metric.server(
    "backup_wal_ready_segments",
    "Segments that wait for the server's archive_command; absent without the right to see them.",
    metric.ASKED,
    volatile=True,
)
ARCHIVER_ARCHIVED: Final = metric.server(
    "backup_pg_archiver_last_archived_timestamp_seconds",
    "Unix time at which the server believes that it last archived a segment; 0 = never.",
    metric.ASKED,
)
ARCHIVER_FAILED: Final = metric.server(
    "backup_pg_archiver_last_failed_timestamp_seconds",
    "Unix time at which the server last failed to archive a segment; 0 = never.",
    metric.ASKED,
)

GROUP: Final = metric.Group(
    title="Per server",
    about="WAL series exist where the server's WAL is archived, recoverable times where it "
    "has a physical plan.",
    metrics=(
        *(INFO, POSTGRES_UP, POSTGRES_UNREACHABLE, CLOCK_OFFSET, EARLIEST, LATEST, WINDOW_TARGET, PROVEN),
        *(WAL_RECEIVED, WAL_LAG_BYTES, WAL_LAG, WAL_MISSING, WAL_LAST_GAP),
        *(WAL_SEGMENTS, WAL_FAILURES, WAL_ARCHIVE, WAL_OLDEST_VERIFICATION),
        *(SLOT_ACTIVE, SLOT_RETAINED, SLOT_LIMIT, WAL_READY),
        *(ARCHIVER_ARCHIVED, ARCHIVER_FAILED),
    ),
)

RESTORES: Final = metric.Group(
    title="Per server and database",
    about="Restores of live databases, for each that was ever restored. `database` is the one that was "
    "backed up, empty for a whole server.",
    metrics=(RESTORE_SUCCESS, RESTORE_FAILURE, RESTORE_DURATION),
)
