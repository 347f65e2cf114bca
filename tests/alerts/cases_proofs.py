"""Alerts on proofs, copies and how far back one can recover."""

from tests.alerts.story import DAY, HELD, HOUR, WEEK, WEEKLY, Case, daily, lossy, plan, weekly

LIMIT = 8 * DAY
COPY = 'backup_copy_success_timestamp_seconds{storage="offsite"}'


def drilled(**changed: str | float) -> dict[str, str | float]:
    """Drilled at minute 60, as it was due; a proof is good for eight days."""
    return daily(
        **{
            "backup_drill_success_timestamp_seconds": HOUR * 60,
            "backup_drill_failure_timestamp_seconds": 0,
            "backup_proof_max_age_seconds": LIMIT * 60,
            "backup_proof_first_due_timestamp_seconds": 12 * HOUR * 60,
            **changed,
        }
    )


def without_drills(**changed: str | float) -> dict[str, str | float]:
    return {name: value for name, value in drilled(**changed).items() if "_proof_" not in name}


def copied(copy: str | float, **changed: str | float) -> dict[str, str | float]:
    """Backups complete at minutes 1 and 1441, and the copy's times are given."""
    return daily(**{"backup_last_success_time": f"60x1440 86460{HELD}", COPY: copy, **changed})


NEVER_COPIED = {"backup_last_success_time": 60.0, "backup_enabled": 1.0, COPY: 0.0}


def read(oldest: str | float, **changed: str | float) -> dict[str, str | float]:
    """Of what is kept, the one whose reading is the longest ago was read then; it may be 30 days old."""
    return daily(
        **{
            "backup_oldest_verification_timestamp_seconds": oldest,
            "backup_verification_max_age_seconds": 30 * 86400,
            **changed,
        }
    )


def copy_read(oldest: str | float, **changed: str | float) -> dict[str, str | float]:
    """The same of the copies in a further storage."""
    return daily(
        **{
            'backup_copy_oldest_verification_timestamp_seconds{storage="offsite"}': oldest,
            "backup_verification_max_age_seconds": 30 * 86400,
            **changed,
        }
    )


def window(
    earliest: str | float, first_due: float = 0, promised: float = 3 * WEEK * 60
) -> dict[str, str | float]:
    """A server with a weekly plan; its WAL archive reaches back to ``earliest``."""
    return {
        "backup_earliest_recoverable_timestamp_seconds": earliest,
        "backup_recovery_window_target_seconds": promised,
        'backup_first_due_timestamp_seconds{plan="weekly",database="",backup_type="physical"}': first_due,
        'backup_max_age_seconds{plan="weekly",database="",backup_type="physical"}': 630000,
    }


def recoverable(story: str, series: dict[str, str | float], at: dict[int, str | None]) -> Case:
    return Case(alert="RecoveryWindowShort", story=story, series=series, at=at, labels={"server": "main"})


