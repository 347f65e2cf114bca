"""The metrics of sources of servers: pure, from a snapshot."""

from __future__ import annotations

from pgbackstop_exporter.families.samples import Families, labels
from pgbackstop_exporter.metrics import discovery_metrics
from pgbackstop_exporter.snapshot import Snapshot


def add(families: Families, snapshot: Snapshot) -> None:
    """Every series of every source that is configured."""
    configured = snapshot.settings.config.discovery
    for name, facts in snapshot.discovery.items():
        where = labels(source=name)
        families.add(discovery_metrics.SUCCESS, where, facts.success)
        families.add(discovery_metrics.LAST_SUCCESS, where, facts.last_success)
        families.add(discovery_metrics.SERVERS, where, facts.servers)
        if name in configured:
            families.add(discovery_metrics.MAX_AGE, where, configured[name].max_age)
