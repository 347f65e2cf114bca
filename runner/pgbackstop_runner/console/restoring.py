"""Restores, recoveries and their ways back, as a form or a program asks for them.

What is wished is checked here, and started once somebody has seen its plan and typed what it replaces.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from datetime import datetime
from typing import Final

from aiohttp import web

from pgbackstop_catalog import errors
from pgbackstop_catalog.model import utc_now
from pgbackstop_catalog.records.backup import Backup
from pgbackstop_catalog.records.restore import Restore
from pgbackstop_catalog.text import said
from pgbackstop_runner.console import deeds, facts
from pgbackstop_runner.console.app import ConsoleContext
from pgbackstop_runner.console.operation import Operation, Verb
from pgbackstop_runner.console.typed import require_text, require_typed
from pgbackstop_runner.console.wishes import RecoverWish, RestoreWish, TablesWish
from pgbackstop_runner.restore import select_backup, undo
from pgbackstop_runner.restore.select_backup import BackupQuery
from pgbackstop_runner.system import phrases

# As many tables as one address and one person can hold.
MOST_TABLES: Final = 50
_LAST_PORT: Final = 65535
_OPTIONS: Final[dict[Verb, str]] = {"undo": "--undo", "drop": "--drop-old"}


async def restorable(context: ConsoleContext, backup_id: str) -> facts.Whereabouts:
    """The backup of that id. Raises NotFound, ConfigError where it is none that can be restored."""
    found = await asyncio.to_thread(facts.backup, context.workspace(), backup_id)
    select_backup.choose([found.record], BackupQuery(backup=found.record.id), now=utc_now())
    return found


def restore_wish(backup: Backup, into: str, *, roles: bool, accept_missing: bool) -> RestoreWish:
    """A database beside the live one, or in its place where ``into`` is "". Raises ConfigError. Pure."""
    require_text(into)
    return RestoreWish(backup=backup.id, into=into, roles=roles, accept_missing=not into and accept_missing)


def tables_wish(backup: Backup, tables: Iterable[str], schema: str) -> TablesWish:
    """Raises ConfigError for what no table can be, or too many; what there is not is told by the command."""
    wanted = tuple(dict.fromkeys(tables))
    require_text(schema, *wanted)
    if len(wanted) > MOST_TABLES:
        raise errors.ConfigError(
            said("{n} tables are more than {most}.", n=len(wanted), most=MOST_TABLES),
            remedy=said("Restore the whole database beside the live one, or a schema by the command line."),
        )
    return TablesWish(backup=backup.id, tables=wanted, schema=schema)


def recover_wish(server: str, into: str, moment: str, port: str) -> RecoverWish:
    """A server into a directory of that whole path. Raises ConfigError. Pure."""
    require_text(into, moment, port)
    if not into.startswith("/"):
        raise errors.ConfigError(
            said("{path!r} is no whole path of a directory.", path=into),
            remedy=said("Write it from the root on, beginning with /."),
        )
    if port and not (port.isascii() and port.isdecimal() and 0 < int(port) <= _LAST_PORT):
        raise errors.ConfigError(
            said("{port!r} is no port.", port=port),
            remedy=said("Give a number from 1 to {last}.", last=_LAST_PORT),
        )
    return RecoverWish(server=server, into=into, moment=_in_utc(moment), port=port)


def _in_utc(moment: str) -> str:
    """With the zone that the form says, where none was written; what is no moment is told by the command."""
    try:
        return f"{moment}Z" if datetime.fromisoformat(moment).tzinfo is None else moment
    except ValueError:
        return moment


async def start_restore(
    context: ConsoleContext, request: web.Request, who: str, backup: Backup, wish: RestoreWish, *, typed: str
) -> Operation:
    """Raises ConfigError where what it replaces was not typed, and what ``deeds.fulfil`` raises."""
    subject = f"{backup.server}/{wish.into or backup.database}"
    context.operations.check("restore", subject)
    told = context.restore_plans.require(wish)
    await require_typed(context, request, who, told.confirm, f"restore {subject}", typed=typed)
    confirmed = (f"--yes-replace={told.confirm}",) if told.confirm else ()
    what = f"{backup.id} into {subject}"
    return await deeds.fulfil(
        context, request, who, "restore", subject, wish=wish, options=confirmed, what=what
    )


async def start_tables(
    context: ConsoleContext, request: web.Request, who: str, backup: Backup, wish: TablesWish, *, typed: str
) -> Operation:
    """Those that come into the live database need its name, typed. Raises as ``start_restore`` does."""
    subject = f"{backup.server}/{backup.database}: {phrases.some(wish.tables)}"
    name = "" if wish.schema else backup.database
    await require_typed(context, request, who, name, f"restore {subject}", typed=typed)
    what = f"{backup.id} into {subject}{f' as schema {wish.schema}' if wish.schema else ''}"
    return await deeds.fulfil(context, request, who, "restore", subject, wish=wish, what=what)


async def start_recovery(
    context: ConsoleContext, request: web.Request, who: str, wish: RecoverWish
) -> Operation:
    """Nothing that exists is replaced. Raises what ``deeds.fulfil`` raises."""
    subject = f"{wish.server} into {wish.into}"
    what = f"{subject} to {wish.moment or 'the newest byte'}"
    return await deeds.fulfil(context, request, who, "recover", subject, wish=wish, what=what)


async def start_way_back(
    context: ConsoleContext, request: web.Request, who: str, verb: Verb, found: Restore, *, typed: str
) -> Operation:
    """Undo a restore, or drop its old database: what is replaced or dropped is typed.

    Raises ConfigError where it was not, ValidationError where there is no way back, Busy, CatalogError.
    """
    undo.require_old(found, whole=verb == "undo")
    name = found.target if verb == "undo" else found.replaced_database
    subject = f"{found.server}/{name}"
    await require_typed(context, request, who, name, f"{verb} {subject}", typed=typed)
    return await deeds.start(
        context,
        request,
        who,
        verb,
        subject,
        arguments=("restore", f"{_OPTIONS[verb]}={found.id}", f"--yes-replace={name}"),
        what=f"{subject} of restore {found.id}",
        restore=found.id,
    )
