"""The guided restore of a logical backup: its plan first, and beside the live database by default."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NoReturn
from urllib.parse import urlencode

from aiohttp import web

from pgbackstop_catalog import errors
from pgbackstop_catalog.records.backup import Backup
from pgbackstop_catalog.text import said
from pgbackstop_runner.console import facts, guard, restoring
from pgbackstop_runner.console.app import ConsoleContext
from pgbackstop_runner.console.guard import Visitor
from pgbackstop_runner.console.wishes import RestoreWish
from pgbackstop_runner.restore import target_database


def add(context: ConsoleContext, app: web.Application) -> None:
    """Add these pages and forms."""
    pages = _Pages(context)
    context.add(app, "GET", "/backups/{id}/restore", "viewer", pages.beside)
    context.add(app, "POST", "/backups/{id}/restore", "operator", pages.start_beside)
    context.add(app, "GET", "/backups/{id}/replace", "viewer", pages.in_place)
    context.add(app, "POST", "/backups/{id}/replace", "admin", pages.start_in_place)


@dataclass(frozen=True)
class _Pages:
    context: ConsoleContext

    async def beside(self, request: web.Request, visitor: Visitor) -> web.Response:
        found = await restoring.restorable(self.context, request.match_info["id"])
        into = request.query.get("into") or _proposed(found.record)
        return self._plan(request, visitor, found, _wish(found.record, request.query, into))

    async def in_place(self, request: web.Request, visitor: Visitor) -> web.Response:
        found = await restoring.restorable(self.context, request.match_info["id"])
        return self._plan(request, visitor, found, _wish(found.record, request.query, ""))

    async def start_beside(self, request: web.Request, visitor: Visitor) -> NoReturn:
        found = await restoring.restorable(self.context, request.match_info["id"])
        form = await guard.form(request)
        into = form.get("into", "")
        if not into:
            raise errors.ConfigError(said("The new database has no name."), remedy=said("Give it one."))
        await self._start(request, visitor, found.record, _wish(found.record, form, into))

    async def start_in_place(self, request: web.Request, visitor: Visitor) -> NoReturn:
        found = await restoring.restorable(self.context, request.match_info["id"])
        await self._start(request, visitor, found.record, _wish(found.record, await guard.form(request), ""))

    def _plan(
        self, request: web.Request, visitor: Visitor, found: facts.Whereabouts, wish: RestoreWish
    ) -> web.Response:
        return self.context.respond(
            "restore_plan.html",
            visitor,
            record=found.record,
            proofs=[each for each in found.proofs if each.missing_entries],
            wish=wish,
            drawing=self.context.restore_plans.shown(self.context.workspace(), wish, request),
            asked=urlencode(request.query),
        )

    async def _start(
        self, request: web.Request, visitor: Visitor, backup: Backup, wish: RestoreWish
    ) -> NoReturn:
        typed = (await guard.form(request)).get("typed", "")
        made = await restoring.start_restore(self.context, request, visitor.name, backup, wish, typed=typed)
        raise web.HTTPSeeOther(f"/activity/{made.id}")


def _proposed(backup: Backup) -> str:
    """A name that says of when it is."""
    return target_database.name_beside(backup.database, "at", f"{backup.started_at:%Y%m%d_%H%M}")


def _wish(backup: Backup, given: Mapping[str, str], into: str) -> RestoreWish:
    return restoring.restore_wish(
        backup,
        into,
        roles=given.get("globals") == "yes",
        accept_missing=given.get("accept_missing") == "yes",
    )
