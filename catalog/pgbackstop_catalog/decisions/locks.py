"""Storages in which nothing can be deleted before its time: object lock, immutable containers. Pure.

That something may not be deleted yet is a state, and nothing that failed.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from pgbackstop_catalog import units
from pgbackstop_catalog.config.configuration import Config
from pgbackstop_catalog.config.storage import AnyStorage
from pgbackstop_catalog.records.copy import Copy


def locked_until(storage: AnyStorage, stored_at: datetime, now: datetime) -> datetime | None:
    """Until when what was stored then cannot be deleted; None where it can be now."""
    if storage.locked_for is None:
        return None
    until = stored_at + timedelta(seconds=storage.locked_for)
    return until if until > now else None


def of_copy(storage: AnyStorage, copy: Copy, now: datetime) -> datetime | None:
    """The same of a copy: its last file was stored when it was finished."""
    return locked_until(storage, copy.finished_at or copy.started_at, now)


def contradictions(config: Config, now: datetime) -> Iterator[str]:
    """A sentence for each storage whose lock is longer than what it has is to be kept."""
    for name, plan in config.plans.items():
        interval = plan.effective_schedule().interval(now).total_seconds()
        for storage in plan.copies:
            where = config.storages[storage]
            kept = (where.keep or plan.effective_keep()).reach(interval)
            if where.locked_for is not None and where.locked_for > kept + interval:
                held, lock = units.format_duration(kept), units.format_duration(where.locked_for)
                yield (
                    f"Copies of plan {name} in {storage} are kept for {held} or a little longer, and cannot "
                    f"be deleted for {lock}: they stay until then, and cost their room."
                )
