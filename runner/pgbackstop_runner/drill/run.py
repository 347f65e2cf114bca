"""How a drill flows: choose, record, make the ground, restore, check, clean up, record, tell."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

from pgbackstop_catalog import errors, units
from pgbackstop_catalog.model import utc_now
from pgbackstop_catalog.records.attempt import Reason, Status
from pgbackstop_catalog.records.backup import Backup
from pgbackstop_catalog.records.proof import DrillKind, Proof
from pgbackstop_runner.drill import disk_watch, logical, physical, selection, work_directory
from pgbackstop_runner.drill.record import Drill
from pgbackstop_runner.drill.selection import DrillChoice, DrillRequest
from pgbackstop_runner.failures import AttemptFailed
from pgbackstop_runner.notify import drill_events
from pgbackstop_runner.system import jail, jail_choice, log, signals
from pgbackstop_runner.workspace import Workspace


@dataclass(frozen=True, kw_only=True)
class Result:
    """A drill that is over: its record, and what made it fail. What could not begin may have no record."""

    plan: str
    proof: Proof | None
    error: errors.PgbackstopError | None


def lock_name(plan: str) -> str:
    """The lock of a plan's drills: one at a time."""
    return f"drill-{plan}"


def run(workspace: Workspace, plan_name: str, request: DrillRequest) -> Iterator[Result]:
    """Make the plan's drills, and give each result as it comes. One that fails does not stop the others.

    Raises Interrupted when a signal ends it, and nothing else.
    """
    try:
        with workspace.state.held(lock_name(plan_name), f"A drill of plan {plan_name}"):
            tidy(workspace, plan_name)
            asked = selection.in_turn(workspace, plan_name, request)
            for kind in selection.kinds(workspace, plan_name, asked):
                yield from _of_kind(workspace, plan_name, kind, asked)
    except Exception as error:
        yield Result(plan=plan_name, proof=None, error=log.as_error(error, plan=plan_name))


def everything(workspace: Workspace) -> None:
    """Close and clear what killed drills of any plan left. Raises CatalogError."""
    for plan in sorted({*workspace.own_plans(), *work_directory.plans(workspace)}):
        with contextlib.suppress(errors.Busy), workspace.state.held(lock_name(plan), plan):
            tidy(workspace, plan)


def tidy(workspace: Workspace, plan_name: str) -> tuple[Proof, ...]:
    """The same for one plan, with the lock of its drills in hand; returns the records that were closed."""
    work_directory.sweep(workspace, plan_name)
    return tuple(_closed(workspace, plan_name))


def _closed(workspace: Workspace, plan_name: str) -> Iterator[Proof]:
    for proof in list(workspace.catalog.proofs(plan_name)):
        is_running = proof.proof == "drill" and proof.status is Status.RUNNING
        if is_running and workspace.knows_fate_of(proof):
            over = proof.evolve(
                status=Status.INTERRUPTED,
                reason=Reason.INTERRUPTED,
                finished_at=utc_now(),
                message=f"The process that made it (pid {proof.pid} on {proof.host}) ended without a word.",
            )
            workspace.catalog.put(over)
            log.logger().warning("closed as interrupted", plan=plan_name, drill=proof.id)
            drill_events.finished(workspace, over)
            yield over


def _of_kind(
    workspace: Workspace, plan_name: str, kind: DrillKind, request: DrillRequest
) -> Iterator[Result]:
    try:
        chosen = selection.choices(workspace, plan_name, kind, request)
    except Exception as error:
        yield _not_chosen(workspace, plan_name, kind, request, log.as_error(error, plan=plan_name))
        return
    for choice in chosen:
        yield _make(workspace, choice, request)


def _not_chosen(
    workspace: Workspace,
    plan_name: str,
    kind: DrillKind,
    request: DrillRequest,
    error: errors.PgbackstopError,
) -> Result:
    """On record as failed, under the backup that it would have been about, where the plan had one."""
    missing = isinstance(error, errors.NotFound | errors.ValidationError)
    # A wish that cannot be granted says nothing of the backups.
    wish = missing and bool(request.databases or request.time or request.storage)
    backup = None if wish else selection.about(workspace, plan_name)
    if backup is None:
        return Result(plan=plan_name, proof=None, error=error)
    drill = _begin(workspace, backup, kind, request)
    proof = drill.fail(error, reason=Reason.INCOMPLETE if missing else None)
    drill_events.finished(workspace, proof)
    return Result(plan=plan_name, proof=proof, error=error)


def _begin(workspace: Workspace, backup: Backup, kind: DrillKind, request: DrillRequest) -> Drill:
    return Drill.begin(workspace, backup, kind, trigger=request.trigger, scheduled_for=request.scheduled_for)


def _make(workspace: Workspace, choice: DrillChoice, request: DrillRequest) -> Result:
    drill = _begin(workspace, choice.backup, choice.kind, request)
    if request.storage != choice.backup.storage:
        drill.note(copy_in=request.storage)  # on record whatever comes of it
    problem: errors.Ending | None = None
    try:
        _restore(drill, choice)
        if request.in_turn and request.storage is not None:
            drill.note(source_reason="it was its turn")
    except (Exception, errors.Interrupted) as error:
        problem = log.as_error(error, plan=choice.backup.plan, drill=drill.proof.id)
    # A signal that comes now would make an interrupted drill of a good one that is on record.
    with signals.deferred():
        proof = drill.fail(problem) if problem else drill.succeed()
    drill_events.finished(workspace, proof)
    if isinstance(problem, errors.Interrupted):
        raise problem
    return Result(plan=proof.plan, proof=proof, error=problem)


def _restore(drill: Drill, choice: DrillChoice) -> None:
    """One drill, from the folder that it is given to the folder's end."""
    plan = drill.workspace.config.plans.get(drill.proof.plan)
    seconds = plan.drill.max_duration if plan else 6 * 3600.0
    late = AttemptFailed(
        Reason.TIMEOUT,
        f"The drill took longer than {units.format_duration(seconds)} and was ended.",
        remedy="Raise max_duration of the plan's drill if that is right.",
    )
    where = drill.workspace.config.drills
    confinement = jail_choice.choose(jail.host(), where.jail)
    drill.note(jail=confinement.mechanism)
    jail_choice.require(confinement, unconfined=where.unconfined)
    with (
        work_directory.prepared(drill.workspace, drill.proof.plan, drill.proof.id, confinement) as site,
        signals.deadline(seconds, late, watch=disk_watch.watch(site.root)),
    ):
        if choice.aim is None:
            logical.restore(drill, site, choice.backup, choice.storage)
        else:
            drill.note(message=choice.aim.reason)
            physical.restore(drill, site, choice.aim, seconds=seconds)
