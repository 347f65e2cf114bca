"""What each alert does, as stories: the samples that come in, and when it fires and when it stays quiet.

Time 0 is the beginning of Unix time, and minutes count from there, so a moment of 60 is one minute later.
A value may be promtool's shorthand: `0+60x20` rises by 60 twenty times, `_x5` is five times nothing.
"""

from dataclasses import dataclass, field

HOUR = 60
DAY = 24 * HOUR
WEEK = 7 * DAY
HELD = "x3000"  # as long as any story that counts in minutes
PLAN = {"plan": "daily", "server": "main", "database": "shop", "backup_type": "logical"}
WEEKLY = {"plan": "weekly", "server": "main", "database": "", "backup_type": "physical"}
EXPORTER = {"job": "pgbackstop", "instance": "backup:9853"}
SERVER = {"server": "main"}
DISK = {"path": "/srv/backups"}


@dataclass(frozen=True, kw_only=True)
class Case:
    """One story. `at` maps minutes to the severity that fires then, or None where nothing does."""

    alert: str
    story: str
    series: dict[str, str | float]
    at: dict[int, str | None]
    labels: dict[str, str] = field(default_factory=dict)


def daily(**changed: str | float) -> dict[str, str | float]:
    """A daily plan that first was due after an hour and that succeeds at minute 1, unless changed."""
    return {
        "backup_last_success_time": 60,
        "backup_last_failure_timestamp_seconds": 0,
        "backup_consecutive_failures": 0,
        "backup_max_age_seconds": 90000,
        "backup_schedule_interval_seconds": 86400,
        "backup_first_due_timestamp_seconds": 3600,
        "backup_next_run_timestamp_seconds": 60 + 86400,
        "backup_missed_runs_total": 0,
        "backup_enabled": 1,
        "backup_running": 0,
        **changed,
    }


def weekly(**changed: str | float) -> dict[str, str | float]:
    """A weekly plan with the limit that follows from its schedule: a week, 6 h to run, 1 h of grace."""
    return daily(
        **{
            "backup_max_age_seconds": 630000,
            "backup_schedule_interval_seconds": 604800,
            "backup_next_run_timestamp_seconds": 60 + 604800,
            **changed,
        }
    )


def plan(alert: str, story: str, series: dict[str, str | float], at: dict[int, str | None]) -> Case:
    return Case(alert=alert, story=story, series=series, at=at, labels=PLAN)


def server(alert: str, story: str, series: dict[str, str | float], at: dict[int, str | None]) -> Case:
    return Case(alert=alert, story=story, series=series, at=at, labels=SERVER)


