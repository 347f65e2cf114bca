"""Telling people that a drill is over: a failed one is what drills are for."""

from __future__ import annotations

from datetime import timedelta

from pgbackstop_catalog.model import utc_now
from pgbackstop_catalog.records.proof import Proof
from pgbackstop_runner.notify import backup_events, events
from pgbackstop_runner.system import log
from pgbackstop_runner.workspace import Workspace


def finished(workspace: Workspace, proof: Proof) -> None:
    """An event: the drill is over, and on record. No drill fails by this."""
    try:
        backup_events.queue(workspace, events.of_drill(proof, lasts=_lasts(workspace, proof)))
        backup_events.deliver(workspace)
    except Exception as error:  # the record is what matters; the outbox is retried
        log.logger().error("notification failed", drill=proof.id, problem=str(error))


def _lasts(workspace: Workspace, proof: Proof) -> timedelta:
    """Until the plan's next drill is over, however late."""
    plan = workspace.config.plans.get(proof.plan)
    if plan is None or not plan.drill.enabled:
        return events.BAD_NEWS
    late = timedelta(seconds=plan.drill.max_duration + plan.grace)
    return plan.drill_schedule().interval(utc_now()) + late
