"""Alerts on WAL."""

from tests.alerts.story import HELD, HOUR, SERVER, Case, server

HELD_AT_2 = "2x60"

LONG_AGO = 31 * 86400
NOT_READ: dict[str, str | float] = {
    "backup_wal_oldest_verification_timestamp_seconds": -LONG_AGO,
    'backup_verification_max_age_seconds{plan="weekly",database="",backup_type="physical"}': 30 * 86400,
    'backup_verification_max_age_seconds{plan="daily",database="shop",backup_type="logical"}': 30 * 86400,
}
OLDEST_COPY = 'backup_wal_copy_oldest_verification_timestamp_seconds{storage="offsite"}'

CASES = [
    server("WalNotReread", "not for a month, on a server of two plans", NOT_READ, {5: "warning"}),
    server(
        "WalNotReread",
        "it is read",
        {**NOT_READ, "backup_wal_oldest_verification_timestamp_seconds": f"-{LONG_AGO}x60 0{HELD}"},
        {HOUR - 5: "warning", HOUR + 5: None},
    ),
    Case(
        alert="WalCopyNotReread",
        story="not for a month, on a server of two plans, and then it is read",
        series={
            **NOT_READ,
            OLDEST_COPY: f"-{LONG_AGO}x60 0{HELD}",
        },
        at={5: "warning", HOUR + 5: None},
        labels=SERVER,
    ),
    server(
        "WalNotReread",
        "nothing is read on a schedule",
        {"backup_wal_oldest_verification_timestamp_seconds": -LONG_AGO},
        {HOUR: None},
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
    Case(
        alert="WalCopyBehind",
        story="the storage is out of reach",
        series={
            'backup_wal_copy_lag_seconds{storage="offsite"}': "0+60x60",
            "backup_wal_lag_seconds": HELD_AT_2,
        },
        at={14: None, 17: "warning", 60: "warning"},
        labels=SERVER,
    ),
    Case(
        alert="WalCopyBehind",
        story="nothing arrives here either, which others tell",
        series={
            'backup_wal_copy_lag_seconds{storage="offsite"}': "20+60x60",
            "backup_wal_lag_seconds": "0+60x60",
        },
        at={60: None},
        labels=SERVER,
    ),
    Case(
        alert="WalCopyBehind",
        story="one of two storages",
        series={
            'backup_wal_copy_lag_seconds{storage="near"}': "20x60",
            'backup_wal_copy_lag_seconds{storage="offsite"}': "1200x5 20x60",
            "backup_wal_lag_seconds": HELD_AT_2,
        },
        at={3: "warning", 10: None},
        labels=SERVER,
    ),
    Case(
        alert="WalCopyGap",
        story="given up an hour ago, and never again",
        series={'backup_wal_copy_given_up_timestamp_seconds{storage="offsite"}': f"0x60 3600{HELD}"},
        at={HOUR - 1: None, HOUR + 2: "warning", 20 * HOUR: "warning", 26 * HOUR: None},
        labels=SERVER,
    ),
    Case(
        alert="WalCopyDamaged",
        story="damaged, and sent again an hour later",
        series={'backup_wal_copy_damaged_segments{storage="offsite"}': f"0x5 2x60 0{HELD}"},
        at={8: None, 20: "warning", 60: "warning", 70: None},
        labels=SERVER,
    ),
    server(
        "WalGap",
        "a gap, until a base backup",
        {"backup_wal_missing_segments": "2x9 0x60"},
        {5: "critical", 20: None},
    ),
    server(
        "WalGap",
        "a gap that was healed before anybody saw it",
        {
            "backup_earliest_recoverable_timestamp_seconds": 640,
            "backup_wal_missing_segments": 0,
            "backup_wal_last_gap_timestamp_seconds": f"0x9 600{HELD}",
        },
        {5: None, 11: "warning", 6 * HOUR: "warning", 6 * HOUR + 12: None},
    ),
    server(
        "WalGap",
        "a gap that is not healed yet is told once",
        {"backup_wal_missing_segments": 2, "backup_wal_last_gap_timestamp_seconds": 60},
        {5: "critical", HOUR: "critical"},
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
]
