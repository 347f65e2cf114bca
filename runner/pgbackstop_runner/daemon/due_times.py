"""What the records say of due times, and the records that only the daemon can write."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from pgbackstop_catalog import errors
from pgbackstop_catalog.config.plan import Plan
from pgbackstop_catalog.records.attempt import Reason, Status
from pgbackstop_catalog.records.backup import Backup
from pgbackstop_catalog.records.ids import begun_at, new_id
from pgbackstop_catalog.store.protocol import Catalog
from pgbackstop_runner.daemon.plan_state import CREDIBLE, Missed, Order
from pgbackstop_runner.system import origin

# Exit statuses of what a signal ended.
KILLED = (-9, -15, -2, -1, errors.Interrupted.exit_code)
_REASONS = {
    errors.ConfigError.exit_code: Reason.CONFIGURATION,
    errors.NotFound.exit_code: Reason.CONFIGURATION,
    errors.CatalogError.exit_code: Reason.STORAGE,
    errors.ServerUnreachable.exit_code: Reason.UNREACHABLE,
}
# A record's message is for a person; the log has everything.
_MOST_WORDS = 2000


def newest_due(catalog: Catalog, plan: str, now: datetime) -> datetime | None:
    """The newest due time on record; the ones of a clock that was wrong do not count.

    Records come newest first and no run starts before its due time, so the search ends with the first
    record that is no newer than what was found.
    """
    found: datetime | None = None
    for record in catalog.backups(plan):
        if found is not None and record.started_at <= found:
            break
        due = record.scheduled_for
        if due is not None and due - now <= CREDIBLE and (found is None or due > found):
            found = due
    return found


def of_order(catalog: Catalog, order: Order, started: datetime) -> tuple[Backup, ...]:
    """The records that a run has made since ``started``; an id says whole seconds."""
    since = started.replace(microsecond=0)
    found = []
    for record in catalog.backups(order.plan):
        if begun_at(record.id) < since:
            break
        if record.trigger == order.trigger and record.scheduled_for == order.due:
            found.append(record)
    return tuple(found)


def is_told(records: Sequence[Backup]) -> bool:
    """Whether the records of a run say how it ended: with a backup of each of its databases, or not well."""
    if any(record.status is not Status.SUCCEEDED for record in records):
        return True
    return bool(records) and len(records) >= _databases(records)


def _databases(records: Iterable[Backup]) -> int:
    """Of how many databases a run was to make backups; of a version that did not say so: what it made."""
    return max((record.run_databases or 1 for record in records), default=1)


def missed(plan: Plan, missed: Missed, now: datetime) -> Backup:
    """One record for all of them, dated by the newest."""
    one = missed.runs == 1
    message = (
        f"{'A run was' if one else f'{missed.runs} runs were'} due and did not start"
        f"{'' if one else ', the last of them'} at {missed.newest:%Y-%m-%d %H:%M} UTC: {missed.reason}."
    )
    return _record(missed.plan, plan, now).evolve(
        status=Status.MISSED,
        trigger="schedule",
        scheduled_for=missed.newest,
        missed_runs=missed.runs,
        message=message,
    )


def lost(
    plan: Plan, order: Order, now: datetime, *, made: Sequence[Backup], exit_code: int, words: str
) -> Backup:
    """The record of a run whose process ended before its records told of that; ``made`` are those it left."""
    how = f"was ended by signal {-exit_code}" if exit_code < 0 else f"ended with exit status {exit_code}"
    last = words.strip()[-_MOST_WORDS:] or "it said nothing"
    when = f"after {len(made)} of {_databases(made)} databases" if made else "before it could record anything"
    killed = exit_code in KILLED
    reason = Reason.INTERRUPTED if killed else _REASONS.get(exit_code, Reason.INTERNAL)
    return _record(order.plan, plan, now).evolve(
        status=Status.INTERRUPTED if killed else Status.FAILED,
        trigger=order.trigger,
        scheduled_for=order.due,
        reason=reason,
        message=f"The backup's process {how} {when}: {last}",
    )


def abandoned(plan: Plan, order: Order, now: datetime, *, message: str) -> Backup:
    """The record of a run that ended with what watched over it, before it could make one."""
    return _record(order.plan, plan, now).evolve(
        status=Status.INTERRUPTED,
        trigger=order.trigger,
        scheduled_for=order.due,
        reason=Reason.INTERRUPTED,
        message=message,
    )


def _record(name: str, plan: Plan, now: datetime) -> Backup:
    return Backup(
        id=new_id(now),
        plan=name,
        server=plan.server,
        backup_type=plan.backup_type,
        status=Status.FAILED,
        started_at=now,
        finished_at=now,
        duration_seconds=0.0,
        **origin.here(),
    )
