"""The pages that only show."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from urllib.parse import urlencode

from aiohttp import web

from pgbackstop_catalog.model import utc_now
from pgbackstop_runner.console import audit, facts, history, restores
from pgbackstop_runner.console.app import ConsoleContext
from pgbackstop_runner.console.guard import Visitor


def add(context: ConsoleContext, app: web.Application) -> None:
    """Add these pages."""
    pages = _Pages(context)
    context.add(app, "GET", "/", "viewer", pages.overview)
    context.add(app, "GET", "/backups", "viewer", pages.backups)
    context.add(app, "GET", "/backups/{id}", "viewer", pages.backup)
    context.add(app, "GET", "/plans", "viewer", pages.plans)
    context.add(app, "GET", "/plans/{plan}", "viewer", pages.plan)
    context.add(app, "GET", "/plans/{plan}/retention", "viewer", pages.retention)
    context.add(app, "GET", "/activity", "viewer", pages.activity)
    context.add(app, "GET", "/activity/{id}", "viewer", pages.operation)
    context.add(app, "GET", "/audit", "admin", pages.audit)


@dataclass(frozen=True)
class _Pages:
    context: ConsoleContext

    async def overview(self, _request: web.Request, visitor: Visitor) -> web.Response:
        whole, alerts = await self.context.whole(), await self.context.alerts()
        return self.context.respond("overview.html", visitor, whole=whole, alerts=alerts)

    async def backups(self, request: web.Request, visitor: Visitor) -> web.Response:
        asked = {name: request.query.get(name, "") for name in ("plan", "database", "state", "before")}
        workspace = self.context.workspace()
        page = await asyncio.to_thread(facts.backups, workspace, facts.Filter(**asked))
        older = urlencode({**{key: each for key, each in asked.items() if each}, "before": page.older})
        return self.context.respond(
            "backups.html",
            visitor,
            page=page,
            asked=asked,
            older=f"/backups?{older}" if page.older else "",
            plans=tuple(workspace.config.plans),
            states=facts.STATES,
        )

    async def backup(self, request: web.Request, visitor: Visitor) -> web.Response:
        found = await asyncio.to_thread(facts.backup, self.context.workspace(), request.match_info["id"])
        return self.context.respond("backup.html", visitor, found=found, record=found.record)

    async def plans(self, _request: web.Request, visitor: Visitor) -> web.Response:
        workspace = self.context.workspace()
        found = await asyncio.to_thread(facts.plans, workspace, utc_now())
        return self.context.respond("plans.html", visitor, plans=found, file=workspace.file)

    async def plan(self, request: web.Request, visitor: Visitor) -> web.Response:
        workspace, name = self.context.workspace(), request.match_info["plan"]
        one = await asyncio.to_thread(facts.plan, workspace, name, utc_now())
        found = await asyncio.to_thread(history.read, workspace, name, request.query.get("database", ""))
        return self.context.respond("plan.html", visitor, one=one, history=found)

    async def retention(self, request: web.Request, visitor: Visitor) -> web.Response:
        name, before = request.match_info["plan"], request.query.get("before", "")
        found = await asyncio.to_thread(history.retention, self.context.workspace(), name, before)
        return self.context.respond("retention.html", visitor, plan=name, found=found, before=before)

    async def activity(self, _request: web.Request, visitor: Visitor) -> web.Response:
        return self.context.respond("activity.html", visitor, operations=self.context.operations.all())

    async def operation(self, request: web.Request, visitor: Visitor) -> web.Response:
        operation = self.context.operations.named(request.match_info["id"])
        restore = await asyncio.to_thread(restores.of_operation, self.context.workspace(), operation)
        return self.context.respond(
            "operation.html",
            visitor,
            operation=operation,
            words=self.context.operations.words(operation),
            restore=restore,
            made=await asyncio.to_thread(facts.made_by, self.context.workspace(), operation),
        )

    async def audit(self, _request: web.Request, visitor: Visitor) -> web.Response:
        lines = await asyncio.to_thread(audit.newest, self.context.workspace())
        return self.context.respond("audit.html", visitor, lines=lines)
