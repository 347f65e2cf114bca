"""Metrics of what the exporter reads, and of the exporter itself."""

from __future__ import annotations

from typing import Final

from pgbackstop_exporter.metrics import metric

CATALOG_UP: Final = metric.own(
    "backup_catalog_up", "1 when the catalog could be read, 0 when not.", "catalog"
)
CATALOG_BAD: Final = metric.own(
    "backup_catalog_unreadable_records",
    "Files in the catalog that are no records, or records of a newer version; they are passed over.",
    "catalog",
)
SOURCE_UP: Final = metric.own(
    "backup_source_up",
    "1 when the source of backup records could be read, 0 when not.",
    "catalog",
    ("source",),
)
COLLECTOR_SUCCESS: Final = metric.own(
    "backup_collector_success", "1 when the collector's last run ended well.", "exporter", ("collector",)
)
COLLECTOR_DURATION: Final = metric.own(
    "backup_collector_duration_seconds", "Wall time of the collector's last run.", "exporter", ("collector",)
)
COLLECTOR_LAST: Final = metric.own(
    "backup_collector_last_success_timestamp_seconds",
    "Unix time at which the collector last ended well; 0 = never.",
    "exporter",
    ("collector",),
)
HEARTBEAT: Final = metric.own(
    "backup_scheduler_heartbeat_timestamp_seconds",
    "Unix time of the scheduler's last sign of life; absent where no scheduler has ever run.",
    "state of the scheduler",
)
PENDING: Final = metric.own(
    "backup_notifications_pending", "Notifications that are not delivered yet.", "outbox"
)
NOTIFICATION_FAILURES: Final = metric.counter(
    "backup_notification_failures_total", ("channel",), "Failed tries to deliver a notification.", "outbox"
)
RELOAD_SUCCESS: Final = metric.own(
    "backup_config_last_reload_success",
    "1 when the configuration was last read without an error, 0 while an older one is in use.",
    metric.CONFIG,
)
BUILD_INFO: Final = metric.own(
    "backup_exporter_build_info",
    "Always 1; the labels name the exporter's version.",
    "exporter",
    ("version", "revision", "python_version"),
)

GROUP: Final = metric.Group(
    title="The exporter itself",
    about="The monitoring watches itself. A source that fails keeps its last timestamps and says so here.",
    metrics=(
        *(CATALOG_UP, CATALOG_BAD, SOURCE_UP, COLLECTOR_SUCCESS, COLLECTOR_DURATION, COLLECTOR_LAST),
        *(HEARTBEAT, PENDING, NOTIFICATION_FAILURES, RELOAD_SUCCESS, BUILD_INFO),
    ),
)
