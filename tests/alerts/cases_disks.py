"""Alerts on disks. A gigabyte is the unit of these stories; sawteeth are those of a weekly backup."""

from tests.alerts.story import DAY, DISK, HELD, HOUR, WEEK, Case, lossy

GB = 10**9
STEPS = 6 * 24  # of ten minutes a day: stories of days are told in those


def disk(alert: str, story: str, series: dict[str, str | float], at: dict[int, str | None]) -> Case:
    return Case(alert=alert, story=story, series=series, at=at, labels=DISK)


def falling(start: float, a_day: float, days: int) -> str:
    """Free space that falls by so much a day."""
    return f"{start * GB:.0f}-{a_day * GB / STEPS:.0f}x{days * STEPS}"


def weekly_sawtooth(free: float, backup: float, weeks: int) -> str:
    """Each Sunday a backup is written in two hours, and the oldest one is removed after it."""
    week = f"{free * GB:.0f}x{7 * STEPS - 14} {free * GB:.0f}-{backup * GB / 12:.0f}x12"
    return " ".join([week] * weeks)


CASES = [
    Case(
        alert="BackupDiskSpaceLow",
        story="9 % free, and another host has much of an equal path",
        series={
            "disk_free_bytes": 9,
            "disk_size_bytes": 100,
            'disk_free_bytes{instance="another:9853"}': 838e9,
            'disk_size_bytes{instance="another:9853"}': 1e12,
        },
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
    disk(
        "BackupDiskFilling",
        "full in three days",
        {"disk_free_bytes": falling(160, 10, 16)},
        {13 * DAY: "warning"},
    ),
    disk(
        "BackupDiskFilling",
        "full in three weeks",
        {"disk_free_bytes": falling(350, 10, 16)},
        {15 * DAY: None},
    ),
    disk(
        "BackupDiskFilling",
        "its first days say nothing",
        {"disk_free_bytes": falling(100, 10, 9)},
        {8 * DAY: None},
    ),
    disk(
        "BackupDiskFilling",
        "the sawtooth of a weekly backup",
        {"disk_free_bytes": weekly_sawtooth(120, 100, 3)},
        {day * DAY: None for day in range(12, 21)},
    ),
    disk(
        "BackupDiskFilling",
        "at the bottom of the sawtooth",
        {"disk_free_bytes": weekly_sawtooth(120, 100, 3)},
        {2 * WEEK - 20: None, 2 * WEEK: None, 2 * WEEK + 2 * HOUR: None},
    ),
    disk(
        "BackupWillNotFit",
        "1.2 times what the next runs need is more than is free",
        {"disk_next_runs_bytes": 100 * GB, "disk_free_bytes": 119 * GB},
        {HOUR - 1: None, HOUR + 1: "warning"},
    ),
    disk(
        "BackupWillNotFit",
        "it just fits",
        {"disk_next_runs_bytes": 100 * GB, "disk_free_bytes": 121 * GB},
        {DAY: None},
    ),
    disk(
        "BackupWillNotFit",
        "a running backup takes the room for half an hour",
        {"disk_next_runs_bytes": 100 * GB, "disk_free_bytes": f"{130 * GB}x60 {90 * GB}x30 {130 * GB}{HELD}"},
        {90: None, DAY: None},
    ),
    disk(
        "BackupWillNotFit",
        "a scrape is lost each 50 minutes",
        {"disk_next_runs_bytes": lossy(100 * GB, 50), "disk_free_bytes": lossy(119 * GB, 50)},
        {HOUR - 1: None, 3 * HOUR: "warning", 3 * HOUR + 23: "warning"},
    ),
    disk(
        "BackupDiskFilling",
        "something writes 30 GB an hour",
        {"disk_free_bytes": f"{600 * GB}x60 {600 * GB}-{GB // 2}x1140"},
        {2 * HOUR: None, 5 * HOUR: "critical", 12 * HOUR: "critical"},
    ),
    disk(
        "BackupDiskFilling",
        "a backup of five hours takes the room, and the oldest is removed after it",
        {
            "disk_free_bytes": f"{600 * GB}x60 {600 * GB}-{GB}x300 {600 * GB}{HELD}",
            "backup_running": "0x60 1x300 0x600",
        },
        {4 * HOUR: None, 6 * HOUR: None, 7 * HOUR: None, 9 * HOUR: None},
    ),
    disk(
        "BackupDiskFilling",
        "each day's backup stays, and is written within an hour",
        {"disk_free_bytes": f"{600 * GB}x60 {600 * GB}-{GB}x50 {550 * GB}x600"},
        {2 * HOUR: None, 2 * HOUR + 30: None, 3 * HOUR: None, 4 * HOUR: None},
    ),
    disk("BackupDiskReadonly", "read-only", {"disk_readonly": 1}, {4: None, 6: "critical"}),
    disk("BackupDiskReadonly", "writable", {"disk_readonly": 0}, {DAY: None}),
]
