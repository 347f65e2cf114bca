"""Alerts on what a running or finished backup looks like beside those before it."""

from tests.alerts.story import DAY, HELD, HOUR, Case, daily, plan

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


def stands_still(**changed: str | float) -> dict[str, str | float]:
    return {**running(), "backup_progress_timestamp_seconds": HOUR * 60, **changed}


def sizes(**changed: str | float) -> dict[str, str | float]:
    """A backup of the usual size, from a source of the usual size."""
    return daily(
        **{
            "backup_size_bytes": 100 * MB,
            "backup_size_baseline_bytes": 100 * MB,
            "backup_source_size_bytes": 400 * MB,
            "backup_source_size_baseline_bytes": 400 * MB,
            **changed,
        }
    )


def took(seconds: float, usual: float, **changed: str | float) -> dict[str, str | float]:
    return daily(backup_duration_seconds=seconds, backup_duration_baseline_seconds=usual, **changed)


def kept(
    available: float, runs: float, failures: float = 0, **changed: str | float
) -> dict[str, str | float]:
    return daily(
        **{
            "backup_available": available,
            "backup_keep_minimum": 2,
            "backup_runs_total": runs,
            'backup_run_failures_total{reason="tool"}': failures,
            'backup_run_failures_total{reason="space"}': 0,
            **changed,
        }
    )


def _size(story: str, fires: bool, **changed: str | float) -> Case:
    return plan("BackupSizeAnomaly", story, sizes(**changed), {HOUR: "warning" if fires else None})


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
    plan("BackupTooFewKept", "as many as wanted", kept(2, 9), {HOUR: None}),
    plan("BackupTooFewKept", "one was removed by hand", kept(1, 9), {4: None, 6: "warning"}),
    plan("BackupTooFewKept", "a new plan has made one", kept(1, 1), {HOUR: None}),
    plan("BackupTooFewKept", "a new plan failed often", kept(1, 9, 8), {HOUR: None}),
    plan("BackupTooFewKept", "it failed often, and a good one was lost", kept(1, 9, 7), {HOUR: "warning"}),
    plan("BackupTooFewKept", "a paused plan", kept(1, 9, backup_enabled=0), {HOUR: None}),
    _size("as usual", False),
    _size("51 % of its usual size", False, backup_size_bytes=51 * MB),
    _size("49 % of its usual size", True, backup_size_bytes=49 * MB),
    _size(
        "half of the usual, because half of the source is gone",
        True,
        backup_size_bytes=40 * MB,
        backup_source_size_bytes=160 * MB,
    ),
    _size("190 % of its usual size", False, backup_size_bytes=190 * MB),
    _size("210 % from the same source", True, backup_size_bytes=210 * MB),
    _size(
        "210 % from a source that grew", False, backup_size_bytes=210 * MB, backup_source_size_bytes=800 * MB
    ),
    _size("the usual size from a source three times as big", True, backup_source_size_bytes=1200 * MB),
    _size("a few rows more or less", False, backup_size_bytes=900_000, backup_size_baseline_bytes=300_000),
    _size("all rows are gone", True, backup_size_bytes=1000),
    _size("a paused plan", False, backup_size_bytes=10 * MB, backup_enabled=0),
    plan(
        "BackupSizeAnomaly",
        "incremental backups have no usual size",
        {
            name: value
            for name, value in sizes(backup_size_bytes=10 * MB).items()
            if name != "backup_source_size_baseline_bytes"
        },
        {HOUR: None},
    ),
    plan(
        "BackupSizeAnomaly",
        "the usual size follows after some more backups",
        sizes(backup_size_bytes=40 * MB, backup_size_baseline_bytes=f"{100 * MB}x60 {40 * MB}{HELD}"),
        {HOUR: "warning", HOUR + 5: None},
    ),
    plan("BackupDurationAnomaly", "as usual", took(3600, 3600), {HOUR: None}),
    plan("BackupDurationAnomaly", "1 h 59 min, usual is 1 h", took(7140, 3600), {HOUR: None}),
    plan("BackupDurationAnomaly", "2 h 01 min, usual is 1 h", took(7260, 3600), {HOUR: "warning"}),
    plan("BackupDurationAnomaly", "9 min, usual is 10 s", took(540, 10), {HOUR: None}),
    plan("BackupDurationAnomaly", "11 min, usual is 10 s", took(660, 10), {HOUR: "warning"}),
    plan("BackupDurationAnomaly", "a paused plan", took(7260, 3600, backup_enabled=0), {DAY: None}),
]
