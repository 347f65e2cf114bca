"""Endpoints of restores and recoveries: first what each would do, then it itself, by the same body."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial

from pgbackstop_catalog.model import format_time
from pgbackstop_catalog.records.backup import Backup
from pgbackstop_runner.console import problems, restores, restoring
from pgbackstop_runner.console.api import acting, restore_models
from pgbackstop_runner.console.api.endpoint import Answer, Call
from pgbackstop_runner.console.operation import Operation, Verb
from pgbackstop_runner.console.restore_plans import Drawing
from pgbackstop_runner.console.wishes import Wish


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What a body asks for, and what starts that."""

    wish: Wish
    start: Callable[[], Awaitable[Operation]]


Reader = Callable[[Call], Awaitable[Wanted]]


async def beside(call: Call) -> Wanted:
    """A database beside the live one."""
    asked: restore_models.RestoreBesideAsked = call.body
    backup = await _backup(call)
    wish = restoring.restore_wish(backup, asked.into, roles=asked.globals, accept_missing=False)
    return Wanted(
        wish=wish,
        start=partial(
            restoring.start_restore, call.context, call.request, call.caller, backup, wish, typed=""
        ),
    )


async def in_place(call: Call) -> Wanted:
    """A database in the place of the live one."""
    asked: restore_models.ReplaceAsked = call.body
    backup = await _backup(call)
    wish = restoring.restore_wish(backup, "", roles=asked.globals, accept_missing=asked.accept_missing)
    return Wanted(
        wish=wish,
        start=partial(
            restoring.start_restore,
            call.context,
            call.request,
            call.caller,
            backup,
            wish,
            typed=asked.confirm,
        ),
    )


async def tables(call: Call) -> Wanted:
    """Tables into a schema beside."""
    asked: restore_models.TablesAsked = call.body
    return await _tables(call, asked.tables, asked.into_schema, "")


async def lost_tables(call: Call) -> Wanted:
    """Tables where they were."""
    asked: restore_models.LostTablesAsked = call.body
    return await _tables(call, asked.tables, "", asked.confirm)


async def _tables(call: Call, wanted: tuple[str, ...], schema: str, typed: str) -> Wanted:
    backup = await _backup(call)
    wish = restoring.tables_wish(backup, wanted, schema)
    return Wanted(
        wish=wish,
        start=partial(
            restoring.start_tables, call.context, call.request, call.caller, backup, wish, typed=typed
        ),
    )


async def recovery(call: Call) -> Wanted:
    """A server into a directory."""
    asked: restore_models.RecoverAsked = call.body
    call.context.workspace().server(call.id)
    moment = format_time(asked.time) if asked.time is not None else ""
    wish = restoring.recover_wish(call.id, asked.into, moment, str(asked.port or ""))
    return Wanted(
        wish=wish, start=partial(restoring.start_recovery, call.context, call.request, call.caller, wish)
    )


async def _backup(call: Call) -> Backup:
    return (await restoring.restorable(call.context, call.id)).record


async def plan(read: Reader, call: Call) -> Answer:
    """What it would do, once that is known. Raises Refused where it cannot be done."""
    wanted = await read(call)
    drawing = call.context.restore_plans.look(call.context.workspace(), wanted.wish)
    await drawing.over.wait()
    return Answer(value=_told(drawing))


async def start(read: Reader, call: Call) -> Answer:
    """Start it, where somebody has seen what it would do."""
    wanted = await read(call)
    return await acting.answered(call, await wanted.start(), wait=call.body.wait)


async def undo(call: Call) -> Answer:
    """Give the old database its name back."""
    return await _way_back(call, "undo")


async def drop(call: Call) -> Answer:
    """Drop the old database."""
    return await _way_back(call, "drop")


async def _way_back(call: Call, verb: Verb) -> Answer:
    asked: restore_models.WayBackAsked = call.body
    found = await asyncio.to_thread(restores.one, call.context.workspace(), call.id)
    made = await restoring.start_way_back(
        call.context, call.request, call.caller, verb, found, typed=asked.confirm
    )
    return await acting.answered(call, made, wait=asked.wait)


def _told(drawing: Drawing) -> restore_models.RestorePlan:
    told = drawing.told
    if told is None:
        if not drawing.problem:
            raise problems.Refused(503, "The daemon stops; the plan was not drawn.", "Ask again.")
        raise problems.Refused(409, drawing.problem, drawing.remedy)
    return restore_models.RestorePlan(
        as_of=drawing.began_at,
        lines=tuple(restore_models.PlanLine(what=what, how=how) for what, how in told.lines),
        text=told.text,
        confirm=told.confirm,
    )
