"""Every metric, in the groups of the reference."""

from __future__ import annotations

from typing import Final

from pgbackstop_exporter.metrics import (
    discovery_metrics,
    exporter_metrics,
    plan_metrics,
    server_metrics,
    storage_metrics,
    worker_metrics,
)

GROUPS: Final = (
    plan_metrics.GROUP,
    server_metrics.GROUP,
    storage_metrics.WAL_COPIES,
    server_metrics.RESTORES,
    storage_metrics.DISKS,
    storage_metrics.UNCONFIGURED_PLANS,
    discovery_metrics.GROUP,
    worker_metrics.GROUP,
    exporter_metrics.GROUP,
)
METRICS: Final = tuple(metric for group in GROUPS for metric in group.metrics)
