"""Alerts on what a running or finished backup looks like beside those before it."""

from tests.alerts.story import DAY, HELD, HOUR, daily, plan

MB = 10**6


def running(**changed: str | float) -> dict[str, str | float]:
    """A backup that started at minute 60, may take six hours, and half an hour without a byte."""
    return daily(
        backup_running=1,
        backup_running_start_timestamp_seconds=HOUR * 60,
        backup_progress_timestamp_seconds=f"3600x60 3660+60{HELD}",
        backup_progress_bytes=50,
        backup_progress_expected_bytes=100,
        backup_max_duration_seconds=6 * 3600,
        backup_stall_timeout_seconds=1800,
        **changed,
    )


def copy_damaged(copies: str | float, **changed: str | float) -> dict[str, str | float]:
    """So many copies in a further storage were found damaged."""
    return daily(**{'backup_copy_damaged{storage="offsite"}': copies, **changed})


def stands_still(**changed: str | float) -> dict[str, str | float]:
    return {**running(), "backup_progress_timestamp_seconds": HOUR * 60, **changed}


def sizes(size: float, **changed: str | float) -> dict[str, str | float]:
    """A backup of that many megabytes, where 100 are expected."""
    return daily(**{"backup_size_bytes": size * MB, "backup_size_expected_bytes": 100 * MB, **changed})


def took(seconds: float, usual: float, **changed: str | float) -> dict[str, str | float]:
    return daily(backup_duration_seconds=seconds, backup_duration_baseline_seconds=usual, **changed)


def kept(available: float, **changed: str | float) -> dict[str, str | float]:
    return daily(backup_available=available, backup_keep_minimum=2, **changed)


