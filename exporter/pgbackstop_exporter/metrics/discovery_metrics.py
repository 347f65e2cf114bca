"""Metrics of sources of servers."""

from __future__ import annotations

from typing import Final

from pgbackstop_exporter.metrics import metric

_SOURCE: Final = ("source",)
_FOUND: Final = "state of discovery"
SUCCESS: Final = metric.own(
    "backup_discovery_success", "1 when the source's list was last taken, 0 when not.", _FOUND, _SOURCE
)
LAST_SUCCESS: Final = metric.own(
    "backup_discovery_last_success_timestamp_seconds",
    "Unix time at which the source's list was last taken; 0 = never.",
    _FOUND,
    _SOURCE,
)
SERVERS: Final = metric.own(
    "backup_discovery_servers", "Servers of the source's list that was last taken.", _FOUND, _SOURCE
)
MAX_AGE: Final = metric.own(
    "backup_discovery_max_age_seconds",
    "Limit of the time since the source's list was last taken.",
    metric.CONFIG,
    _SOURCE,
)

GROUP: Final = metric.Group(
    title="Per source of servers",
    about="For each source under `discovery`. While its list is not taken, the servers of the last one stay.",
    metrics=(SUCCESS, LAST_SUCCESS, SERVERS, MAX_AGE),
)
