"""Endpoints that start something or end it. Each deed is in the audit before it is done."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from pgbackstop_catalog import errors
from pgbackstop_catalog.model import format_time
from pgbackstop_runner.console import deeds, problems
from pgbackstop_runner.console.api import models, reading
from pgbackstop_runner.console.api.endpoint import BASE, Answer, Call
from pgbackstop_runner.console.operation import Operation, Verb
from pgbackstop_runner.expire import pin as pins

# How the command line begins the sentence that it ends with.
_SAID: Final = "pgbackstop: "


async def back_up(call: Call) -> Answer:
    """Make the backups of a plan; waits for them where that is asked for."""
    asked: models.BackupAsked = call.body
    call.context.workspace().plan(asked.plan)
    if asked.pin is not None:
        pins.made(note=asked.pin.note, until=asked.pin.until)  # refused now, not by the command
    operation = await _start(call, "backup", asked.plan, ("backup", *_options(asked), "--", asked.plan))
    if not asked.wait:
        return await begun(call, operation)
    done = await ended(call, operation)
    # Read anew: the plan may be another since, or gone.
    plan = call.context.workspace().config.plans.get(asked.plan)
    if problem := lacking(done, asked, verifies=plan is not None and plan.verify):
        raise _refused(done, problem)
    return Answer(value=done)


def lacking(done: models.Operation, asked: models.BackupAsked, *, verifies: bool) -> str:
    """Why one that succeeded is not yet what was asked for; "" where it is. Pure."""
    if not done.backups:
        return "The backups were made, but none is on record."
    if verifies and any(each.verified_at is None for each in done.backups):
        return "The backups are made, but could not be read back."
    if asked.pin is not None and not all(each.pinned for each in done.backups):
        return "The backups are made, but not pinned."
    return ""


def _options(asked: models.BackupAsked) -> Iterator[str]:
    """As "--name=value": what somebody wrote is never read as an option."""
    yield from (f"--database={each}" for each in asked.databases)
    if asked.pin is not None:
        yield "--pin"
        yield f"--note={asked.pin.note}"
        if asked.pin.until is not None:
            yield f"--until={format_time(asked.pin.until)}"


async def expire(call: Call) -> Answer:
    """Remove what retention lets go."""
    asked: models.ExpireAsked = call.body
    call.context.workspace().plan(call.id)
    made = await deeds.expire(call.context, call.request, call.caller, call.id, seen=asked.seen)
    return await answered(call, made, wait=asked.wait)


async def verify(call: Call) -> Answer:
    """Read a backup back."""
    return await _prove(call, "verify")


async def drill(call: Call) -> Answer:
    """Restore a backup into a throw-away server."""
    return await _prove(call, "drill")


async def _prove(call: Call, verb: Verb) -> Answer:
    asked: models.ProofAsked = call.body
    backup = await deeds.exists(call.context, call.id)
    operation = await _start(call, verb, backup.id)
    return await answered(call, operation, wait=asked.wait)


async def pin(call: Call) -> Answer:
    """Keep a backup."""
    asked: models.PinAsked = call.body
    await deeds.pin(call.context, call.request, call.caller, call.id, note=asked.note, until=asked.until)
    return await reading.backup(call)


async def unpin(call: Call) -> Answer:
    """Let retention judge a backup again."""
    await deeds.unpin(call.context, call.request, call.caller, call.id)
    return await reading.backup(call)


async def cancel(call: Call) -> Answer:
    """Ask an operation to end."""
    operation = await deeds.cancel(call.context, call.request, call.caller, call.id)
    return await begun(call, operation)


async def _start(call: Call, verb: Verb, subject: str, arguments: tuple[str, ...] = ()) -> Operation:
    return await deeds.start(call.context, call.request, call.caller, verb, subject, arguments=arguments)


async def answered(call: Call, operation: Operation, *, wait: bool) -> Answer:
    """How it ended, where somebody waits for that, else where to ask. Raises Refused as ``ended`` does."""
    return Answer(value=await ended(call, operation)) if wait else await begun(call, operation)


async def begun(call: Call, operation: Operation) -> Answer:
    """That it runs, and where to ask how it stands."""
    value = await reading.shown(call.context, operation)
    return Answer(value=value, status=202, location=f"{BASE}/operations/{operation.id}")


async def ended(call: Call, operation: Operation) -> models.Operation:
    """What became of it. Raises Refused where it did not succeed."""
    operation = await call.context.operations.ended(operation)
    done = await reading.shown(call.context, operation)
    if operation.is_running:
        raise _refused(done, "The daemon stops; what was started goes on.", status=503)
    if done.state == "succeeded":
        return done
    # Not ours alone are the locks: the daemon, or a person, may be at the same.
    status = 409 if done.exit_code == errors.Busy.exit_code else 424
    raise _refused(done, f"{done.verb} of {done.subject} {done.state}: {why(done)}.", status=status)


def why(done: models.Operation) -> str:
    """The reason of one that did not succeed: of its first backup that says one, else what it said. Pure."""
    recorded = [each.message for each in done.backups if each.message]
    said = [line.removeprefix(_SAID) for line in done.output.splitlines() if line.startswith(_SAID)]
    reasons = [*recorded, *reversed(said), done.meaning, "it was ended by a signal"]
    return errors.one_line(next(filter(None, reasons))).rstrip(".")


def _refused(done: models.Operation, problem: str, *, status: int = 424) -> problems.Refused:
    remedy = "Its output and its backups say more."
    return problems.Refused(status, problem, remedy, members={"operation": done.model_dump(mode="json")})
