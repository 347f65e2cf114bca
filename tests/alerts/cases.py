"""What each alert does, as stories, all of them."""

from tests.alerts import (
    cases_backups,
    cases_disks,
    cases_fleet,
    cases_monitoring,
    cases_prometheus,
    cases_proofs,
    cases_results,
    cases_wal,
)

CASES = [
    *cases_backups.CASES,
    *cases_results.CASES,
    *cases_proofs.CASES,
    *cases_wal.CASES,
    *cases_disks.CASES,
    *cases_monitoring.CASES,
    *cases_fleet.CASES,
    *cases_prometheus.CASES,
]
# By its nature this one is never quiet.
NEVER_QUIET = {"Watchdog"}
