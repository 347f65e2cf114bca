"""The guided restore of a logical backup: its plan first, and beside the live database by default."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NoReturn
from urllib.parse import urlencode

from aiohttp import web

from pgbackstop_catalog import errors
from pgbackstop_catalog.records.backup import Backup
from pgbackstop_catalog.text import said
from pgbackstop_runner.console import deeds, facts, guard
from pgbackstop_runner.console.app import Desk
from pgbackstop_runner.console.guard import Visitor
from pgbackstop_runner.console.typed import require_text, require_typed
from pgbackstop_runner.console.wishes import RestoreWish
from pgbackstop_runner.restore import select_backup, target_database
from pgbackstop_runner.restore.select_backup import BackupQuery


def add(desk: Desk, app: web.Application) -> None:
    """Add these pages and forms."""
    pages = _Pages(desk)
    desk.add(app, "GET", "/backups/{id}/restore", "viewer", pages.beside)
    desk.add(app, "POST", "/backups/{id}/restore", "operator", pages.start_beside)
    desk.add(app, "GET", "/backups/{id}/replace", "viewer", pages.in_place)
    desk.add(app, "POST", "/backups/{id}/replace", "admin", pages.start_in_place)


@dataclass(frozen=True)
class _Pages:
    desk: Desk

    async def beside(self, request: web.Request, visitor: Visitor) -> web.Response:
        found = await restorable(self.desk, request)
        into = request.query.get("into") or _proposed(found.record)
        return self._plan(request, visitor, found, _wish(found.record, request.query, into))

    async def in_place(self, request: web.Request, visitor: Visitor) -> web.Response:
        found = await restorable(self.desk, request)
        return self._plan(request, visitor, found, _wish(found.record, request.query, ""))

    async def start_beside(self, request: web.Request, visitor: Visitor) -> NoReturn:
        found = await restorable(self.desk, request)
        form = await guard.form(request)
        into = form.get("into", "")
        if not into:
            raise errors.ConfigError(said("The new database has no name."), remedy=said("Give it one."))
        await self._start(request, visitor, found.record, _wish(found.record, form, into))

    async def start_in_place(self, request: web.Request, visitor: Visitor) -> NoReturn:
        found = await restorable(self.desk, request)
        await self._start(request, visitor, found.record, _wish(found.record, await guard.form(request), ""))

    def _plan(
        self, request: web.Request, visitor: Visitor, found: facts.Whereabouts, wish: RestoreWish
    ) -> web.Response:
        return self.desk.respond(
            "restore_plan.html",
            visitor,
            record=found.record,
            proofs=[each for each in found.proofs if each.missing_entries],
            wish=wish,
            drawing=self.desk.restore_plans.shown(self.desk.workspace(), wish, request),
            asked=urlencode(request.query),
        )

    async def _start(
        self, request: web.Request, visitor: Visitor, backup: Backup, wish: RestoreWish
    ) -> NoReturn:
        subject = f"{backup.server}/{wish.into or backup.database}"
        self.desk.operations.check("restore", subject)
        told = self.desk.restore_plans.require(wish)
        await require_typed(self.desk, request, visitor, told.confirm, f"restore {subject}")
        confirmed = (f"--yes-replace={told.confirm}",) if told.confirm else ()
        made = await deeds.fulfil(
            self.desk,
            request,
            visitor.name,
            "restore",
            subject,
            wish=wish,
            options=confirmed,
            what=f"{backup.id} into {subject}",
        )
        raise web.HTTPSeeOther(f"/activity/{made.id}")


async def restorable(desk: Desk, request: web.Request) -> facts.Whereabouts:
    """The backup of the address. Raises NotFound, ConfigError where it is none that can be restored."""
    found = await asyncio.to_thread(facts.backup, desk.workspace(), request.match_info["id"])
    select_backup.choose([found.record], BackupQuery(backup=found.record.id))
    return found


def _proposed(backup: Backup) -> str:
    """A name that says of when it is."""
    return target_database.name_beside(backup.database, "at", f"{backup.started_at:%Y%m%d_%H%M}")


def _wish(backup: Backup, given: Mapping[str, str], into: str) -> RestoreWish:
    require_text(into)
    return RestoreWish(
        backup=backup.id,
        into=into,
        roles=given.get("globals") == "yes",
        accept_missing=not into and given.get("accept_missing") == "yes",
    )