CASES = [
    plan(
        "BackupStuck",
        "no byte for half an hour",
        stands_still(),
        {HOUR + 34: None, HOUR + 36: "warning"},
    ),
    plan("BackupStuck", "bytes come until the end of its time", running(), {HOUR * 7: None}),
    plan(
        "BackupStuck", "it runs longer than it may", running(), {HOUR * 7 + 4: None, HOUR * 7 + 6: "warning"}
    ),
    plan(
        "BackupStuck",
        "all bytes are there, and it is read back",
        stands_still(backup_progress_bytes=95),
        {HOUR * 6: None},
    ),
    plan(
        "BackupStuck",
        "nobody knows how much is to come",
        {name: value for name, value in stands_still().items() if "expected" not in name},
        {HOUR + 34: None, HOUR + 36: "warning"},
    ),
    plan(
        "BackupStuck",
        "it ends",
        stands_still(
            backup_progress_timestamp_seconds="3600x100 _x600",
            backup_running_start_timestamp_seconds="3600x100 _x600",
        ),
        {100: "warning", 106: None},
    ),
    plan("BackupFilesMissing", "all are there", daily(backup_missing=0), {HOUR: None}),
    plan("BackupFilesMissing", "one was removed by hand", daily(backup_missing=1), {4: None, 6: "critical"}),
    plan(
        "BackupFilesMissing",
        "between the removal of an expired one and its record",
        daily(backup_missing=f"0x60 1x2 0{HELD}"),
        {HOUR + 2: None, HOUR + 10: None},
    ),
    plan(
        "BackupFilesMissing",
        "it was put back",
        daily(backup_missing=f"1x60 0{HELD}"),
        {HOUR: "critical", HOUR + 5: None},
    ),
    plan("BackupDamaged", "what was read is as it was stored", daily(backup_damaged=0), {DAY: None}),
    plan(
        "BackupDamaged",
        "one is found at night, and stays damaged",
        daily(backup_damaged=f"0x60 1{HELD}", backup_available=6),
        {HOUR: None, HOUR + 2: "critical", DAY: "critical"},
    ),
    plan(
        "BackupDamaged",
        "the only one",
        daily(backup_damaged=1, backup_available=0, backup_enabled=0),
        {1: "critical"},
    ),
    plan(
        "BackupDamaged",
        "somebody acknowledged it, or put the file back",
        daily(backup_damaged=f"2x60 0{HELD}"),
        {HOUR: "critical", HOUR + 2: None},
    ),
    plan(
        "BackupCopyDamaged",
        "one is found at night, and made anew with the next backup",
        copy_damaged(f"0x60 1x{DAY} 0{HELD}", backup_available=6),
        {HOUR: None, HOUR + 2: "warning", DAY: "warning", DAY + HOUR + 5: None},
    ),
    plan(
        "BackupCopyDamaged",
        "two, of a plan that is paused and has no good backup any more",
        copy_damaged(2, backup_available=0, backup_enabled=0),
        {1: "warning"},
    ),
    plan("BackupDataVanished", "no rows vanished", daily(backup_vanished_tables=0), {DAY: None}),
    plan("BackupDataVanished", "a plan that counts no rows", daily(), {DAY: None}),
    plan("BackupDataVanished", "a table was emptied", daily(backup_vanished_tables=1), {1: "critical"}),
    plan(
        "BackupDataVanished",
        "a paused plan has lost no less",
        daily(backup_vanished_tables=2, backup_enabled=0),
        {1: "critical"},
    ),
    plan(
        "BackupDataVanished",
        "somebody acknowledged it",
        daily(backup_vanished_tables=f"3x60 0{HELD}"),
        {HOUR: "critical", HOUR + 2: None},
    ),
    plan("BackupTooFewKept", "as many as wanted", kept(2), {HOUR: None}),
    plan("BackupTooFewKept", "one was removed by hand", kept(1), {4: None, 6: "warning"}),
    plan("BackupTooFewKept", "a new plan has not made so many", daily(backup_available=1), {HOUR: None}),
    plan("BackupTooFewKept", "a paused plan", kept(1, backup_enabled=0), {HOUR: None}),
    plan("BackupSizeAnomaly", "as expected", sizes(100), {HOUR: None}),
    plan("BackupSizeAnomaly", "51 % of what is expected", sizes(51), {HOUR: None}),
    plan("BackupSizeAnomaly", "49 % of what is expected", sizes(49), {HOUR: "warning"}),
    plan("BackupSizeAnomaly", "190 % of what is expected", sizes(190), {HOUR: None}),
    plan("BackupSizeAnomaly", "210 % of what is expected", sizes(210), {HOUR: "warning"}),
    plan(
        "BackupSizeAnomaly",
        "a few rows more in a small database",
        sizes(0.9, backup_size_expected_bytes=300_000),
        {HOUR: None},
    ),
    plan("BackupSizeAnomaly", "all rows are gone", sizes(0.001), {HOUR: "warning"}),
    plan("BackupSizeAnomaly", "a paused plan", sizes(10, backup_enabled=0), {HOUR: None}),
    plan(
        "BackupSizeAnomaly",
        "of an incremental backup nothing is expected",
        daily(backup_size_bytes=10 * MB),
        {HOUR: None},
    ),
    plan(
        "BackupSizeAnomaly",
        "what is expected follows after some more backups",
        sizes(40, backup_size_expected_bytes=f"{100 * MB}x60 {40 * MB}{HELD}"),
        {HOUR: "warning", HOUR + 5: None},
    ),
    plan("BackupDurationAnomaly", "as usual", took(3600, 3600), {HOUR: None}),
    plan("BackupDurationAnomaly", "1 h 59 min, usual is 1 h", took(7140, 3600), {HOUR: None}),
    plan("BackupDurationAnomaly", "2 h 01 min, usual is 1 h", took(7260, 3600), {HOUR: "warning"}),
    plan("BackupDurationAnomaly", "9 min, usual is 10 s", took(540, 10), {HOUR: None}),
    plan("BackupDurationAnomaly", "11 min, usual is 10 s", took(660, 10), {HOUR: "warning"}),
    plan("BackupDurationAnomaly", "a paused plan", took(7260, 3600, backup_enabled=0), {DAY: None}),
]
