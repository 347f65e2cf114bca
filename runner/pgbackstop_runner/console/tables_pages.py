"""Single tables out of a logical backup: into a schema beside, or lost ones where they were."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import Final, Literal, NoReturn
from urllib.parse import urlencode

from aiohttp import web

from pgbackstop_catalog import errors
from pgbackstop_catalog.records.backup import Backup
from pgbackstop_catalog.text import said
from pgbackstop_runner.console import guard, restoring
from pgbackstop_runner.console.app import ConsoleContext
from pgbackstop_runner.console.guard import Visitor
from pgbackstop_runner.console.wishes import TablesWish

_LISTED: Final = 200
Way = Literal["tables", "lost"]


def add(context: ConsoleContext, app: web.Application) -> None:
    """Add these pages and forms. What writes beside the live tables only, an operator may."""
    pages = _Pages(context)
    context.add(app, "GET", "/backups/{id}/tables", "viewer", pages.beside)
    context.add(app, "POST", "/backups/{id}/tables", "operator", pages.start_beside)
    context.add(app, "GET", "/backups/{id}/lost", "viewer", pages.lost)
    context.add(app, "POST", "/backups/{id}/lost", "admin", pages.start_lost)


@dataclass(frozen=True)
class _Pages:
    context: ConsoleContext

    async def _backup(self, request: web.Request) -> Backup:
        return (await restoring.restorable(self.context, request.match_info["id"])).record

    async def beside(self, request: web.Request, visitor: Visitor) -> web.Response:
        found = await self._backup(request)
        schema = request.query.get("schema") or f"restored_{found.started_at:%Y%m%d_%H%M}"
        return self._page(request, visitor, found, "tables", schema)

    async def lost(self, request: web.Request, visitor: Visitor) -> web.Response:
        return self._page(request, visitor, await self._backup(request), "lost", "")

    async def start_beside(self, request: web.Request, visitor: Visitor) -> NoReturn:
        found = await self._backup(request)
        schema = (await guard.form(request)).get("schema", "")
        if not schema:
            raise errors.ConfigError(said("The schema has no name."), remedy=said("Give it one."))
        await self._start(
            request, visitor, found, restoring.tables_wish(found, await _tables(request), schema)
        )

    async def start_lost(self, request: web.Request, visitor: Visitor) -> NoReturn:
        """They come into the live database, whose name is typed for that."""
        found = await self._backup(request)
        await self._start(request, visitor, found, restoring.tables_wish(found, await _tables(request), ""))

    def _page(
        self, request: web.Request, visitor: Visitor, backup: Backup, way: Way, schema: str
    ) -> web.Response:
        wish = restoring.tables_wish(backup, request.query.getall("table", []), schema)
        find = request.query.get("find", "")
        matching = [each for each in known(backup) if find.casefold() in each.casefold()]
        listed = dict.fromkeys((*wish.tables, *islice(matching, _LISTED)))
        shown = (
            self.context.restore_plans.shown(self.context.workspace(), wish, request) if wish.tables else None
        )
        return self.context.respond(
            "restore_tables.html",
            visitor,
            record=backup,
            way=way,
            wish=wish,
            find=find,
            listed={each: (backup.row_counts or {}).get(each) for each in listed},
            more=max(0, len(matching) - _LISTED),
            drawing=shown,
            asked=urlencode(list(request.query.items())),
        )

    async def _start(
        self, request: web.Request, visitor: Visitor, backup: Backup, wish: TablesWish
    ) -> NoReturn:
        typed = (await guard.form(request)).get("typed", "")
        made = await restoring.start_tables(self.context, request, visitor.name, backup, wish, typed=typed)
        raise web.HTTPSeeOther(f"/activity/{made.id}")


def known(backup: Backup) -> tuple[str, ...]:
    """The tables that the backup has, as it quotes them, by name. Pure."""
    return tuple(sorted({*(backup.row_counts or {}), *backup.uncounted}))


async def _tables(request: web.Request) -> list[str]:
    """Each that the form names. Raises ConfigError where it is no form."""
    await guard.form(request)
    return [each for each in (await request.post()).getall("table", []) if isinstance(each, str)]
