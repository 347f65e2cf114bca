"""What happened when, as marks over every panel with a time."""

from __future__ import annotations

from typing import Final

from pgbackstop_dashboards import alerts, promql, theme
from pgbackstop_dashboards.model import Annotation

_PLAN: Final = "{{plan}} {{database}}"


def _at(name: str, metric: str, title: str, colour: str, *, shown: bool = False) -> Annotation:
    """At each value that the timestamp has had. 0 is never, so it is no moment."""
    return Annotation(
        name=name,
        expr=promql.moment(f"({promql.plan(metric)} > 0)"),
        title=title,
        text=f"{_PLAN} on {{{{server}}}}",
        colour=colour,
        tags="plan,database,server",
        shown=shown,
    )


def _of_server(name: str, metric: str, title: str, colour: str) -> Annotation:
    """The same for what has no plan."""
    return Annotation(
        name=name,
        expr=promql.moment(f"({promql.database(metric)} > 0)"),
        title=title,
        text="{{database}} on {{server}}",
        colour=colour,
        tags="database,server",
    )


# Two are shown: marks of every good backup would bury the graphs. Alerts are marked where they begin, because
# Grafana looks at 100 moments of a page only and would draw a carpet of an alert that lasts.
SHOWN: Final = (
    Annotation(
        name="Critical alerts begin",
        expr=promql.moment(f"({alerts.since('critical')})"),
        title="{{alertname}}",
        text="{{severity}} {{plan}} {{database}} {{server}} {{path}} {{instance}}",
        colour=theme.BAD,
        tags="alertname,severity",
        shown=True,
    ),
    _at("Failures", "backup_last_failure_timestamp_seconds", "Backup failed", theme.WARN, shown=True),
)
ALL: Final = (
    *SHOWN,
    _at("Backups", "backup_last_success_time", "Backup succeeded", theme.GOOD),
    _of_server("Restores", "backup_restore_success_timestamp_seconds", "Restored", theme.BUSY),
    _of_server("Failed restores", "backup_restore_failure_timestamp_seconds", "Restore failed", "purple"),
    _at("Drills", "backup_drill_success_timestamp_seconds", "Restored in a drill", theme.BUSY),
    _at("Failed drills", "backup_drill_failure_timestamp_seconds", "Drill failed", "purple"),
)
