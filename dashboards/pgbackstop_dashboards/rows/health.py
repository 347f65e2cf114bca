"""The monitoring watches itself: whether what the other rows show is fresh."""

from __future__ import annotations

from typing import Final

import pgbackstop_catalog
from pgbackstop_dashboards import links, panels, promql, theme
from pgbackstop_dashboards.model import Panel, Query, Row, Word

VERSION: Final = pgbackstop_catalog.__version__


def row() -> Row:
    """Collapsed, because it is looked at only when something is odd."""
    stats = (_sources(), _damaged(), _daemon(), _reload(), _pending(), _failures(), _versions_agree())
    return Row(title="Exporter", panels=(*stats, _collectors(), _durations(), _versions()), collapsed=True)


def _sources() -> Panel:
    up = promql.exporter("backup_source_up")
    return panels.stat(
        "Sources of records",
        "Whether each source of backup records can be read. Where not, the page shows what was last known.",
        Query(expr=f"min by ({promql.EXPORTER_LABELS}, source) ({up})", legend="{{source}}"),
        unit="short",
        width=3,
        words=theme.answers(yes="readable", no="unreadable", bad=0),
    )


def _damaged() -> Panel:
    return panels.stat(
        "Damaged records",
        "Files in the catalog that are no records; they are passed over.",
        Query(expr=f"max({promql.exporter('backup_catalog_unreadable_records')})", legend="files"),
        unit="short",
        width=3,
        decimals=0,
        steps=theme.NONE_IS_GOOD,
        links=(links.runbook("CatalogDamaged", "What to do about them"),),
    )


def _daemon() -> Panel:
    heart = promql.exporter("backup_scheduler_heartbeat_timestamp_seconds")
    return panels.stat(
        "Daemon's silence of its limit",
        "The daemon starts scheduled backups and receives WAL. At 100 % it has shown no sign of life for "
        "two minutes, and the alert SchedulerDead counts it.",
        Query(expr=f"max(time() - {heart}) / 120", legend="daemon"),
        unit="percentunit",
        width=4,
        decimals=0,
        steps=theme.LIMIT,
        links=(links.runbook("SchedulerDead", "What to do when it is gone"),),
    )


def _reload() -> Panel:
    return panels.stat(
        "Configuration",
        "Whether the configuration in use is the one in the file.",
        Query(expr=f"min({promql.exporter('backup_config_last_reload_success')})", legend="configuration"),
        unit="short",
        width=4,
        words=theme.answers(yes="as in the file", no="an older one", bad=0),
        links=(links.runbook("BackupConfigReloadFailed", "What to do when it is older"),),
    )


def _pending() -> Panel:
    return panels.stat(
        "Undelivered notifications",
        "Notifications that are kept and tried again.",
        Query(expr=f"max({promql.exporter('backup_notifications_pending')})", legend="notifications"),
        unit="short",
        width=3,
        decimals=0,
        steps=theme.NONE_IS_GOOD,
        links=(links.runbook("NotificationsFailing", "What to do about them"),),
    )


def _failures() -> Panel:
    failures = promql.exporter("backup_notification_failures_total")
    none = promql.constant(0, promql.any_exporter())
    return panels.stat(
        "Failed deliveries",
        "Failed tries to deliver a notification since the outbox was made, by channel.",
        Query(expr=f"sum by (channel) ({failures}) or {none}", legend="{{channel}}"),
        unit="short",
        width=3,
        decimals=0,
    )


def _versions_agree() -> Panel:
    differs = promql.exporter("backup_exporter_build_info", f'version!="{VERSION}"')
    return panels.stat(
        f"Version {VERSION}",
        f"Whether the exporter has the version of this dashboard, {VERSION}. Where they differ, panels may "
        "lack metrics: provision the dashboards of the exporter's version.",
        Query(expr=f"2 * max({differs}) or max({promql.any_exporter()})", legend="exporter"),
        unit="short",
        width=4,
        words=(
            Word(value=1, text="as the exporter", colour=theme.GOOD),
            Word(value=2, text="exporter differs", colour=theme.WARN),
        ),
    )


def _collectors() -> Panel:
    by = f"{promql.EXPORTER_LABELS}, collector"
    success = promql.exporter("backup_collector_success")
    last = promql.exporter("backup_collector_last_success_timestamp_seconds")
    return panels.table(
        "Collectors",
        "What the exporter reads, and when it last could.",
        Query(expr=f"1 - min by ({by}) ({success})", column="Result"),
        Query(expr=promql.moment(f"max by ({by}) ({last})"), column="Last success"),
        Query(expr=f"max by ({by}) ({promql.exporter('backup_collector_duration_seconds')})", column="Took"),
        labels={"collector": "Collector", "instance": "Exporter"},
        width=9,
        columns=(
            panels.column("Collector", 230),
            panels.column(
                "Result",
                75,
                words=theme.answers(yes="failed", no="well", bad=1),
                links=(links.runbook("CollectorStale", "What to do when one fails"),),
            ),
            panels.moment("Last success", 130),
            panels.column("Took", 80, unit="s", decimals=2),
            panels.column("Exporter", 140),
        ),
        sort_by="Result",
    )


def _durations() -> Panel:
    took = promql.exporter("backup_collector_duration_seconds")
    return panels.lines(
        "Duration of collectors",
        "Wall time of each collector's last run. A scrape waits for none of them.",
        Query(expr=f"max by ({promql.EXPORTER_LABELS}, collector) ({took})", legend="{{collector}}"),
        unit="s",
        width=8,
    )


def _versions() -> Panel:
    by = f"{promql.EXPORTER_LABELS}, version, revision, python_version"
    return panels.table(
        "Versions of exporters",
        "Every exporter that is scraped, with its version.",
        Query(expr=f"max by ({by}) ({promql.any_exporter()})"),
        labels={
            "instance": "Exporter",
            "version": "Version",
            "revision": "Revision",
            "python_version": "Python",
        },
        width=7,
        columns=(
            panels.column("Exporter", 180),
            panels.column("Version", 90),
            panels.column("Revision", 130),
            panels.column("Python", 90),
        ),
        sort_by="Version",
    )
