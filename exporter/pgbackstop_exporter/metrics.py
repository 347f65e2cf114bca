"""Every metric of the exporter, as typed values: the only place where a metric's name stands.

Rules, dashboards and docs/reference/metrics.md may use what is listed here and nothing else. No label
holds a backup id, a WAL name or a time: the number of series is bounded by plans, not by backups.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

Kind = Literal["gauge", "counter"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Metric:
    """One family. ``help`` gives unit and meaning; ``source`` where the value comes from.

    ``volatile`` families are left out while their source fails; the others keep their last value.
    """

    name: str
    kind: Kind
    labels: tuple[str, ...]
    help: str
    source: str
    volatile: bool = False


@dataclass(frozen=True, kw_only=True)
class Group:
    """Metrics that share their labels and a heading of the reference."""

    title: str
    about: str
    metrics: tuple[Metric, ...]


PLAN: Final = ("plan", "server", "database", "backup_type")
SERVER: Final = ("server",)
WAL_COPY: Final = ("server", "storage")
DISK: Final = ("path",)


def _plan(name: str, text: str, source: str = "backup records", **more: bool) -> Metric:
    return Metric(name=name, kind="gauge", labels=PLAN, help=text, source=source, **more)


def _server(name: str, text: str, source: str, **more: bool) -> Metric:
    return Metric(name=name, kind="gauge", labels=SERVER, help=text, source=source, **more)


def _wal_copy(name: str, text: str) -> Metric:
    return Metric(name=name, kind="gauge", labels=WAL_COPY, help=text, source="state of the WAL copier")


def _disk(name: str, text: str) -> Metric:
    return Metric(name=name, kind="gauge", labels=DISK, help=text, source="statvfs", volatile=True)


def _own(name: str, text: str, source: str, labels: tuple[str, ...] = ()) -> Metric:
    return Metric(name=name, kind="gauge", labels=labels, help=text, source=source)


def _counter(name: str, labels: tuple[str, ...], text: str, source: str) -> Metric:
    return Metric(name=name, kind="counter", labels=labels, help=text, source=source)


_RECORDS = "backup records"
_CONFIG = "configuration"
_PROOFS = "proof records"
_WAL = "state of the WAL receiver"
_ASKED = "PostgreSQL"

LAST_SUCCESS: Final = _plan(
    "backup_last_success_time",
    "Unix time at which the newest successful backup was complete, in seconds; 0 = never.",
)
SIZE: Final = _plan(
    "backup_size_bytes", "Stored bytes of the newest successful backup; absent until there is one."
)
DURATION: Final = _plan(
    "backup_duration_seconds", "Wall time of the newest successful backup; absent until there is one."
)
AGE: Final = _plan(
    "backup_age_seconds",
    "Seconds since the newest successful backup was complete, computed at the scrape; absent until there is "
    "one.",
)
LAST_ATTEMPT: Final = _plan(
    "backup_last_attempt_timestamp_seconds", "Unix time at which the newest attempt started; 0 = never."
)
LAST_FAILURE: Final = _plan(
    "backup_last_failure_timestamp_seconds", "Unix time at which the newest failed attempt ended; 0 = never."
)
CONSECUTIVE_FAILURES: Final = _plan(
    "backup_consecutive_failures", "Failed attempts since the newest success."
)
RUNNING: Final = _plan("backup_running", "1 while a backup runs, else 0.", volatile=True)
RUNNING_START: Final = _plan(
    "backup_running_start_timestamp_seconds",
    "Unix time at which the running backup started; absent while none runs.",
    volatile=True,
)
PROGRESS: Final = _plan(
    "backup_progress_bytes",
    "Bytes that the running backup has written so far; absent while none runs.",
    volatile=True,
)
PROGRESS_AT: Final = _plan(
    "backup_progress_timestamp_seconds",
    "Unix time at which the running backup last wrote a byte, before the first one its start; absent while "
    "none runs.",
    volatile=True,
)
PROGRESS_EXPECTED: Final = _plan(
    "backup_progress_expected_bytes",
    "Bytes that the running backup expects to write; absent while none runs or nothing is known.",
    volatile=True,
)
ENABLED: Final = _plan("backup_enabled", "1 when the plan is enabled, 0 while it is paused.", _CONFIG)
MAX_AGE: Final = _plan(
    "backup_max_age_seconds",
    "Age at which the newest success is too old: the plan's own limit, else 25 h for daily logical plans and "
    "interval + maximum duration + grace for others, and an hour more after the clock was set back.",
    _CONFIG,
)
MAX_DURATION: Final = _plan(
    "backup_max_duration_seconds", "Time after which the plan has a running backup ended.", _CONFIG
)
STALL_TIMEOUT: Final = _plan(
    "backup_stall_timeout_seconds",
    "Longest time without a byte after which the plan has a running backup ended.",
    _CONFIG,
)
SCHEDULE_INTERVAL: Final = _plan(
    "backup_schedule_interval_seconds", "Longest pause between two due times of the schedule.", _CONFIG
)
NEXT_RUN: Final = _plan(
    "backup_next_run_timestamp_seconds",
    "Unix time of the first due run that is not handled yet; in the past while it is late.",
    "configuration and backup records",
)
FIRST_DUE: Final = _plan(
    "backup_first_due_timestamp_seconds",
    "Unix time at which the plan was due for the first time.",
    "state of the scheduler, else the age of the configuration file",
)
MISSED: Final = _counter(
    "backup_missed_runs_total", PLAN, "Runs that were due and did not start.", "backup records and tallies"
)
LAST_MISSED: Final = _plan(
    "backup_last_missed_timestamp_seconds",
    "Unix time at which it was last found that due runs had not started; 0 = never.",
)
RUNS: Final = _counter(
    "backup_runs_total", PLAN, "Attempts that ended, well or badly.", "backup records and tallies"
)
FAILURES: Final = _counter(
    "backup_run_failures_total", (*PLAN, "reason"), "Attempts that failed.", "backup records and tallies"
)
AVAILABLE: Final = _plan(
    "backup_available",
    "Valid backups that are kept, without those whose files are gone or have another size.",
    "backup records and the storage",
)
MISSING: Final = _plan(
    "backup_missing",
    "Kept backups of which files are gone from their storage, though nobody expired them, or have another "
    "size than on record.",
    "backup records and the storage",
)
VANISHED: Final = _plan(
    "backup_vanished_tables",
    "Tables whose rows backups of the last 30 days saw vanish, until 'pgbackstop ack'; absent where rows are "
    "not compared, as in physical plans.",
)
KEEP_MINIMUM: Final = _plan(
    "backup_keep_minimum",
    "Valid backups that the plan never keeps fewer of; absent until it has made as many.",
    "configuration, backup records and tallies",
)
STORED: Final = _plan("backup_stored_bytes", "Stored bytes of all valid backups that are kept.")
SOURCE_SIZE: Final = _plan(
    "backup_source_size_bytes",
    "Size of the database or server when it was last backed up; absent until it is known.",
)
SIZE_BASELINE: Final = _plan(
    "backup_size_baseline_bytes",
    "Median size of the last 10 successes of the same method; absent until there is one.",
)
SIZE_EXPECTED: Final = _plan(
    "backup_size_expected_bytes",
    "Stored bytes that the newest success should have: the median, or more where its source has grown since; "
    "absent until there is one, and for an incremental backup.",
)
DURATION_BASELINE: Final = _plan(
    "backup_duration_baseline_seconds",
    "Median duration of the last 10 successes of the same method; absent until there is one.",
)
OLDEST: Final = _plan(
    "backup_oldest_timestamp_seconds",
    "Unix time at which the oldest backup that is kept was complete; absent while none is.",
)
VERIFIED: Final = _plan(
    "backup_verified_timestamp_seconds",
    "Unix time at which a backup was last read back in full; 0 = never.",
    "backup and proof records",
)
DRILL_SUCCESS: Final = _plan(
    "backup_drill_success_timestamp_seconds",
    "Unix time at which a restore drill last succeeded; 0 = never.",
    _PROOFS,
)
DRILL_FAILURE: Final = _plan(
    "backup_drill_failure_timestamp_seconds",
    "Unix time at which a restore drill last failed; 0 = never.",
    _PROOFS,
)
DRILL_DURATION: Final = _plan(
    "backup_drill_duration_seconds",
    "Wall time of the newest successful drill, the measured recovery time; absent until there is one.",
    _PROOFS,
)
PROOF_MAX_AGE: Final = _plan(
    "backup_proof_max_age_seconds",
    "Age at which the newest successful drill is too old: the plan's own limit, else the interval of its "
    "drills and a day; absent where the plan has no drills.",
    _CONFIG,
)
PROOF_FIRST_DUE: Final = _plan(
    "backup_proof_first_due_timestamp_seconds",
    "Unix time by which a drill should have succeeded for the first time: the first one after the first "
    "backup, its longest duration and the plan's grace; absent where the plan has no drills.",
    "configuration and state of the scheduler",
)
COPY_SUCCESS: Final = Metric(
    name="backup_copy_success_timestamp_seconds",
    kind="gauge",
    labels=(*PLAN, "storage"),
    help="Unix time at which the newest backup that the storage has a whole copy of was complete; 0 = never.",
    source="copy records",
)
COPY_FAILURES: Final = _counter(
    "backup_copy_failures_total",
    (*PLAN, "storage"),
    "Failed tries to copy to the storage.",
    "copy records and tallies",
)
RPO_TARGET: Final = _plan(
    "backup_rpo_target_seconds", "Data that may be lost, by the plan's own target.", _CONFIG
)
RTO_TARGET: Final = _plan(
    "backup_rto_target_seconds", "Time that a restore may take, by the plan's own target.", _CONFIG
)

RESTORE: Final = ("server", "database")
RESTORE_SUCCESS: Final = Metric(
    name="backup_restore_success_timestamp_seconds",
    kind="gauge",
    labels=RESTORE,
    help="Unix time at which a restore last succeeded; 0 = never.",
    source="restore records",
)
RESTORE_FAILURE: Final = Metric(
    name="backup_restore_failure_timestamp_seconds",
    kind="gauge",
    labels=RESTORE,
    help="Unix time at which a restore last failed; 0 = never.",
    source="restore records",
)
RESTORE_DURATION: Final = Metric(
    name="backup_restore_duration_seconds",
    kind="gauge",
    labels=RESTORE,
    help="Wall time of the newest successful restore; absent until there is one.",
    source="restore records",
)

POSTGRES_UP: Final = _server("backup_postgres_up", "1 when the server answered, 0 when it did not.", _ASKED)
POSTGRES_UNREACHABLE: Final = Metric(
    name="backup_postgres_unreachable_info",
    kind="gauge",
    labels=("server", "host", "port", "reason"),
    help="1 while the server does not answer, with where it is asked and why not; absent while it answers.",
    source=_ASKED,
)
EARLIEST: Final = _server(
    "backup_earliest_recoverable_timestamp_seconds",
    "Earliest Unix time to which the server can be recovered without a gap until the latest; 0 = none.",
    "physical backups and the state of the WAL receiver",
)
LATEST: Final = _server(
    "backup_latest_recoverable_timestamp_seconds",
    "Latest Unix time to which the server can be recovered; 0 = none.",
    "physical backups and the state of the WAL receiver",
)
WINDOW_TARGET: Final = _server(
    "backup_recovery_window_target_seconds",
    "How far back the server must be recoverable: the longest of its physical plans' own, else what their "
    "retention holds for certain; absent where nothing is promised or no WAL is archived.",
    _CONFIG,
)
PROVEN: Final = _server(
    "backup_proven_recoverable_timestamp_seconds",
    "Latest Unix time to which a drill has recovered the server; 0 = never.",
    _PROOFS,
)
WAL_RECEIVED: Final = _server(
    "backup_wal_last_received_timestamp_seconds",
    "Unix time at which the newest WAL arrived; 0 = never.",
    _WAL,
)
WAL_LAG_BYTES: Final = _server(
    "backup_wal_lag_bytes",
    "WAL that the server has written and the archive does not hold yet, the partial segment counted as held.",
    f"{_ASKED} and the {_WAL}",
    volatile=True,
)
WAL_LAG: Final = _server(
    "backup_wal_lag_seconds",
    "Seconds since the newest moment by which everything written was in the archive, computed at the scrape; "
    "stays small on an idle server.",
    _WAL,
)
WAL_MISSING: Final = _server(
    "backup_wal_missing_segments",
    "Segments that are missing for good in the archive and that no newer base backup makes up for.",
    f"{_WAL} and physical backups",
)
WAL_LAST_GAP: Final = _server(
    "backup_wal_last_gap_timestamp_seconds",
    "Unix time at which the newest gap in the archive was found, whether or not a base backup has made up "
    "for it; 0 = none is known.",
    _WAL,
)
WAL_SEGMENTS: Final = _counter(
    "backup_wal_segments_total", SERVER, "Segments archived since the archive began.", _WAL
)
WAL_FAILURES: Final = _counter(
    "backup_wal_failures_total", SERVER, "Failed starts and broken streams of the WAL receiver.", _WAL
)
WAL_ARCHIVE: Final = _server("backup_wal_archive_bytes", "Stored bytes of the WAL archive.", _WAL)
_WAL_COPY: Final = "state of the WAL copier"
WAL_COPY_UP: Final = _wal_copy(
    "backup_wal_copy_up", "1 when the last try to copy WAL to the storage went well or had nothing to do."
)
WAL_COPY_EARLIEST: Final = _wal_copy(
    "backup_wal_copy_earliest_recoverable_timestamp_seconds",
    "Earliest Unix time to which the server can be recovered from this storage alone; 0 = none.",
)
WAL_COPY_LATEST: Final = _wal_copy(
    "backup_wal_copy_latest_recoverable_timestamp_seconds",
    "Latest Unix time to which the server can be recovered from this storage alone, as when the backup host "
    "is lost; 0 = none.",
)
WAL_COPY_LAG: Final = _wal_copy(
    "backup_wal_copy_lag_seconds",
    "Seconds since that moment, computed at the scrape: what would be lost with the server and this host.",
)
WAL_COPY_PENDING: Final = _wal_copy(
    "backup_wal_copy_pending_segments", "Segments that are archived and not in the storage yet."
)
WAL_COPY_MISSING: Final = _wal_copy(
    "backup_wal_copy_missing_segments", "Segments that are missing between those that the storage holds."
)
WAL_COPY_BYTES: Final = _wal_copy("backup_wal_copy_bytes", "Stored bytes of WAL in the storage.")
WAL_COPY_SEGMENTS: Final = _counter(
    "backup_wal_copy_segments_total", WAL_COPY, "Segments sent to the storage.", _WAL_COPY
)
WAL_COPY_FAILURES: Final = _counter(
    "backup_wal_copy_failures_total", WAL_COPY, "Failed tries to copy WAL to the storage.", _WAL_COPY
)
SLOT_ACTIVE: Final = _server(
    "backup_wal_slot_active",
    "1 when a receiver is connected to the replication slot, 0 when none is or the slot does not exist.",
    _ASKED,
    volatile=True,
)
SLOT_RETAINED: Final = _server(
    "backup_wal_slot_retained_bytes",
    "WAL that the server holds back for the replication slot; absent while the slot does not exist.",
    _ASKED,
    volatile=True,
)
SLOT_LIMIT: Final = _server(
    "backup_wal_slot_limit_bytes",
    "WAL that the replication slot may hold back on the server before it is alerted.",
    _CONFIG,
)
WAL_READY: Final = _server(
    "backup_wal_ready_segments",
    "Segments that wait for the server's archive_command; absent without the right to see them.",
    _ASKED,
    volatile=True,
)
ARCHIVER_ARCHIVED: Final = _server(
    "backup_pg_archiver_last_archived_timestamp_seconds",
    "Unix time at which the server believes that it last archived a segment; 0 = never.",
    _ASKED,
)
ARCHIVER_FAILED: Final = _server(
    "backup_pg_archiver_last_failed_timestamp_seconds",
    "Unix time at which the server last failed to archive a segment; 0 = never.",
    _ASKED,
)

DISK_FREE: Final = _disk("disk_free_bytes", "Bytes that an unprivileged writer can still use.")
DISK_SIZE: Final = _disk("disk_size_bytes", "Size of the file system.")
DISK_INODES: Final = _disk(
    "disk_free_inodes",
    "Files that an unprivileged writer can still create; absent where files are not counted.",
)
DISK_READONLY: Final = Metric(
    name="disk_readonly",
    kind="gauge",
    labels=DISK,
    help="1 when the file system itself is read-only, not only the exporter's mount of it.",
    source="table of mounts",
    volatile=True,
)
DISK_NEXT_RUNS: Final = Metric(
    name="disk_next_runs_bytes",
    kind="gauge",
    labels=DISK,
    help="Bytes that the next run of each enabled plan writes to the disk, by the medians of those before; "
    "copies count too.",
    source="configuration and backup records",
)

CATALOG_UP: Final = _own("backup_catalog_up", "1 when the catalog could be read, 0 when not.", "catalog")
CATALOG_BAD: Final = _own(
    "backup_catalog_unreadable_records",
    "Files in the catalog that are no records, or records of a newer version; they are passed over.",
    "catalog",
)
SOURCE_UP: Final = _own(
    "backup_source_up",
    "1 when the source of backup records could be read, 0 when not.",
    "catalog",
    ("source",),
)
COLLECTOR_SUCCESS: Final = _own(
    "backup_collector_success", "1 when the collector's last run ended well.", "exporter", ("collector",)
)
COLLECTOR_DURATION: Final = _own(
    "backup_collector_duration_seconds", "Wall time of the collector's last run.", "exporter", ("collector",)
)
COLLECTOR_LAST: Final = _own(
    "backup_collector_last_success_timestamp_seconds",
    "Unix time at which the collector last ended well; 0 = never.",
    "exporter",
    ("collector",),
)
HEARTBEAT: Final = _own(
    "backup_scheduler_heartbeat_timestamp_seconds",
    "Unix time of the scheduler's last sign of life; absent where no scheduler has ever run.",
    "state of the scheduler",
)
PENDING: Final = _own("backup_notifications_pending", "Notifications that are not delivered yet.", "outbox")
NOTIFICATION_FAILURES: Final = _counter(
    "backup_notification_failures_total", ("channel",), "Failed tries to deliver a notification.", "outbox"
)
RELOAD_SUCCESS: Final = _own(
    "backup_config_last_reload_success",
    "1 when the configuration was last read without an error, 0 while an older one is in use.",
    _CONFIG,
)
BUILD_INFO: Final = _own(
    "backup_exporter_build_info",
    "Always 1; the labels name the exporter's version.",
    "exporter",
    ("version", "revision", "python_version"),
)

GROUPS: Final = (
    Group(
        title="Per plan and database",
        about='`database` is empty for a whole server, and for a logical plan of "all" databases as long as '
        "none is known. Series follow the configuration: a removed plan disappears with the reload.",
        metrics=(
            *(LAST_SUCCESS, SIZE, DURATION, AGE, LAST_ATTEMPT, LAST_FAILURE, CONSECUTIVE_FAILURES),
            *(RUNNING, RUNNING_START, PROGRESS, PROGRESS_AT, PROGRESS_EXPECTED, MAX_DURATION, STALL_TIMEOUT),
            *(ENABLED, MAX_AGE, SCHEDULE_INTERVAL, NEXT_RUN, FIRST_DUE, MISSED, LAST_MISSED, RUNS, FAILURES),
            *(AVAILABLE, MISSING, VANISHED, KEEP_MINIMUM, STORED, SOURCE_SIZE, OLDEST),
            *(SIZE_BASELINE, SIZE_EXPECTED, DURATION_BASELINE),
            *(VERIFIED, DRILL_SUCCESS, DRILL_FAILURE, DRILL_DURATION, PROOF_MAX_AGE, PROOF_FIRST_DUE),
            *(COPY_SUCCESS, COPY_FAILURES, RPO_TARGET, RTO_TARGET),
        ),
    ),
    Group(
        title="Per server",
        about="WAL series exist where the server's WAL is archived, recoverable times where it "
        "has a physical plan.",
        metrics=(
            *(POSTGRES_UP, POSTGRES_UNREACHABLE, EARLIEST, LATEST, WINDOW_TARGET, PROVEN),
            *(WAL_RECEIVED, WAL_LAG_BYTES, WAL_LAG, WAL_MISSING, WAL_LAST_GAP),
            *(WAL_SEGMENTS, WAL_FAILURES, WAL_ARCHIVE, SLOT_ACTIVE, SLOT_RETAINED, SLOT_LIMIT, WAL_READY),
            *(ARCHIVER_ARCHIVED, ARCHIVER_FAILED),
        ),
    ),
    Group(
        title="Per server and storage",
        about="WAL in the further storages that it is copied to: those of the server's physical plans, or "
        "the ones that its settings name.",
        metrics=(
            *(WAL_COPY_UP, WAL_COPY_EARLIEST, WAL_COPY_LATEST, WAL_COPY_LAG, WAL_COPY_PENDING),
            *(WAL_COPY_MISSING, WAL_COPY_BYTES, WAL_COPY_SEGMENTS, WAL_COPY_FAILURES),
        ),
    ),
    Group(
        title="Per server and database",
        about="Restores of live databases, for each that was ever restored. `database` is the one that was "
        "backed up, empty for a whole server.",
        metrics=(RESTORE_SUCCESS, RESTORE_FAILURE, RESTORE_DURATION),
    ),
    Group(
        title="Disks",
        about="The folders of storages, and the catalog's where it lies outside them.",
        metrics=(DISK_FREE, DISK_SIZE, DISK_INODES, DISK_READONLY, DISK_NEXT_RUNS),
    ),
    Group(
        title="The exporter itself",
        about="The monitoring watches itself. A source that fails keeps its last timestamps "
        "and says so here.",
        metrics=(
            *(CATALOG_UP, CATALOG_BAD, SOURCE_UP, COLLECTOR_SUCCESS, COLLECTOR_DURATION, COLLECTOR_LAST),
            *(HEARTBEAT, PENDING, NOTIFICATION_FAILURES, RELOAD_SUCCESS, BUILD_INFO),
        ),
    ),
)

METRICS: Final = tuple(metric for group in GROUPS for metric in group.metrics)
