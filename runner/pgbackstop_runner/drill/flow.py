"""How a drill flows: choose, record, make the ground, restore, check, clean up, record, tell."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

from pgbackstop_catalog import errors, units
from pgbackstop_catalog.records import Proof, Reason, Status
from pgbackstop_catalog.values import utc_now
from pgbackstop_runner import locks, log, signals
from pgbackstop_runner.drill import announce, choose, ground, journal, logical, physical
from pgbackstop_runner.drill.choose import Choice, Request
from pgbackstop_runner.drill.journal import Drill
from pgbackstop_runner.failure import AttemptFailed
from pgbackstop_runner.workspace import Workspace


@dataclass(frozen=True, kw_only=True)
class Result:
    """A drill that is over: its record, and what made it fail."""

    proof: Proof
    error: errors.PgbackstopError | None


def lock_name(plan: str) -> str:
    """The lock of a plan's drills: one at a time."""
    return f"drill-{plan}"


def run(workspace: Workspace, plan_name: str, request: Request) -> tuple[Result, ...]:
    """Make the plan's drills. One that fails is on record and does not stop the others.

    Raises Busy where one of the plan is running, NotFound and ValidationError where there is no backup,
    Interrupted when a signal ends it.
    """
    with locks.held(workspace.catalog.root, lock_name(plan_name), f"A drill of plan {plan_name}"):
        tidy(workspace, plan_name)
        return tuple(
            _make(workspace, choice, request) for choice in choose.choices(workspace, plan_name, request)
        )


def everything(workspace: Workspace) -> None:
    """Close and clear what killed drills of any plan left. Raises CatalogError."""
    for plan in sorted({*workspace.config.plans, *workspace.catalog.plans(), *ground.plans(workspace)}):
        with contextlib.suppress(errors.Busy), locks.held(workspace.catalog.root, lock_name(plan), plan):
            tidy(workspace, plan)


def tidy(workspace: Workspace, plan_name: str) -> tuple[Proof, ...]:
    """The same for one plan, with the lock of its drills in hand; returns the records that were closed."""
    ground.sweep(workspace, plan_name)
    return tuple(_closed(workspace, plan_name))


def _closed(workspace: Workspace, plan_name: str) -> Iterator[Proof]:
    for proof in list(workspace.catalog.proofs(plan_name)):
        if proof.proof == "drill" and proof.status is Status.RUNNING:
            over = proof.but(
                status=Status.INTERRUPTED,
                reason=Reason.INTERRUPTED,
                finished_at=utc_now(),
                message=f"The process that made it (pid {proof.pid} on {proof.host}) ended without a word.",
            )
            workspace.catalog.put(over)
            log.logger().warning("closed as interrupted", plan=plan_name, drill=proof.id)
            announce.finished(workspace, over)
            yield over


def _make(workspace: Workspace, choice: Choice, request: Request) -> Result:
    drill = Drill.begin(
        workspace,
        choice.backup,
        choice.kind,
        trigger=request.trigger,
        scheduled_for=request.scheduled_for,
    )
    try:
        _restore(drill, choice)
        result = Result(proof=drill.succeed(), error=None)
    except Exception as error:
        known = journal.known(error)
        result = Result(proof=drill.fail(known), error=known)
    announce.finished(workspace, result.proof)
    if isinstance(result.error, errors.Interrupted):
        raise result.error
    return result


def _restore(drill: Drill, choice: Choice) -> None:
    """One drill, from the folder that it is given to the folder's end."""
    plan = drill.workspace.config.plans.get(drill.proof.plan)
    seconds = plan.drill.max_duration if plan else 6 * 3600.0
    late = AttemptFailed(
        Reason.TIMEOUT,
        f"The drill took longer than {units.format_duration(seconds)} and was ended.",
        remedy="Raise max_duration of the plan's drill if that is right.",
    )
    with (
        ground.prepared(drill.workspace, drill.proof.plan, drill.proof.id) as site,
        signals.deadline(seconds, late),
    ):
        if choice.aim is None:
            logical.restore(drill, site, choice.backup)
        else:
            drill.note(message=choice.aim.reason)
            physical.restore(drill, site, choice.aim, seconds=seconds)
