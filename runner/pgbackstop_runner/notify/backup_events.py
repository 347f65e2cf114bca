"""Telling people of events, by Alertmanager: kept until accepted, and never in the way of a backup.

A notice is queued after the state that it tells of is durable, then delivered: at once if that is possible,
else by the daemon and by the next operation. Without an Alertmanager nothing is queued.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from pgbackstop_catalog import errors
from pgbackstop_catalog.config.notifications import Alertmanager
from pgbackstop_catalog.model import utc_now
from pgbackstop_catalog.records.attempt import Status
from pgbackstop_catalog.records.backup import Backup
from pgbackstop_catalog.records.copy import Copy
from pgbackstop_catalog.records.vanished import Acknowledgement
from pgbackstop_runner.notify import alertmanager, event_alerts, events
from pgbackstop_runner.notify.events import Event
from pgbackstop_runner.notify.outbox import Outbox
from pgbackstop_runner.system import log
from pgbackstop_runner.workspace import Workspace

CHANNEL = "alertmanager"
LOCK = "notify"
# How long an operation may spend on notices, and wait for another process that delivers; seconds.
_PATIENCE = 20.0
_LOCK_PATIENCE = 5.0


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """What became of the queued notices; ``problem`` is why some are still there."""

    accepted: int = 0
    rejected: int = 0
    pending: int = 0
    problem: str = ""


def backup_finished(workspace: Workspace, backup: Backup) -> None:
    """Tell of an attempt that is over and on record. Raises only Interrupted: no backup may fail by this."""
    with _harmless(backup):
        announce(workspace, backup)
        deliver(workspace)


def backup_acknowledged(workspace: Workspace, backup: Backup, by: Acknowledgement) -> None:
    """Tell that somebody took note of what vanished, or is damaged. Raises only Interrupted."""
    with _harmless(backup):
        _keep(workspace, events.of_acknowledgement(backup, by))
        deliver(workspace)


def copy_damaged(workspace: Workspace, backup: Backup, copy: Copy) -> None:
    """Tell that a copy was read back and is damaged, when that is on record. Raises only Interrupted."""
    with _harmless(backup):
        copies = [each for each in workspace.catalog.copies(copy.plan) if each.backup == copy.backup]
        good = [each for each in copies if each.is_available]
        found_at = copy.damaged_at or utc_now()
        _keep(workspace, events.of_damaged_copy(backup, copy, others=good, found_at=found_at))
        deliver(workspace)


@contextlib.contextmanager
def _harmless(backup: Backup) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        log.logger().error("notification failed", plan=backup.plan, backup=backup.id, problem=str(error))


def announce(workspace: Workspace, backup: Backup) -> None:
    """Queue what there is to tell of an attempt; where the outbox cannot be written, send it right away."""
    if workspace.config.notifications.alertmanager is None:
        return  # the schedule would be looked through for how long the event lasts
    made = _event(workspace, backup)
    if made is not None:
        _keep(workspace, made)


def _event(workspace: Workspace, backup: Backup) -> Event | None:
    if backup.is_damaged:
        return events.of_damage(backup, good=_good(workspace, backup), found_at=utc_now())
    return events.of_backup(backup, in_a_row=_in_a_row(workspace, backup), lasts=_lasts(workspace, backup))


def _good(workspace: Workspace, backup: Backup) -> list[Backup]:
    """The kept ones of the same database without those that are built on it, the newest first."""
    known = [each for each in workspace.catalog.backups(backup.plan) if each.database == backup.database]
    bad = {backup.id}
    for each in reversed(known):
        if each.parent in bad:
            bad.add(each.id)
    return [each for each in known if each.is_available and each.id not in bad]


def _keep(workspace: Workspace, made: Event) -> None:
    try:
        queue(workspace, made)
    except errors.CatalogError as error:
        log.logger().warning("notification cannot be kept, so it is sent at once", problem=str(error))
        _send_unkept(workspace, made)


def queue(workspace: Workspace, event: Event) -> None:
    """Keep a notice durably until it is delivered. Raises CatalogError."""
    if workspace.config.notifications.alertmanager is not None:
        outbox(workspace).put(event, utc_now())


def outbox(workspace: Workspace) -> Outbox:
    """The notices that wait."""
    return Outbox(workspace.state.outbox)


def deliver(workspace: Workspace, *, seconds: float = _PATIENCE) -> Delivery:
    """Post what waits, the oldest first, until one cannot be delivered or ``seconds`` have passed.

    Raises CatalogError where the outbox cannot be read or written.
    """
    waiting, settings = outbox(workspace), workspace.config.notifications.alertmanager
    if settings is None or not waiting.entries():
        return Delivery(pending=len(waiting.entries()))
    try:
        with _lock(workspace):
            return _deliver(waiting, settings, deadline=time.monotonic() + seconds)
    except errors.Busy:
        return Delivery(pending=len(waiting.entries()), problem="Another process is delivering.")


def _in_a_row(workspace: Workspace, backup: Backup) -> int:
    """How many attempts have failed since the last good one, this one included."""
    if not backup.is_failure:
        return 0
    failures = 1
    with contextlib.suppress(errors.CatalogError):  # then one is all that is known
        for other in workspace.catalog.backups(backup.plan):
            if other.database == backup.database and other.id < backup.id:
                if other.status is Status.SUCCEEDED:
                    break
                failures += other.is_failure and not other.is_damaged
    return failures


def _lasts(workspace: Workspace, backup: Backup) -> timedelta:
    """Until the plan's next attempt is over, however late."""
    plan = workspace.config.plans.get(backup.plan)
    if plan is None:
        return events.BAD_NEWS
    late = timedelta(seconds=plan.max_duration + plan.grace)
    return plan.effective_schedule().interval(utc_now()) + late


