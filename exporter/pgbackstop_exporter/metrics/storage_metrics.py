"""Metrics of storages: the WAL in further ones, and disks."""

from __future__ import annotations

from typing import Final

from pgbackstop_exporter.metrics import metric

WAL_COPY_UP: Final = metric.wal_copy(
    "backup_wal_copy_up",
    "1 when the last try to copy WAL to the storage went well or had nothing to do.",
)
WAL_COPY_EARLIEST: Final = metric.wal_copy(
    "backup_wal_copy_earliest_recoverable_timestamp_seconds",
    "Earliest Unix time to which the server can be recovered from this storage alone; 0 = none.",
)
WAL_COPY_LATEST: Final = metric.wal_copy(
    "backup_wal_copy_latest_recoverable_timestamp_seconds",
    "Latest Unix time to which the server can be recovered from this storage alone, as when the backup host "
    "is lost; 0 = none.",
)
WAL_COPY_LAG: Final = metric.wal_copy(
    "backup_wal_copy_lag_seconds",
    "Seconds since that moment, computed at the scrape: what would be lost with the server and this host.",
)
WAL_COPY_PENDING: Final = metric.wal_copy(
    "backup_wal_copy_pending_segments",
    "Segments that are archived and not in the storage yet.",
)
WAL_COPY_MISSING: Final = metric.wal_copy(
    "backup_wal_copy_missing_segments",
    "Segments that are missing between those that the storage holds.",
)
WAL_COPY_HELD: Final = metric.wal_copy(
    "backup_wal_copy_held_segments",
    "Segments that no backup on this host needs any more, kept until this storage has them.",
    metric.EXPIRE,
)
WAL_COPY_GIVEN_UP: Final = metric.wal_copy(
    "backup_wal_copy_given_up_timestamp_seconds",
    "Unix time at which WAL that this storage needs and lacks was last removed from the archive: it waited "
    "as long as wal.hold_for_copies says, or the disk was nearly full; 0 = never.",
    metric.EXPIRE,
)
WAL_COPY_DAMAGED: Final = metric.wal_copy(
    "backup_wal_copy_damaged_segments",
    "Segments in the storage that were read back, are damaged or missing, and were not sent again.",
    metric.READINGS,
)
WAL_COPY_OLDEST_VERIFICATION: Final = metric.wal_copy(
    "backup_wal_copy_oldest_verification_timestamp_seconds",
    "Unix time at which that segment in the storage was read back, or archived, whose reading is the longest "
    "ago; absent where its WAL is not read again, by verify: false.",
    metric.READINGS,
)
WAL_COPY_BYTES: Final = metric.wal_copy("backup_wal_copy_bytes", "Stored bytes of WAL in the storage.")
WAL_COPY_SEGMENTS: Final = metric.counter(
    "backup_wal_copy_segments_total", metric.WAL_COPY, "Segments sent to the storage.", metric.WAL_COPIER
)
WAL_COPY_FAILURES: Final = metric.counter(
    "backup_wal_copy_failures_total",
    metric.WAL_COPY,
    "Failed tries to copy WAL to the storage.",
    metric.WAL_COPIER,
)
DISK_FREE: Final = metric.disk("disk_free_bytes", "Bytes that an unprivileged writer can still use.")
DISK_SIZE: Final = metric.disk("disk_size_bytes", "Size of the file system.")
DISK_INODES: Final = metric.disk(
    "disk_free_inodes",
    "Files that an unprivileged writer can still create; absent where files are not counted.",
)
DISK_READONLY: Final = metric.Metric(
    name="disk_readonly",
    kind="gauge",
    labels=metric.DISK,
    help="1 when the file system itself is read-only, not only the exporter's mount of it.",
    source="table of mounts",
    volatile=True,
)
DISK_NEXT_RUNS: Final = metric.Metric(
    name="disk_next_runs_bytes",
    kind="gauge",
    labels=metric.DISK,
    help="Bytes that the next run of each enabled plan writes to the disk, by the medians of those before; "
    "copies count too.",
    source="configuration and backup records",
)
UNCONFIGURED: Final = metric.Metric(
    name="backup_unconfigured_plan_bytes",
    kind="gauge",
    labels=("plan",),
    help="Stored bytes of kept backups of a plan that is not in the configuration: no retention lets any go.",
    source="configuration and backup records",
)

WAL_COPIES: Final = metric.Group(
    title="Per server and storage",
    about="WAL in the further storages that it is copied to: those of the server's physical plans, or "
    "the ones that its settings name.",
    metrics=(
        *(WAL_COPY_UP, WAL_COPY_EARLIEST, WAL_COPY_LATEST, WAL_COPY_LAG, WAL_COPY_PENDING),
        *(WAL_COPY_MISSING, WAL_COPY_HELD, WAL_COPY_GIVEN_UP),
        *(WAL_COPY_DAMAGED, WAL_COPY_OLDEST_VERIFICATION),
        *(WAL_COPY_BYTES, WAL_COPY_SEGMENTS, WAL_COPY_FAILURES),
    ),
)

DISKS: Final = metric.Group(
    title="Disks",
    about="The folders of storages, and the catalog's where it lies outside them.",
    metrics=(DISK_FREE, DISK_SIZE, DISK_INODES, DISK_READONLY, DISK_NEXT_RUNS),
)

UNCONFIGURED_PLANS: Final = metric.Group(
    title="Removed plans",
    about="Plans that were renamed or removed while their backups are kept.",
    metrics=(UNCONFIGURED,),
)
