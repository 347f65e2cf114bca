"""Which alerts are ours: a Prometheus that also watches other things has other alerts too."""

from __future__ import annotations

from typing import Final

# Watchdog always fires, so it is left out.
NAMES: Final = (
    "Backup.*|Recovery.*|Wal.*|PostgresUnreachable|PostgresClockWrong|Catalog.*|Collector.*|Scheduler.*|"
    "Worker.*|Queue.*|Discovery.*|Notifications.*|Monitoring.*"
)
_FIRING: Final = f'alertstate="firing",alertname=~"{NAMES}"'
# Absent where Prometheus does not evaluate the rules, so that nothing fires whatever happens.
WATCHDOG: Final = 'ALERTS{alertname="Watchdog",alertstate="firing"}'


def firing(severity: str = "") -> str:
    """Alerts that fire now, of one severity or of any."""
    wanted = f',severity="{severity}"' if severity else ""
    return f"ALERTS{{{_FIRING}{wanted}}}"


def since(severity: str = "") -> str:
    """The same with the Unix time since which its condition holds as value."""
    name = f'{{alertname=~"{NAMES}"}}'
    return f"ALERTS_FOR_STATE{name} and ignoring (alertstate) {firing(severity)}"
