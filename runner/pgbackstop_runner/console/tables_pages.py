"""Single tables out of a logical backup: into a schema beside, or lost ones where they were."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from typing import Final, Literal, NoReturn
from urllib.parse import urlencode

from aiohttp import web

from pgbackstop_catalog import errors
from pgbackstop_catalog.records.backup import Backup
from pgbackstop_catalog.text import said
from pgbackstop_runner.console import deeds, guard
from pgbackstop_runner.console.app import Desk
from pgbackstop_runner.console.guard import Visitor
from pgbackstop_runner.console.restore_pages import restorable
from pgbackstop_runner.console.typed import require_text, require_typed
from pgbackstop_runner.console.wishes import TablesWish
from pgbackstop_runner.system import phrases

# As many as one address and one person can hold.
MOST: Final = 50
_LISTED: Final = 200
Way = Literal["tables", "lost"]


def add(desk: Desk, app: web.Application) -> None:
    """Add these pages and forms. What writes beside the live tables only, an operator may."""
    pages = _Pages(desk)
    desk.add(app, "GET", "/backups/{id}/tables", "viewer", pages.beside)
    desk.add(app, "POST", "/backups/{id}/tables", "operator", pages.start_beside)
    desk.add(app, "GET", "/backups/{id}/lost", "viewer", pages.lost)
    desk.add(app, "POST", "/backups/{id}/lost", "admin", pages.start_lost)


@dataclass(frozen=True)
class _Pages:
    desk: Desk

    async def beside(self, request: web.Request, visitor: Visitor) -> web.Response:
        found = (await restorable(self.desk, request)).record
        schema = request.query.get("schema") or f"restored_{found.started_at:%Y%m%d_%H%M}"
        return self._page(request, visitor, found, "tables", schema)

    async def lost(self, request: web.Request, visitor: Visitor) -> web.Response:
        return self._page(request, visitor, (await restorable(self.desk, request)).record, "lost", "")

    async def start_beside(self, request: web.Request, visitor: Visitor) -> NoReturn:
        found = (await restorable(self.desk, request)).record
        schema = (await guard.form(request)).get("schema", "")
        if not schema:
            raise errors.ConfigError(said("The schema has no name."), remedy=said("Give it one."))
        await self._start(request, visitor, found, _wish(found, await _tables(request), schema))

    async def start_lost(self, request: web.Request, visitor: Visitor) -> NoReturn:
        """They come into the live database, whose name is typed for that."""
        found = (await restorable(self.desk, request)).record
        wish = _wish(found, await _tables(request), "")
        await require_typed(self.desk, request, visitor, found.database, f"restore {_subject(found, wish)}")
        await self._start(request, visitor, found, wish)

    def _page(
        self, request: web.Request, visitor: Visitor, backup: Backup, way: Way, schema: str
    ) -> web.Response:
        wish = _wish(backup, request.query.getall("table", []), schema)
        find = request.query.get("find", "")
        matching = [each for each in known(backup) if find.casefold() in each.casefold()]
        listed = dict.fromkeys((*wish.tables, *islice(matching, _LISTED)))
        shown = self.desk.restore_plans.shown(self.desk.workspace(), wish, request) if wish.tables else None
        return self.desk.respond(
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
        subject = _subject(backup, wish)
        what = f"{backup.id} into {subject}{f' as schema {wish.schema}' if wish.schema else ''}"
        made = await deeds.fulfil(self.desk, request, visitor.name, "restore", subject, wish=wish, what=what)
        raise web.HTTPSeeOther(f"/activity/{made.id}")


def known(backup: Backup) -> tuple[str, ...]:
    """The tables that the backup has, as it quotes them, by name. Pure."""
    return tuple(sorted({*(backup.row_counts or {}), *backup.uncounted}))


async def _tables(request: web.Request) -> list[str]:
    """Each that the form names. Raises ConfigError where it is no form."""
    await guard.form(request)
    return [each for each in (await request.post()).getall("table", []) if isinstance(each, str)]


def _wish(backup: Backup, tables: Iterable[str], schema: str) -> TablesWish:
    """Raises ConfigError for what no table can be, or too many; what there is not is told by the command."""
    wanted = tuple(dict.fromkeys(tables))
    require_text(schema, *wanted)
    if len(wanted) > MOST:
        raise errors.ConfigError(
            said("{n} tables are more than {most}.", n=len(wanted), most=MOST),
            remedy=said("Restore the whole database beside the live one, or a schema by the command line."),
        )
    return TablesWish(backup=backup.id, tables=wanted, schema=schema)


def _subject(backup: Backup, wish: TablesWish) -> str:
    return f"{backup.server}/{backup.database}: {phrases.some(wish.tables)}"
