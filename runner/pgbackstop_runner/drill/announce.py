"""Telling people that a drill is over: a failed one is what drills are for."""

from __future__ import annotations

from pgbackstop_catalog import errors, notice
from pgbackstop_catalog.records import Proof
from pgbackstop_runner import log, notify
from pgbackstop_runner.workspace import Workspace


def finished(workspace: Workspace, proof: Proof) -> None:
    """An event: the drill is over, and on record. No drill fails by this."""
    try:
        notify.queue(workspace, notice.of_drill(proof))
        notify.deliver(workspace)
    except errors.Interrupted:
        raise
    except Exception as error:  # the record is what matters; the outbox is retried
        log.logger().error("notification failed", drill=proof.id, problem=str(error))
