"""What happened when, as marks over every panel with a time."""

from __future__ import annotations

from typing import Final

from pgbackstop_dashboards import alerts, promql, theme
from pgbackstop_dashboards.model import Annotation

_PLAN: Final = "{{plan}} {{database}}"
_TAGS: Final = "plan,database,server"


def _at(name: str, metric: str, title: str, colour: str) -> Annotation:
    """At each value that the timestamp has had. 0 is never, so it is no moment."""
    return Annotation(
        name=name,
        expr=promql.moment(f"({promql.plan(metric)} > 0)"),
        title=title,
        text=f"{_PLAN} on {{{{server}}}}",
        colour=colour,
        at_value=True,
        tags=_TAGS,
    )


def _of_server(name: str, metric: str, title: str, colour: str) -> Annotation:
    """The same for what has no plan."""
    return Annotation(
        name=name,
        expr=promql.moment(f"({promql.database(metric)} > 0)"),
        title=title,
        text="{{database}} on {{server}}",
        colour=colour,
        at_value=True,
        tags="database,server",
    )


ALL: Final = (
    _at("Backups", "backup_last_success_time", "Backup succeeded", theme.GOOD),
    _at("Failures", "backup_last_failure_timestamp_seconds", "Backup failed", theme.BAD),
    _of_server("Restores", "backup_restore_success_timestamp_seconds", "Restored", theme.BUSY),
    _of_server("Failed restores", "backup_restore_failure_timestamp_seconds", "Restore failed", "purple"),
    _at("Drills", "backup_drill_success_timestamp_seconds", "Restored in a drill", theme.BUSY),
    _at("Failed drills", "backup_drill_failure_timestamp_seconds", "Drill failed", "purple"),
    Annotation(
        name="Alerts",
        expr=alerts.FIRING,
        title="{{alertname}}",
        text="{{severity}} {{plan}} {{database}} {{server}} {{path}}",
        colour=theme.WARN,
        at_value=False,
        tags="alertname,severity",
    ),
)
