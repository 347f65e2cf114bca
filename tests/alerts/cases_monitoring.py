"""The monitoring watches itself."""

from tests.alerts.story import EXPORTER, HELD, HOUR, Case, plan, server

REFUSED = 'host="db.example",port="5432",reason="connection refused"'


def gone(series: str, **changed: str | float) -> dict[str, str | float]:
    """A plan whose series of success are given; the exporter and its catalog are well."""
    return {
        "backup_last_success_time": series,
        "backup_enabled": "1x120 _x600",
        "up": 1,
        "backup_catalog_up": 1,
        **changed,
    }


def by_a_clock(ahead: int) -> dict[str, str | float]:
    """A backup of the first minute and its age, by a clock that is so many minutes ahead."""
    return {
        "backup_last_success_time": 60,
        "backup_age_seconds": f"{ahead * 60 - 60}+60x600",
    }


CASES = [
    server(
        "PostgresUnreachable",
        "with host and reason",
        {
            "backup_postgres_up": "1x5 0x60",
            f"backup_postgres_unreachable_info{{{REFUSED}}}": "_x6 1x60",
        },
        {5: None, 12: "critical"},
    ),
    server("PostgresUnreachable", "down", {"backup_postgres_up": "1x5 0x60"}, {5: None, 12: "critical"}),
    server("PostgresUnreachable", "a restart", {"backup_postgres_up": "1x5 0x2 1x60"}, {7: None, 60: None}),
    server(
        "PostgresClockWrong",
        "ten minutes behind",
        {"backup_postgres_clock_offset_seconds": -600},
        {6: "warning"},
    ),
    server("PostgresClockWrong", "seconds ahead", {"backup_postgres_clock_offset_seconds": 9}, {60: None}),
    Case(alert="CatalogUnreadable", story="unreadable", series={"backup_catalog_up": 0}, at={6: "critical"}),
    Case(alert="CatalogUnreadable", story="readable", series={"backup_catalog_up": 1}, at={60: None}),
    Case(
        alert="CatalogDamaged",
        story="one file is no record",
        series={"backup_catalog_unreadable_records": 1},
        at={6: "warning"},
    ),
    Case(
        alert="CatalogDamaged",
        story="all are records",
        series={"backup_catalog_unreadable_records": 0},
        at={60: None},
    ),
    Case(
        alert="SchedulerDead",
        story="its heart stops after ten minutes",
        series={
            "backup_scheduler_heartbeat_timestamp_seconds": f"0+60x10 600{HELD}",
            "backup_catalog_up": 1,
        },
        at={10: None, 16: "critical"},
    ),
    Case(
        alert="SchedulerDead",
        story="nothing can be seen of it",
        series={"backup_scheduler_heartbeat_timestamp_seconds": 60, "backup_catalog_up": 0},
        at={60: None},
    ),
    Case(
        alert="CollectorStale",
        story="a disk that hangs",
        series={"backup_collector_last_success_timestamp_seconds": f"0+60x10 600{HELD}"},
        at={12: None, 22: "warning"},
        labels={"collector": "disk:/srv/backups"},
    ),
    Case(
        alert="CollectorStale",
        story="a server that is down has an alert of its own",
        series={"backup_collector_last_success_timestamp_seconds": 60},
        at={60: None},
        labels={"collector": "postgres:main"},
    ),
    Case(
        alert="CollectorStale",
        story="the exporter's clock is two hours behind, which has an alert of its own",
        series=by_a_clock(-2 * HOUR) | {"backup_collector_last_success_timestamp_seconds": "0x120 0+60x600"},
        at={180: None, 200: None},
        labels={"collector": "disk:/srv/backups"},
    ),
    *(
        plan("BackupExporterClockWrong", story, by_a_clock(minutes), {200: severity})
        for story, minutes, severity in (
            ("two hours behind", -2 * HOUR, "warning"),
            ("two hours ahead", 2 * HOUR, "warning"),
            ("a minute ahead", 1, None),
            ("right", 0, None),
        )
    ),
    plan(
        "BackupTimestampInFuture",
        "a year ahead",
        {"backup_last_success_time": 31536000},
        {6: "warning"},
    ),
    plan(
        "BackupTimestampInFuture",
        "clocks differ by seconds",
        {"backup_last_success_time": "20+60x60"},
        {30: None},
    ),
    Case(
        alert="NotificationsFailing",
        story="one waits for long",
        series={"backup_notifications_pending": 1},
        at={10: None, 16: "warning"},
    ),
    Case(
        alert="NotificationsFailing",
        story="one goes out at the second try",
        series={"backup_notifications_pending": "1x5 0x60"},
        at={5: None, 30: None},
    ),
    Case(
        alert="BackupMetricsAbsent",
        story="another exporter is all there is",
        series={"node_load1": 1},
        at={5: None, 11: "critical"},
    ),
    plan("BackupMetricsAbsent", "zero is a value", {"backup_last_success_time": 0}, {60: None}),
    Case(
        alert="BackupExporterDown",
        story="down",
        series={"up": 0},
        at={4: None, 6: "critical"},
        labels=EXPORTER,
    ),
    Case(alert="BackupExporterDown", story="up", series={"up": 1}, at={60: None}, labels=EXPORTER),
    Case(alert="Watchdog", story="always", series={"up": 1}, at={0: "none", 60: "none"}),
    plan(
        "BackupSeriesDisappeared",
        "a plan vanishes for good, which is told for an hour",
        gone("60x120 _x600"),
        {120: None, 130: None, 140: "warning", 120 + HOUR + 7: None},
    ),
    plan(
        "BackupSeriesDisappeared",
        "another host has a plan of that name",
        gone("60x120 _x600", **{'backup_last_success_time{instance="other:9853"}': 60}),
        {140: "warning"},
    ),
    plan(
        "BackupSeriesDisappeared",
        "a restart of the exporter",
        gone("60x120 _x8 60x600", backup_enabled=1, up="1x120 0x3 1x600"),
        dict.fromkeys(range(118, 200, 4)),
    ),
    plan(
        "BackupSeriesDisappeared",
        "the exporter is down, which has an alert of its own",
        gone("60x120 _x600", up="1x120 0x600"),
        {150: None},
    ),
    plan(
        "BackupSeriesDisappeared",
        "the catalog cannot be read since a restart, which has one too",
        gone("60x120 _x600", backup_catalog_up="1x120 0x600"),
        {150: None},
    ),
    plan(
        "BackupSeriesDisappeared",
        "a plan that was paused is removed",
        gone("60x120 _x600", backup_enabled="0x120 _x600"),
        {150: None},
    ),
    plan(
        "BackupTooOld",
        "a restart of the exporter does not end it",
        {
            "backup_last_success_time": "60x1559 _x8 60x600",
            "backup_max_age_seconds": 90000,
            "backup_enabled": 1,
        },
        {
            26 * HOUR - 1: "critical",
            26 * HOUR + 4: "critical",
            26 * HOUR + 8: "critical",
            27 * HOUR: "critical",
        },
    ),
    Case(
        alert="BackupConfigReloadFailed",
        story="a typing error, and its correction",
        series={"backup_config_last_reload_success": "1x5 0x30 1x60"},
        at={5: None, 12: "warning", 38: None},
    ),
]