def _deliver(waiting: Outbox, settings: Alertmanager, *, deadline: float) -> Delivery:
    accepted = rejected = 0
    problem = ""
    for entry in waiting.entries():
        if time.monotonic() > deadline:
            problem = "There was no time for more."
            break
        try:
            _post(waiting.read(entry), settings, utc_now())
            waiting.remove(entry)
            accepted += 1
        except errors.NewerRecord as error:
            problem = str(error)  # for the newer pgbackstop that queued it
        except alertmanager.Unreachable as error:
            problem = str(error)
            waiting.count_failure(CHANNEL)
            log.logger().warning("notification kept", channel=CHANNEL, problem=problem)
            break
        except (alertmanager.Refused, errors.CatalogError) as error:
            rejected += 1
            waiting.count_failure(CHANNEL)
            waiting.reject(entry)
            log.logger().error("notification rejected", channel=CHANNEL, file=entry.name, problem=str(error))
    return Delivery(accepted=accepted, rejected=rejected, pending=len(waiting.entries()), problem=problem)


def _post(event: Event, settings: Alertmanager, now: datetime) -> None:
    alertmanager.post(settings, [event_alerts.to_alert(event, now), *_ends(event, settings)])
    log.logger().info("notification accepted", channel=CHANNEL, kind=event.kind, plan=event.plan or None)


def _ends(event: Event, settings: Alertmanager) -> list[dict[str, object]]:
    """Of what the event puts right, that which Alertmanager has. Raises Unreachable."""
    ends = event_alerts.ends(event)
    try:
        told = [each.get("labels") for each in alertmanager.alerts(settings, plan=event.plan)] if ends else []
    except alertmanager.Refused as error:  # the question, not the news
        log.logger().warning("open alerts are not known", channel=CHANNEL, problem=str(error))
        return []
    return [end for end in ends if end["labels"] in told]


def _send_unkept(workspace: Workspace, event: Event) -> None:
    settings = workspace.config.notifications.alertmanager
    if settings is not None:
        _post(event, settings, utc_now())


@contextlib.contextmanager
def _lock(workspace: Workspace) -> Iterator[None]:
    """Two processes must not send the same; what one queues while the other ends is not to wait a day."""
    deadline = time.monotonic() + _LOCK_PATIENCE
    with contextlib.ExitStack() as stack:
        while True:
            try:
                stack.enter_context(workspace.state.held(LOCK, "The delivery of notifications"))
                break
            except errors.Busy:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.1)
        yield
