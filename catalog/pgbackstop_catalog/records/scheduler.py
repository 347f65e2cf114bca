"""The daemon's own record, from which the exporter tells whether it lives, and what it expects."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from pgbackstop_catalog.model import Count, Model, UtcTime
from pgbackstop_catalog.records.attempt import Name


class Counted(Model):
    """Since when the due times of a plan's schedule count; earlier ones were never missed."""

    schedule: str = Field(description="expression and time zone; another one counts anew")
    since: UtcTime


class SchedulerState(Model):
    """``state/scheduler.json`` in the catalog, rewritten every few seconds."""

    record_version: Literal[1] = 1
    kind: Literal["scheduler"] = "scheduler"
    pid: Count
    host: str
    started_at: UtcTime
    heartbeat_at: UtcTime
    first_seen: dict[Name, UtcTime] = Field(
        default_factory=dict, description="when each plan was first scheduled; kept across restarts"
    )
    counted: dict[Name, Counted] = Field(
        default_factory=dict,
        description="since when due times count, by plan; a paused plan is not here, so it begins anew",
    )
    next_runs: dict[Name, UtcTime] = Field(
        default_factory=dict, description="the next due time that is not handled yet, by plan"
    )
    stopped_at: UtcTime | None = None
