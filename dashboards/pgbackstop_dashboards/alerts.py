"""Which alerts are ours: a Prometheus that also watches other things has other alerts too."""

from __future__ import annotations

from typing import Final

# Watchdog always fires, so it is left out.
_OURS: Final = (
    "Backup.*|Recovery.*|Wal.*|PostgresUnreachable|Catalog.*|Collector.*|Scheduler.*|Notifications.*|"
    "Monitoring.*"
)

FIRING: Final = f'ALERTS{{alertstate="firing",alertname=~"{_OURS}"}}'
NAMES: Final = _OURS
