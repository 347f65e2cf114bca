"""The pages that only show."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from urllib.parse import urlencode

from aiohttp import web

from pgbackstop_catalog.model import utc_now
from pgbackstop_runner.console import audit, facts, history, restores
from pgbackstop_runner.console.app import Desk
from pgbackstop_runner.console.guard import Visitor


def add(desk: Desk, app: web.Application) -> None:
    """Add these pages."""
    pages = _Pages(desk)
    desk.add(app, "GET", "/", "viewer", pages.overview)
    desk.add(app, "GET", "/backups", "viewer", pages.backups)
    desk.add(app, "GET", "/backups/{id}", "viewer", pages.backup)
    desk.add(app, "GET", "/plans", "viewer", pages.plans)
    desk.add(app, "GET", "/plans/{plan}", "viewer", pages.plan)
    desk.add(app, "GET", "/plans/{plan}/retention", "viewer", pages.retention)
    desk.add(app, "GET", "/activity", "viewer", pages.activity)
    desk.add(app, "GET", "/activity/{id}", "viewer", pages.operation)
    desk.add(app, "GET", "/audit", "admin", pages.audit)


@dataclass(frozen=True)
class _Pages:
    desk: Desk

    async def overview(self, _request: web.Request, visitor: Visitor) -> web.Response:
        whole, alerts = await self.desk.whole(), await self.desk.alerts()
        return self.desk.respond("overview.html", visitor, whole=whole, alerts=alerts)

    async def backups(self, request: web.Request, visitor: Visitor) -> web.Response:
        asked = {name: request.query.get(name, "") for name in ("plan", "database", "state", "before")}
        workspace = self.desk.workspace()
        page = await asyncio.to_thread(facts.backups, workspace, facts.Filter(**asked))
        older = urlencode({**{key: each for key, each in asked.items() if each}, "before": page.older})
        return self.desk.respond(
            "backups.html",
            visitor,
            page=page,
            asked=asked,
            older=f"/backups?{older}" if page.older else "",
            plans=tuple(workspace.config.plans),
            states=facts.STATES,
        )

    async def backup(self, request: web.Request, visitor: Visitor) -> web.Response:
        found = await asyncio.to_thread(facts.backup, self.desk.workspace(), request.match_info["id"])
        return self.desk.respond("backup.html", visitor, found=found, record=found.record)

    async def plans(self, _request: web.Request, visitor: Visitor) -> web.Response:
        workspace = self.desk.workspace()
        found = await asyncio.to_thread(facts.plans, workspace, utc_now())
        return self.desk.respond("plans.html", visitor, plans=found, file=workspace.file)

    async def plan(self, request: web.Request, visitor: Visitor) -> web.Response:
        workspace, name = self.desk.workspace(), request.match_info["plan"]
        one = await asyncio.to_thread(facts.plan, workspace, name, utc_now())
        found = await asyncio.to_thread(history.read, workspace, name, request.query.get("database", ""))
        return self.desk.respond("plan.html", visitor, one=one, history=found)

    async def retention(self, request: web.Request, visitor: Visitor) -> web.Response:
        name, before = request.match_info["plan"], request.query.get("before", "")
        found = await asyncio.to_thread(history.retention, self.desk.workspace(), name, before)
        return self.desk.respond("retention.html", visitor, plan=name, found=found, before=before)

    async def activity(self, _request: web.Request, visitor: Visitor) -> web.Response:
        return self.desk.respond("activity.html", visitor, operations=self.desk.operations.all())

    async def operation(self, request: web.Request, visitor: Visitor) -> web.Response:
        operation = self.desk.operations.named(request.match_info["id"])
        restore = await asyncio.to_thread(restores.of_operation, self.desk.workspace(), operation)
        return self.desk.respond(
            "operation.html",
            visitor,
            operation=operation,
            words=self.desk.operations.words(operation),
            restore=restore,
            made=await asyncio.to_thread(facts.made_by, self.desk.workspace(), operation),
        )

    async def audit(self, _request: web.Request, visitor: Visitor) -> web.Response:
        lines = await asyncio.to_thread(audit.newest, self.desk.workspace())
        return self.desk.respond("audit.html", visitor, lines=lines)
