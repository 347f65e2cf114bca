"""The monitoring watches itself: whether what the other rows show is fresh."""

from __future__ import annotations

from pgbackstop_dashboards import links, panels, promql, theme
from pgbackstop_dashboards.model import Panel, Query, Row


def row() -> Row:
    """Collapsed, because it is looked at only when something is odd."""
    stats = (_catalog(), _sources(), _damaged(), _servers(), _daemon(), _reload(), _pending(), _failures())
    return Row(title="Exporter", panels=(*stats, _collectors(), _durations(), _version()), collapsed=True)


def _catalog() -> Panel:
    return panels.stat(
        "Catalog",
        "Whether the catalog can be read. Where not, the other rows show what was last known.",
        Query(expr="min(backup_catalog_up)", legend="catalog"),
        unit="short",
        width=3,
        words=theme.answers(yes="readable", no="unreadable", bad=0),
        links=(links.runbook("CatalogUnreadable", "What to do when it is not"),),
    )


def _sources() -> Panel:
    return panels.stat(
        "Sources of records",
        "Whether each source of backup records can be read.",
        Query(expr="min by (source) (backup_source_up)", legend="{{source}}"),
        unit="short",
        width=3,
        words=theme.answers(yes="readable", no="unreadable", bad=0),
    )


def _damaged() -> Panel:
    return panels.stat(
        "Damaged records",
        "Files in the catalog that are no records; they are passed over.",
        Query(expr="max(backup_catalog_unreadable_records)", legend="files"),
        unit="short",
        width=3,
        decimals=0,
        steps=theme.NONE_IS_GOOD,
        links=(links.runbook("CatalogDamaged", "What to do about them"),),
    )


def _servers() -> Panel:
    return panels.stat(
        "PostgreSQL",
        "Whether each server answers the exporter.",
        Query(expr=promql.each_server(promql.server("backup_postgres_up")), legend="{{server}}"),
        unit="short",
        width=3,
        words=theme.answers(yes="answers", no="silent", bad=0),
        links=(links.runbook("PostgresUnreachable", "What to do when it is silent"),),
    )


def _daemon() -> Panel:
    return panels.stat(
        "Daemon's last sign of life",
        "The daemon starts scheduled backups and receives WAL.",
        Query(expr=promql.moment("max(backup_scheduler_heartbeat_timestamp_seconds)"), legend="daemon"),
        unit="dateTimeFromNow",
        width=3,
        words=theme.NEVER,
        links=(links.runbook("SchedulerDead", "What to do when it is gone"),),
        no_value="no daemon has run",
    )


def _reload() -> Panel:
    return panels.stat(
        "Configuration",
        "Whether the configuration in use is the one in the file.",
        Query(expr="min(backup_config_last_reload_success)", legend="configuration"),
        unit="short",
        width=3,
        words=theme.answers(yes="as in the file", no="an older one", bad=0),
    )


def _pending() -> Panel:
    return panels.stat(
        "Undelivered notifications",
        "Notifications that are kept and tried again.",
        Query(expr="max(backup_notifications_pending)", legend="notifications"),
        unit="short",
        width=3,
        decimals=0,
        steps=theme.NONE_IS_GOOD,
        links=(links.runbook("NotificationsFailing", "What to do about them"),),
    )


def _failures() -> Panel:
    rate = "rate(backup_notification_failures_total[$__rate_interval])"
    return panels.stat(
        "Failed deliveries",
        "Failed tries to deliver a notification, a second, by channel.",
        Query(expr=f"sum by (channel) ({rate})", legend="{{channel}}"),
        unit="cps",
        width=3,
        no_value="none",
    )


def _collectors() -> Panel:
    return panels.table(
        "Collectors",
        "What the exporter reads, and when it last could.",
        Query(expr="min by (collector) (backup_collector_success)", column="Result"),
        Query(
            expr=promql.moment("max by (collector) (backup_collector_last_success_timestamp_seconds)"),
            column="Last success",
        ),
        Query(expr="max by (collector) (backup_collector_duration_seconds)", column="Took"),
        labels={"collector": "Collector"},
        width=10,
        columns=(
            panels.column(
                "Result",
                words=theme.answers(yes="well", no="failed", bad=0),
                links=(links.runbook("CollectorStale", "What to do when one fails"),),
            ),
            panels.column("Last success", unit="dateTimeFromNow", words=theme.NEVER),
            panels.column("Took", unit="s"),
        ),
    )


def _durations() -> Panel:
    return panels.lines(
        "Duration of collectors",
        "Wall time of each collector's last run. A scrape waits for none of them.",
        Query(expr="max by (collector) (backup_collector_duration_seconds)", legend="{{collector}}"),
        unit="s",
        width=8,
    )


def _version() -> Panel:
    return panels.table(
        "Versions of exporters",
        "Every exporter that is scraped, with its version.",
        Query(expr="max by (instance, version, revision, python_version) (backup_exporter_build_info)"),
        labels={
            "instance": "Exporter",
            "version": "Version",
            "revision": "Revision",
            "python_version": "Python",
        },
        width=6,
    )
