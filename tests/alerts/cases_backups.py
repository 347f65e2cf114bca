"""Alerts on runs of backups."""

from tests.alerts.story import DAY, HELD, HOUR, WEEKLY, Case, daily, plan, weekly

CASES = [
    plan("BackupTooOld", "a daily plan at 24 h 59 min", daily(), {24 * HOUR + 60: None}),
    plan(
        "BackupTooOld",
        "a daily plan at 25 h 06 min, and another host has a plan of that name with another limit",
        daily(**{'backup_max_age_seconds{instance="another:9853"}': 7200}),
        {25 * HOUR + 7: "critical"},
    ),
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
        daily(backup_last_success_time=0, **{'backup_failing_info{reason="rights"}': f"_x60 1{HELD}"}),
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
            **{'backup_failing_info{reason="space"}': "_x60 1x60"},
        ),
        {60: None, 62: "warning", 120: "warning", 123: None},
    ),
    plan(
        "BackupFailed",
        "the second failure in a row is critical",
        daily(
            backup_last_failure_timestamp_seconds=f"3660x60 7320{HELD}",
            backup_consecutive_failures=f"1x60 2{HELD}",
            **{'backup_failing_info{reason="rights"}': 1},
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
    plan(
        "BackupScheduleMissed",
        "a plan of that name runs on another host",
        daily(**{'backup_running{instance="other:9853"}': 1}),
        {DAY + 18: "warning"},
    ),
    plan("BackupScheduleMissed", "a paused plan", daily(backup_enabled=0), {DAY + HOUR: None}),
    plan(
        "BackupScheduleMissed",
        "recorded as missed, and forgotten after some hours",
        daily(
            backup_last_missed_timestamp_seconds=f"0x60 3660{HELD}", backup_next_run_timestamp_seconds=10**7
        ),
        {50: None, 70: "warning", 60 + 7 * HOUR: None},
    ),
]
