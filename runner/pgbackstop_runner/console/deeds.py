"""What may be done in the console, by a form or by a program. Each deed is in the audit before it is done."""

from __future__ import annotations

import asyncio
from datetime import datetime

from aiohttp import web

from pgbackstop_catalog import errors
from pgbackstop_catalog.records.backup import Backup
from pgbackstop_catalog.text import said
from pgbackstop_runner.console import facts, history
from pgbackstop_runner.console.app import ConsoleContext
from pgbackstop_runner.console.operation import Operation, Verb
from pgbackstop_runner.console.wishes import Wish
from pgbackstop_runner.expire import pin as pins


async def start(
    context: ConsoleContext,
    request: web.Request,
    who: str,
    verb: Verb,
    subject: str,
    *,
    arguments: tuple[str, ...] = (),
    what: str = "",
    restore: str = "",
) -> Operation:
    """Start ``pgbackstop VERB SUBJECT``, or with the arguments that are given instead.

    ``what`` is the subject in the audit, where that says more. Raises Busy, CatalogError where it cannot be
    audited.
    """
    context.operations.check(verb, subject)
    await context.audited(request, who, verb, what or subject, "asked for")
    plain = (verb, "--", subject)  # "--": a name is never read as an option
    return await context.operations.start(
        context.workspace(), verb, subject, who, arguments or plain, restore=restore
    )


async def fulfil(
    context: ConsoleContext,
    request: web.Request,
    who: str,
    verb: Verb,
    subject: str,
    *,
    wish: Wish,
    options: tuple[str, ...] = (),
    what: str,
) -> Operation:
    """Start what somebody wishes, once its plan was seen; what it would do another time is another plan.

    Whom the plan names as trusted is trusted, and nobody who has come since.
    Raises ValidationError where nobody has seen the plan, and what ``start`` raises.
    """
    context.operations.check(verb, subject)
    told = context.restore_plans.require(wish)
    trust = (f"--trust={each}" for each in told.trust)
    arguments = wish.arguments(*options, *trust)
    made = await start(context, request, who, verb, subject, arguments=arguments, what=what)
    context.restore_plans.forget(wish)
    return made


async def expire(
    context: ConsoleContext, request: web.Request, who: str, plan: str, *, seen: str
) -> Operation:
    """Remove what somebody saw that retention lets go.

    Raises ValidationError where something else would go by now, NotFound, Busy, CatalogError.
    """
    found = await asyncio.to_thread(history.retention, context.workspace(), plan)
    if seen != found.seen:
        raise errors.ValidationError(
            said("What would go is another by now, or nobody has looked; nothing was removed."),
            remedy=said("Look at what is kept and what goes."),
        )
    what = f"{plan}: {found.goes} backups go, {found.stays} stay"
    return await start(context, request, who, "expire", plan, what=what)


async def cancel(context: ConsoleContext, request: web.Request, who: str, operation_id: str) -> Operation:
    """Ask an operation to end; one that has ended stays as it is. Raises NotFound, CatalogError."""
    operation = context.operations.named(operation_id)
    if operation.is_running:
        await context.audited(request, who, "cancel", f"{operation.verb} {operation.subject}", "done")
        await context.operations.cancel(context.workspace().state, operation, who)
    return context.operations.named(operation_id)


async def pin(
    context: ConsoleContext,
    request: web.Request,
    who: str,
    backup_id: str,
    *,
    note: str,
    until: datetime | None,
) -> Backup:
    """Keep a backup. Raises NothingToPin, NotFound, Busy, ConfigError, CatalogError."""
    how = pins.made(note=note, until=until, operator=who)
    await exists(context, backup_id)
    await context.audited(request, who, "pin", backup_id, "asked for")
    return await asyncio.to_thread(pins.pin, context.workspace(), backup_id, how)


async def unpin(context: ConsoleContext, request: web.Request, who: str, backup_id: str) -> Backup:
    """Let retention judge a backup again. Raises NothingToPin, NotFound, Busy, CatalogError."""
    await exists(context, backup_id)
    await context.audited(request, who, "unpin", backup_id, "asked for")
    return await asyncio.to_thread(pins.unpin, context.workspace(), backup_id)


async def exists(context: ConsoleContext, backup_id: str) -> Backup:
    """The attempt of exactly that id. Raises NotFound, CatalogError."""
    return (await asyncio.to_thread(facts.backup, context.workspace(), backup_id)).record