CASES = [
    plan("BackupNotProven", "a proof of eight days", drilled(), {LIMIT + HOUR: None}),
    plan(
        "BackupNotProven",
        "an older proof",
        drilled(),
        {LIMIT + HOUR + 10: None, LIMIT + HOUR + 30: "warning"},
    ),
    plan(
        "BackupNotProven",
        "a new installation until its first drill was due",
        drilled(backup_drill_success_timestamp_seconds=0),
        {12 * HOUR: None},
    ),
    plan(
        "BackupNotProven",
        "the first drill was due long ago",
        drilled(backup_drill_success_timestamp_seconds=0),
        {LIMIT + 20: "warning"},
    ),
    plan(
        "BackupNotProven",
        "a first drill every day was due",
        drilled(backup_drill_success_timestamp_seconds=0, backup_proof_max_age_seconds=2 * 3600),
        {12 * HOUR: None, 12 * HOUR + 7: "warning"},
    ),
    plan("BackupNotProven", "a plan without drills", without_drills(), {2 * LIMIT: None}),
    plan("BackupNotProven", "a paused plan", drilled(backup_enabled=0), {2 * LIMIT: None}),
    plan(
        "BackupNotProven",
        "without a backup there is nothing to prove",
        drilled(backup_last_success_time=0, backup_drill_success_timestamp_seconds=0),
        {2 * LIMIT: None},
    ),
    Case(
        alert="BackupNotProven",
        story="monthly drills of a weekly plan",
        series={
            **weekly(backup_enabled=1),
            "backup_drill_success_timestamp_seconds": 3600,
            "backup_proof_max_age_seconds": 32 * 86400,
            "backup_proof_first_due_timestamp_seconds": 3600,
        },
        at={15 * DAY: None},
        labels=WEEKLY,
    ),
    plan("BackupNotReread", "read 30 days ago", read(-20 * 86400), {9 * DAY: None, 10 * DAY: None}),
    plan("BackupNotReread", "an hour more", read(-20 * 86400), {10 * DAY + HOUR: "warning"}),
    plan(
        "BackupNotReread",
        "a scrape is lost each five hours",
        {name: lossy(float(value), 5 * HOUR) for name, value in read(-31 * 86400).items()},
        {HOUR: "warning", 6 * HOUR: "warning"},
    ),
    plan("BackupNotReread", "it is read", read(f"{-31 * 86400}x60 3600{HELD}"), {60: "warning", 62: None}),
    plan(
        "BackupNotReread", "a paused plan keeps as much", read(-31 * 86400, backup_enabled=0), {1: "warning"}
    ),
    plan(
        "BackupNotReread",
        "nothing is read on a schedule",
        daily(backup_oldest_verification_timestamp_seconds=-90 * 86400),
        {20 * DAY: None},
    ),
    plan("BackupCopyNotReread", "read 30 days ago", copy_read(-20 * 86400), {9 * DAY: None, 10 * DAY: None}),
    plan("BackupCopyNotReread", "an hour more", copy_read(-20 * 86400), {10 * DAY + HOUR: "warning"}),
    plan(
        "BackupCopyNotReread",
        "it is read",
        copy_read(f"{-31 * 86400}x60 3600{HELD}"),
        {60: "warning", 62: None},
    ),
    plan(
        "BackupCopyNotReread",
        "nothing is read on a schedule",
        daily(**{'backup_copy_oldest_verification_timestamp_seconds{storage="offsite"}': -90 * 86400}),
        {20 * DAY: None},
    ),
    plan(
        "BackupDrillFailed",
        "it failed, and the next one was good",
        drilled(
            backup_drill_failure_timestamp_seconds=f"0x120 7200{HELD}",
            backup_drill_success_timestamp_seconds=f"3600x240 14400{HELD}",
        ),
        {119: None, 122: "critical", 240: "critical", 242: None},
    ),
    plan("BackupDrillFailed", "all were good", drilled(), {DAY: None}),
    plan(
        "BackupDrillFailed",
        "a plan whose drills were turned off",
        without_drills(backup_drill_failure_timestamp_seconds=7200),
        {DAY: None},
    ),
    plan(
        "BackupDrillFailed",
        "a paused plan",
        drilled(backup_drill_failure_timestamp_seconds=7200, backup_enabled=0),
        {DAY: None},
    ),
    plan(
        "BackupCopyMissing",
        "the second backup is not copied",
        copied(120),
        {DAY: None, DAY + 5 * HOUR + 59: None, DAY + 6 * HOUR + 3: "warning"},
    ),
    plan(
        "BackupCopyMissing",
        "nothing was ever copied, and a scrape is lost each five hours",
        {name: lossy(value, 5 * HOUR) for name, value in NEVER_COPIED.items()},
        {6 * HOUR - 1: None, 7 * HOUR: "warning", 10 * HOUR: "warning", 15 * HOUR: "warning"},
    ),
    plan(
        "BackupCopyMissing",
        "hourly backups of which none is copied",
        copied(0, backup_last_success_time=" ".join(f"{hour * 3600}x59" for hour in range(1, 40))),
        {5 * HOUR: None, 7 * HOUR: "warning", 20 * HOUR: "warning"},
    ),
    plan(
        "BackupCopyMissing",
        "it is copied five hours later",
        copied(f"120x{DAY + 5 * HOUR} {(DAY + 5 * HOUR) * 60}{HELD}"),
        {DAY + 5 * HOUR: None, DAY + 7 * HOUR: None},
    ),
    plan(
        "BackupCopyMissing",
        "nothing was ever copied, and then it is",
        copied(f"0x{8 * HOUR} {8 * HOUR * 60}{HELD}"),
        {5 * HOUR: None, 7 * HOUR: "warning", 8 * HOUR + 2: None},
    ),
    plan("BackupCopyMissing", "a paused plan", copied(0, backup_enabled=0), {DAY: None}),
    plan(
        "BackupCopyMissing",
        "hourly backups whose copies take half an hour",
        copied(
            " ".join(f"{hour * 3600 - 1800}x29 {hour * 3600 + 1800}x29" for hour in range(20)),
            backup_last_success_time=" ".join(f"{hour * 3600}x59" for hour in range(20)),
        ),
        {15 * HOUR + 10: None, 15 * HOUR + 40: None},
    ),
    recoverable(
        "a gap, long after the promise was kept",
        window(f"{-5 * WEEK * 60}x{6 * 24 * 14} {14 * 86400}{HELD}", first_due=-9 * WEEK * 60),
        {14 * DAY: None, 14 * DAY + 5 * HOUR: None, 14 * DAY + 7 * HOUR: "warning"},
    ),
    recoverable(
        "a gap on the first of these days",
        window(0, first_due=-9 * WEEK * 60),
        {5 * HOUR: None, 7 * HOUR: "warning"},
    ),
    recoverable(
        "a gap, while a scrape is lost each five hours",
        {name: lossy(float(value), 5 * HOUR) for name, value in window(0, first_due=-9 * WEEK * 60).items()},
        {5 * HOUR + 59: None, 7 * HOUR: "warning", 10 * HOUR: "warning", 15 * HOUR: "warning"},
    ),
    recoverable(
        "as far back as promised", window(-3 * WEEK * 60 - 60, first_due=-9 * WEEK * 60), {WEEK: None}
    ),
    recoverable("a new installation is not as old as the promise", window(3600), {2 * WEEK: None}),
    recoverable("to no moment at all, which other alerts tell", window(-(10**9), -(10**8)), {WEEK: None}),
]
