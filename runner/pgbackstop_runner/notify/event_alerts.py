"""Events as alerts of Alertmanager's API v2: what they are called there, and which others they end. Pure.

https://github.com/prometheus/alertmanager/blob/main/api/v2/openapi.yaml
"""

from __future__ import annotations

from datetime import datetime

from pgbackstop_catalog.model import format_time
from pgbackstop_runner.notify.events import Event, Kind, Severity

ALERT_NAMES: dict[Kind, str] = {
    "backup-succeeded": "BackupFinished",
    "backup-failed": "BackupRunFailed",
    "backup-missed": "BackupRunMissed",
    "backup-damaged": "BackupDamaged",
    "damage-acknowledged": "BackupDamagedAcknowledged",
    "copy-damaged": "BackupCopyDamaged",
    "data-vanished": "DataVanished",
    "data-acknowledged": "DataVanishedAcknowledged",
    "restore-started": "RestoreStarted",
    "restore-succeeded": "RestoreFinished",
    "restore-failed": "RestoreFailed",
    "drill-succeeded": "DrillFinished",
    "drill-failed": "DrillFailed",
    "test": "BackupNotificationTest",
}
_RUNBOOKS = "https://github.com/pgbackstop/pgbackstop/blob/main/alerts/runbooks/"
_RUNBOOK_OF: dict[Kind, str] = {
    "backup-failed": "BackupFailed",
    "backup-missed": "BackupScheduleMissed",
    "backup-damaged": "BackupDamaged",
    "copy-damaged": "BackupCopyDamaged",
    "data-vanished": "BackupDataVanished",
    "drill-failed": "BackupDrillFailed",
}
# What good news puts right: a backup that saw data vanish is a good backup.
_BACKED_UP: tuple[tuple[str, Severity], ...] = (
    ("BackupRunFailed", "warning"),
    ("BackupRunFailed", "critical"),
    ("BackupRunMissed", "warning"),
)
_MENDED: dict[Kind, tuple[tuple[str, Severity], ...]] = {
    "backup-succeeded": _BACKED_UP,
    "data-vanished": _BACKED_UP,
    "data-acknowledged": (("DataVanished", "critical"),),
    "damage-acknowledged": (("BackupDamaged", "critical"),),
    "drill-succeeded": (("DrillFailed", "warning"), ("DrillFailed", "critical")),
}


def to_alert(notice: Event, now: datetime) -> dict[str, object]:
    """An alert of Alertmanager's API v2.

    One that waited until after its end gets its length anew: Alertmanager takes an alert that ends in the
    past as resolved, and tells nobody of one that it has not seen before.
    """
    length = notice.ends_at - notice.starts_at
    return _alert(notice, ALERT_NAMES[notice.kind], notice.severity, max(notice.ends_at, now + length))


def ends(notice: Event) -> list[dict[str, object]]:
    """The alerts that this puts right, ended: of its database, and of the whole plan, which has none.

    Send only those that Alertmanager has: it would tell people of the end of what they never heard of.
    """
    scopes = [notice.evolve(database=database) for database in dict.fromkeys((notice.database, ""))]
    return [
        _alert(scope.evolve(summary=_again(scope)), name, severity, notice.starts_at)
        for scope in scopes
        for name, severity in _MENDED.get(notice.kind, ())
    ]


def _alert(notice: Event, name: str, severity: Severity, ends_at: datetime) -> dict[str, object]:
    labels = {
        "alertname": name,
        "plan": notice.plan,
        "server": notice.server,
        "database": notice.database,
        "backup_type": notice.backup_type,
        "backup": notice.backup,
        "storage": notice.storage,
        "severity": severity,
    }
    annotations = {
        "summary": notice.summary,
        "description": notice.description,
        "dashboard_url": _dashboard(notice),
    }
    runbook = _RUNBOOK_OF.get(notice.kind)
    if runbook is not None:
        annotations["runbook_url"] = f"{_RUNBOOKS}{runbook}.md"
    return {
        # Alertmanager refuses empty label values in some versions and drops them in others.
        "labels": {label: value for label, value in labels.items() if value},
        "annotations": annotations,
        "startsAt": format_time(notice.starts_at),
        "endsAt": format_time(ends_at),
    }


def _dashboard(notice: Event) -> str:
    """Where Grafana shows it, from Grafana's address on, as the rules of Prometheus say it."""
    if not notice.server:
        return "/d/pgbackstop-backup-status"
    if not notice.plan:
        return f"/d/pgbackstop-backup-status?var-server={notice.server}"
    return f"/d/pgbackstop-backup-plan?var-server={notice.server}&var-plan={notice.plan}"


def _again(notice: Event) -> str:
    if notice.kind in {"data-acknowledged", "damage-acknowledged"}:
        return notice.summary
    what = "Drills" if notice.kind == "drill-succeeded" else "Backups"
    target = (
        f"database {notice.database} on {notice.server}" if notice.database else f"server {notice.server}"
    )
    return f"{what} of {target} (plan {notice.plan}) succeed again"