CASES = [
    plan("BackupTooOld", "a daily plan at 24 h 59 min", daily(), {24 * HOUR + 60: None}),
    plan("BackupTooOld", "a daily plan at 25 h 06 min", daily(), {25 * HOUR + 7: "critical"}),
    plan(
        "BackupTooOld",
        "a daily plan clears after it succeeds",
        daily(backup_last_success_time="60x1559 93600x600"),
        {26 * HOUR - 1: "critical", 27 * HOUR: None},
    ),
    Case(
        alert="BackupTooOld",
        story="a weekly plan on day 3, and on day 8",
        series=weekly(),
        at={3 * DAY: None, 8 * DAY: "critical"},
        labels=WEEKLY,
    ),
    plan("BackupTooOld", "a paused plan", daily(backup_enabled=0), {3 * DAY: None}),
    plan("BackupTooOld", "a plan that never succeeded", daily(backup_last_success_time=0), {3 * DAY: None}),
    plan(
        "BackupNeverSucceeded",
        "nothing succeeded since the first run was due",
        daily(backup_last_success_time=0),
        {1 * HOUR + 59: None, 2 * HOUR + 7: "critical"},
    ),
    Case(
        alert="BackupNeverSucceeded",
        story="a weekly plan may run for six hours",
        series=weekly(backup_last_success_time=0),
        at={7 * HOUR: None, 8 * HOUR + 7: "critical"},
        labels=WEEKLY,
    ),
    plan("BackupNeverSucceeded", "it succeeded long ago", daily(), {9 * DAY: None}),
    plan(
        "BackupNeverSucceeded",
        "a paused plan",
        daily(backup_last_success_time=0, backup_enabled=0),
        {9 * DAY: None},
    ),
    plan(
        "BackupFailed",
        "one failure, which the next success clears",
        daily(
            backup_last_failure_timestamp_seconds=f"0x60 3660{HELD}",
            backup_consecutive_failures="0x60 1x60 0x600",
            backup_last_success_time="60x120 7320x600",
        ),
        {60: None, 62: "warning", 120: "warning", 123: None},
    ),
    plan(
        "BackupFailed",
        "the second failure in a row is critical",
        daily(
            backup_last_failure_timestamp_seconds=f"3660x60 7320{HELD}",
            backup_consecutive_failures=f"1x60 2{HELD}",
        ),
        {30: "warning", 62: "critical"},
    ),
    plan(
        "BackupFailed",
        "a paused plan",
        daily(backup_last_failure_timestamp_seconds=3660, backup_consecutive_failures=2, backup_enabled=0),
        {DAY: None},
    ),
    plan("BackupFailed", "no failure", daily(), {DAY: None}),
    plan("BackupScheduleMissed", "before it is due", daily(), {DAY: None}),
    plan("BackupScheduleMissed", "14 minutes late", daily(), {DAY + 15: None}),
    plan("BackupScheduleMissed", "17 minutes late", daily(), {DAY + 18: "warning"}),
    plan("BackupScheduleMissed", "late because it runs", daily(backup_running=1), {DAY + HOUR: None}),
    plan("BackupScheduleMissed", "a paused plan", daily(backup_enabled=0), {DAY + HOUR: None}),
    plan(
        "BackupScheduleMissed",
        "recorded as missed, and forgotten after some hours",
        daily(backup_missed_runs_total=f"0x60 1{HELD}", backup_next_run_timestamp_seconds=10**7),
        {50: None, 70: "warning", 60 + 7 * HOUR: None},
    ),
    server("WalReceiverDown", "nobody is connected", {"backup_wal_slot_active": 0}, {6: "critical"}),
    server("WalReceiverDown", "reconnects", {"backup_wal_slot_active": "1x5 0x3 1x60"}, {9: None, 20: None}),
    server(
        "WalLagging",
        "far behind for long",
        {"backup_wal_lag_bytes": 10**8, "backup_wal_lag_seconds": "0+60x60"},
        {5: None, 12: "warning"},
    ),
    server(
        "WalLagging",
        "an idle server",
        {"backup_wal_lag_bytes": 0, "backup_wal_lag_seconds": "0+60x60"},
        {60: None},
    ),
    server(
        "WalLagging",
        "a burst",
        {"backup_wal_lag_bytes": 10**9, "backup_wal_lag_seconds": 2},
        {60: None},
    ),
    server(
        "WalGap",
        "a gap, until a base backup",
        {"backup_wal_missing_segments": "2x9 0x60"},
        {5: "critical", 20: None},
    ),
    server(
        "WalSlotRetention",
        "over the limit",
        {"backup_wal_slot_retained_bytes": 2 * 10**10, "backup_wal_slot_limit_bytes": 10**10},
        {6: "warning"},
    ),
    server(
        "WalSlotRetention",
        "under the limit",
        {"backup_wal_slot_retained_bytes": 10**9, "backup_wal_slot_limit_bytes": 10**10},
        {60: None},
    ),
    Case(
        alert="BackupDiskSpaceLow",
        story="9 % free",
        series={"disk_free_bytes": 9, "disk_size_bytes": 100},
        at={4: None, 6: "critical"},
        labels=DISK,
    ),
    Case(
        alert="BackupDiskSpaceLow",
        story="11 % free",
        series={"disk_free_bytes": 11, "disk_size_bytes": 100},
        at={60: None},
        labels=DISK,
    ),
    server("PostgresUnreachable", "down", {"backup_postgres_up": "1x5 0x60"}, {5: None, 12: "critical"}),
    server("PostgresUnreachable", "a restart", {"backup_postgres_up": "1x5 0x2 1x60"}, {7: None, 60: None}),
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
]
# By its nature this one is never quiet.
NEVER_QUIET = {"Watchdog"}
