"""Where a reader can go from here: the other dashboards, the runbooks, the reference."""

from __future__ import annotations

from typing import Final

from pgbackstop_dashboards.model import Link

STATUS_UID: Final = "pgbackstop-backup-status"
PLAN_UID: Final = "pgbackstop-backup-plan"
HISTORY_UID: Final = "pgbackstop-backup-history"
FLEET_UID: Final = "pgbackstop-backup-fleet"
PROJECT: Final = "https://github.com/pgbackstop/pgbackstop/blob/main"
RUNBOOKS: Final = f"{PROJECT}/alerts/runbooks"

_KEPT: Final = "${datasource:queryparam}&${__url_time_range}"
_ROW: Final = (
    f"/d/{PLAN_UID}?{_KEPT}&var-instance=${{__data.fields.Exporter}}&var-server=${{__data.fields.Server}}"
    "&var-plan=${__data.fields.Plan}&var-backup_type=$__all"
)


def plan_of_row() -> Link:
    """The plan of a row of a table, whose columns are named so. Without its database: where all rows are of
    whole servers there is no such column, and Grafana leaves ``${…}`` as it is.
    """
    return Link(title="This plan in detail", url=_ROW)


def database_of_row() -> Link:
    """The same from the cell of its database."""
    return Link(title="This database in detail", url=f"{_ROW}&var-database=${{__value.text}}")


def runbook(alert: str, title: str) -> Link:
    """What to do about one alert."""
    return Link(title=title, url=f"{RUNBOOKS}/{alert}.md", new_tab=True)


def runbook_of_row() -> Link:
    """What to do about the alert that a cell names."""
    return Link(title="What to do: ${__value.raw}", url=f"{RUNBOOKS}/${{__value.raw}}.md", new_tab=True)


STATE_RUNBOOKS: Final = (
    runbook("BackupTooOld", "What to do when it is late"),
    runbook("BackupStuck", "What to do when it is stuck"),
    runbook("BackupFailed", "What to do when it failed"),
    runbook("BackupNeverSucceeded", "What to do when it never succeeded"),
    runbook("BackupScheduleMissed", "What to do when it did not start"),
    runbook("BackupFilesMissing", "What to do when files are gone"),
    runbook("BackupDamaged", "What to do when a stored backup is damaged"),
)

TROUBLE_RUNBOOKS: Final = (
    *STATE_RUNBOOKS,
    runbook("BackupDrillFailed", "What to do when a drill failed"),
    runbook("BackupDataVanished", "What to do when rows vanished"),
    runbook("PostgresUnreachable", "What to do when a server is silent"),
    runbook("WalReceiverDown", "What to do when nobody receives WAL"),
    runbook("WalLagging", "What to do when WAL is behind"),
    runbook("WalGap", "What to do when WAL has gaps"),
    runbook("BackupDiskSpaceLow", "What to do when a disk is full"),
    runbook("BackupDiskReadonly", "What to do when a disk is read-only"),
    runbook("CatalogUnreadable", "What to do when a catalog cannot be read"),
    runbook("SchedulerDead", "What to do when a daemon is dead"),
    runbook("QueueWithoutWorker", "What to do when a queue has no worker"),
)

OUTSIDE: Final = (
    Link(title="Runbooks", url=RUNBOOKS, new_tab=True),
    Link(title="What the metrics mean", url=f"{PROJECT}/docs/reference/metrics.md", new_tab=True),
)
