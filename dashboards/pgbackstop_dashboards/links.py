"""Where a reader can go from here: the other dashboard, the runbooks, the reference."""

from __future__ import annotations

from typing import Final

from pgbackstop_dashboards.model import Link

STATUS_UID: Final = "pgbackstop-backup-status"
PLAN_UID: Final = "pgbackstop-backup-plan"
PROJECT: Final = "https://github.com/pgbackstop/pgbackstop/blob/main"
RUNBOOKS: Final = f"{PROJECT}/alerts/runbooks"


def _detail(server: str, plan: str) -> Link:
    """With all databases of the plan: Prometheus has no label for a whole server, and Grafana leaves ``${…}``
    as it is where there is no label.
    """
    kept = "${datasource:queryparam}&${__url_time_range}"
    return Link(title="This plan in detail", url=f"/d/{PLAN_UID}?{kept}&var-server={server}&var-plan={plan}")


def detail_of_row() -> Link:
    """The plan of a row of a table, whose columns are named so."""
    return _detail("${__data.fields.Server}", "${__data.fields.Plan}")


def detail_of_series() -> Link:
    """The plan of a series."""
    return _detail("${__field.labels.server}", "${__field.labels.plan}")


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
)

OUTSIDE: Final = (
    Link(title="Runbooks", url=RUNBOOKS, new_tab=True),
    Link(title="What the metrics mean", url=f"{PROJECT}/docs/reference/metrics.md", new_tab=True),
)
