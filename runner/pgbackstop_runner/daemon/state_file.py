"""What the daemon must know after a restart, and tells the exporter: ``state/scheduler.json``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from pgbackstop_catalog import errors
from pgbackstop_catalog.config.configuration import Config
from pgbackstop_catalog.config.plan import Plan
from pgbackstop_catalog.records import codec
from pgbackstop_catalog.records.scheduler import Counted, SchedulerState
from pgbackstop_catalog.store import atomic
from pgbackstop_runner.daemon.plan_state import CREDIBLE
from pgbackstop_runner.system import log, origin
from pgbackstop_runner.system.state_folder import StateFolder


@dataclass(frozen=True, kw_only=True)
class SchedulerFacts:
    """Since when each plan is known, and since when its due times count."""

    first_seen: Mapping[str, datetime]
    counted: Mapping[str, Counted]


def recall(
    config: Config, before: SchedulerFacts, *, now: datetime, newest_due: Mapping[str, datetime] | None = None
) -> SchedulerFacts:
    """What is known of the plans of ``config``, after what was known before.

    Due times count from when a plan was first seen, was resumed, or got another schedule: what a
    schedule would have asked for earlier was not missed. ``newest_due`` are due times on record, which
    stand in where the file was lost.
    """
    on_record = newest_due or {}
    return SchedulerFacts(
        first_seen={name: before.first_seen.get(name, on_record.get(name, now)) for name in config.plans},
        counted={
            name: _counted(plan, before.counted.get(name), since=now)
            if name in before.first_seen
            else Counted(schedule=written(plan), since=on_record.get(name, now))
            for name, plan in config.plans.items()
            if plan.enabled
        },
    )


def believed(known: SchedulerFacts, now: datetime) -> SchedulerFacts:
    """The same without times more than a day ahead, which a clock that was wrong has written.

    Otherwise a plan first seen by it would not be expected to run until then, and nothing be missed.
    """
    return SchedulerFacts(
        first_seen={name: _not_ahead(moment, now) for name, moment in known.first_seen.items()},
        counted={
            name: counted.evolve(since=_not_ahead(counted.since, now))
            for name, counted in known.counted.items()
        },
    )


def _not_ahead(moment: datetime, now: datetime) -> datetime:
    return now if moment - now > CREDIBLE else moment


def written(plan: Plan) -> str:
    """The plan's schedule in one line: another one counts anew."""
    schedule = plan.effective_schedule()
    return f"{schedule.expression} {schedule.timezone}"


def _counted(plan: Plan, before: Counted | None, *, since: datetime) -> Counted:
    if before is not None and before.schedule == written(plan):
        return before
    return Counted(schedule=written(plan), since=since)


def load(folder: StateFolder) -> SchedulerFacts:
    """What an earlier daemon knew; nothing where its file is lost or damaged, because we go on without."""
    path = folder.scheduler
    try:
        state = codec.read(SchedulerState, path)
    except FileNotFoundError:
        return SchedulerFacts(first_seen={}, counted={})
    except OSError as error:
        raise errors.CatalogError(
            f"The catalog cannot be read: {path}: {error.strerror}.",
            remedy="Check the folder's owner, mode and mount.",
        ) from error
    except errors.NewerRecord:
        raise
    except errors.CatalogError as error:
        log.logger().warning("the daemon's state is written anew", problem=str(error))
        return SchedulerFacts(first_seen={}, counted={})
    return SchedulerFacts(first_seen=state.first_seen, counted=state.counted)


def save(folder: StateFolder, state: SchedulerState, *, durable: bool) -> None:
    """Write the state; a mere heartbeat need not be ``durable``. Raises CatalogError."""
    path = folder.scheduler
    try:
        folder.make(path.parent)
        atomic.write(path, codec.encode(state), durable=durable, shared=True)
    except OSError as error:
        raise errors.CatalogError(
            f"The catalog cannot be written: {path}: {error.strerror}.",
            remedy="Check free space, the folder's owner and mode, and that it is not mounted read-only.",
        ) from error


def state(
    known: SchedulerFacts, next_runs: Mapping[str, datetime], *, started_at: datetime, now: datetime
) -> SchedulerState:
    """The file's content for a daemon that lives."""
    return SchedulerState(
        **origin.here(),
        started_at=started_at,
        heartbeat_at=now,
        first_seen=dict(known.first_seen),
        counted=dict(known.counted),
        next_runs=dict(next_runs),
    )
