"""The first row: are we safe?"""

from __future__ import annotations

from typing import Final

import pgbackstop_catalog
from pgbackstop_dashboards import alerts, links, panels, promql, theme
from pgbackstop_dashboards.model import Panel, Query, Row, Word

VERSION: Final = pgbackstop_catalog.__version__
_NO_EXPORTER: Final = "no exporter"
_NO_PHYSICAL: Final = "no physical plan"


def row() -> Row:
    """State of every plan, how far back and how far forward one can recover, and what needs a person."""
    top = (_plans(), _from(), _until(), _proven(), _disk(), _next_run(), _alerts(), _versions())
    return Row(title="Are we safe?", panels=(*top, _firing()))


def _plans() -> Panel:
    return panels.stat(
        "State of every plan",
        "Late: the newest success is older than the plan allows, or a due run did not start. Failed: the "
        "newest attempt failed. Never: it was due and has never succeeded. Stuck: it runs and does not get "
        "on. Unknown: the exporter has not been able to read the catalog yet.",
        Query(expr=promql.state(), legend="{{plan}} {{database}}"),
        unit="short",
        width=24,
        height=5,
        words=theme.STATES,
        links=(links.detail_of_series(), *links.STATE_RUNBOOKS),
        no_value="nothing is known: is the exporter scraped?",
    )


def _window(title: str, description: str, metric: str) -> Panel:
    return panels.stat(
        title,
        description,
        Query(expr=promql.moment(promql.each_server(promql.server(metric))), legend="{{server}}"),
        unit="dateTimeFromNow",
        words=theme.NEVER,
        no_value=_NO_PHYSICAL,
    )


def _from() -> Panel:
    return _window(
        "Recoverable from",
        "The earliest moment to which each server can be recovered without a gap until the latest. "
        "Never: to no moment.",
        "backup_earliest_recoverable_timestamp_seconds",
    )


def _until() -> Panel:
    return _window(
        "Recoverable until",
        "The latest moment to which each server can be recovered. What was committed since would be lost. "
        "Never: to no moment.",
        "backup_latest_recoverable_timestamp_seconds",
    )


def _proven() -> Panel:
    return _window(
        "Proven until",
        "The latest moment to which a drill has really recovered the server. Never: no drill has.",
        "backup_proven_recoverable_timestamp_seconds",
    )


def _disk() -> Panel:
    return panels.stat(
        "Fullest disk",
        "Free share of the fullest disk that holds backups. Red below 10 %, where the alert fires.",
        Query(expr="min(disk_free_bytes / disk_size_bytes)", legend="free"),
        unit="percentunit",
        width=3,
        decimals=1,
        steps=theme.FREE_SPACE,
        links=(links.runbook("BackupDiskSpaceLow", "What to do when it is full"),),
        no_value=_NO_EXPORTER,
    )


def _next_run() -> Panel:
    enabled = f"{promql.plan('backup_enabled')} == 1"
    return panels.stat(
        "Next run",
        "When the next backup is due, of all plans that are not paused. In the past: it is late.",
        Query(
            expr=promql.moment(f"min({promql.plan('backup_next_run_timestamp_seconds')} and {enabled})"),
            legend="next run",
        ),
        unit="dateTimeFromNow",
        width=3,
        words=theme.NEVER,
        no_value="no plan is enabled",
    )


def _alerts() -> Panel:
    return panels.stat(
        "Firing alerts",
        "Alerts of pgbackstop that fire now; the table below names them. 0 also where Prometheus does not "
        "load the rules: then the alert Watchdog does not reach you either.",
        Query(expr=f"count({alerts.FIRING}) or vector(0)", legend="alerts"),
        unit="short",
        width=3,
        decimals=0,
        steps=theme.NONE_IS_GOOD,
    )


def _versions() -> Panel:
    differs = f'backup_exporter_build_info{{version!="{VERSION}"}}'
    return panels.stat(
        f"Version {VERSION}",
        f"Whether the exporter has the version of this dashboard, {VERSION}. Where they differ, panels may "
        "lack metrics: provision the dashboards of the exporter's version.",
        Query(expr=f"2 * max({differs}) or max(backup_exporter_build_info)", legend="exporter"),
        unit="short",
        width=3,
        words=(
            Word(value=1, text="as the exporter", colour=theme.GOOD),
            Word(value=2, text="exporter differs", colour=theme.WARN),
        ),
        no_value=_NO_EXPORTER,
    )


def _firing() -> Panel:
    named = {
        "alertname": "Alert",
        "severity": "Severity",
        "server": "Server",
        "plan": "Plan",
        "database": "Database",
        "path": "Disk",
    }
    return panels.table(
        "What fires",
        "Alerts of pgbackstop that fire now. The name leads to its runbook: what it means and what to do.",
        Query(expr=f"max by ({', '.join(named)}) ({alerts.FIRING})"),
        labels=named,
        height=5,
        columns=(panels.column("Alert", links=(links.runbook_of_row(),)),),
        no_value="nothing fires",
    )
