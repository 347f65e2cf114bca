"""Alerts on WAL."""

from tests.alerts.story import server

CASES = [
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
]
