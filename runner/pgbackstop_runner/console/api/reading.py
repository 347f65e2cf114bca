"""Endpoints that only show."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from pydantic import ValidationError

from pgbackstop_catalog.model import utc_now
from pgbackstop_catalog.records.vanished import VanishedTable
from pgbackstop_catalog.store import summary
from pgbackstop_runner.console import audit, facts, history, restores
from pgbackstop_runner.console.alerts import Alert
from pgbackstop_runner.console.api import models, restore_models
from pgbackstop_runner.console.api.endpoint import Answer, Call
from pgbackstop_runner.console.app import ConsoleContext
from pgbackstop_runner.console.operation import Operation
from pgbackstop_runner.overview import document
from pgbackstop_runner.overview.read import ServerStatus
from pgbackstop_runner.recover.recoverable_windows import Span


async def status(call: Call) -> Answer:
    """As ``pgbackstop status --json``."""
    return Answer(value=document.status((await call.context.whole()).overview))


async def alerts(call: Call) -> Answer:
    """What fires."""
    found = await call.context.alerts()
    if found is None or found.problem:
        problem = found.problem if found else "No Alertmanager is configured."
        return Answer(value=models.Alerts(alerts=None, problem=problem))
    return Answer(value=models.Alerts(alerts=tuple(map(_alert, found.firing)), problem=""))


def _alert(one: Alert) -> models.Alert:
    return models.Alert.model_validate(
        {
            "name": one.name,
            "severity": one.severity,
            "summary": one.summary,
            "since": one.since,
            "runbook": one.runbook,
            "silenced": one.is_silenced,
        }
    )


async def servers(call: Call) -> Answer:
    """Every server with its windows."""
    overview = (await call.context.whole()).overview
    return Answer(value=models.Servers(at=overview.now, servers=tuple(map(_server, overview.servers))))


def _server(one: ServerStatus) -> models.Server:
    found = one.recoverable
    return models.Server(
        status=document.server(one),
        windows=tuple(map(_window, found.spans)) if found else None,
        gaps=found.gaps if found else (),
        copies=found.copies if found else (),
    )


def _window(span: Span) -> models.Window:
    drill, verified = span.drill, span.verified
    return models.Window(
        start=span.window.start,
        end=span.window.end,
        ends=span.window.ends,
        reason=span.window.reason,
        backup=span.window.backup,
        timeline=span.window.timeline,
        proven_until=drill.proven_until if drill else None,
        proven_by=drill.id if drill else None,
        verified_backup=verified.id if verified else None,
        verified_at=verified.verified_at if verified else None,
    )


async def plans(call: Call) -> Answer:
    """Every plan with its next runs."""
    found = await asyncio.to_thread(facts.plans, call.context.workspace(), utc_now())
    return Answer(value=models.Plans(plans=tuple(map(_plan, found))))


def _plan(one: facts.PlanRuns) -> models.Plan:
    schedule = one.plan.effective_schedule()
    return models.Plan(
        name=one.name,
        server=one.plan.server,
        backup_type=one.plan.backup_type,
        databases=one.plan.databases,
        enabled=one.plan.enabled,
        schedule=schedule.expression,
        timezone=schedule.timezone,
        next_runs=one.next_runs,
    )


async def retention(call: Call) -> Answer:
    """What stays of a plan, and what goes."""
    asked: models.RetentionAsked = call.query
    found = await asyncio.to_thread(
        history.retention, call.context.workspace(), call.id, asked.after or "", asked.limit
    )
    return Answer(
        value=models.Retention(
            plan=call.id,
            stays=found.stays,
            goes=found.goes,
            goes_bytes=found.goes_bytes,
            seen=found.seen,
            verdicts=tuple(
                models.Verdict(
                    backup=each.backup.id,
                    database=each.backup.database,
                    finished_at=each.backup.finished_at,
                    size_bytes=each.backup.size_bytes,
                    kept=each.kept,
                    reasons=each.reasons,
                )
                for each in found.verdicts
            ),
            after=found.older or None,
        )
    )


async def backups(call: Call) -> Answer:
    """One page of attempts."""
    asked: models.BackupsAsked = call.query
    wanted = facts.Filter(
        plan=asked.plan or "",
        database=asked.database or "",
        state=asked.status or "",
        before=asked.after or "",
    )
    page = await asyncio.to_thread(facts.backups, call.context.workspace(), wanted, asked.limit)
    return Answer(
        value=models.BackupPage(
            backups=tuple(map(_summary, page.shown)), after=page.older or None, unreadable=page.unreadable
        )
    )


def _summary(one: summary.BackupSummary) -> models.BackupSummary:
    return models.BackupSummary(
        id=one.id,
        plan=one.plan,
        server=one.server,
        database=one.database,
        backup_type=one.backup_type,
        method=one.method,
        state=one.state,
        started_at=one.started_at,
        finished_at=one.finished_at,
        duration_seconds=one.duration_seconds,
        size_bytes=one.size_bytes,
        reason=one.reason,
        message=one.message,
        vanished=tuple(
            VanishedTable(table=table, rows_before=before, rows=rows) for table, before, rows in one.vanished
        ),
    )


async def backup(call: Call) -> Answer:
    """One attempt."""
    found = await asyncio.to_thread(facts.backup, call.context.workspace(), call.id)
    return Answer(value=models.BackupDetails(backup=found.record, copies=found.copies, proofs=found.proofs))


async def every_restore(call: Call) -> Answer:
    """One page of restores."""
    asked: restore_models.RestoresAsked = call.query
    page = await asyncio.to_thread(restores.page, call.context.workspace(), asked.after or "")
    return Answer(value=restore_models.RestorePage(restores=page.shown, after=page.older or None))


async def restore(call: Call) -> Answer:
    """One restore."""
    found = await asyncio.to_thread(restores.one, call.context.workspace(), call.id)
    return Answer(value=restore_models.RestoreDetails(restore=found))


async def operations(call: Call) -> Answer:
    """Every operation that is known."""
    every = (models.OperationSummary(**_facts(each)) for each in call.context.operations.all())
    return Answer(value=models.Operations(operations=tuple(every)))


async def operation(call: Call) -> Answer:
    """How an operation stands."""
    return Answer(value=await shown(call.context, call.context.operations.named(call.id)))


async def deeds(call: Call) -> Answer:
    """Who did what."""
    lines = await asyncio.to_thread(audit.newest, call.context.workspace())
    return Answer(value=models.Audit(deeds=tuple(_deeds(lines))))


def _deeds(lines: list[dict[str, Any]]) -> Iterator[models.Deed]:
    """Those that are ours: others may append to a file."""
    for line in lines:
        with suppress(ValidationError):
            yield models.Deed.model_validate(line)


async def shown(context: ConsoleContext, one: Operation) -> models.Operation:
    """An operation with the backups that it made so far. Raises CatalogError."""
    made = await asyncio.to_thread(facts.made_by, context.workspace(), one)
    return models.Operation(
        **_facts(one),
        restore=await asyncio.to_thread(restores.of_operation, context.workspace(), one),
        output=context.operations.words(one),
        backups=tuple(
            models.MadeBackup(
                id=each.id,
                database=each.database,
                status=each.status.value,
                message=each.message,
                size_bytes=each.size_bytes,
                verified_at=each.verified_at,
                pinned=each.pinned is not None,
                left_out=tuple(sorted(each.left_out)),
                warnings=each.warnings,
            )
            for each in made
        ),
    )


def _facts(one: Operation) -> dict[str, Any]:
    return {
        "id": one.id,
        "verb": one.verb,
        "subject": one.subject,
        "state": one.state,
        "started_by": one.user,
        "started_at": one.started_at,
        "finished_at": one.finished_at,
        "exit_code": one.exit_code,
        "meaning": one.meaning,
        "cancelled_by": one.cancelled_by,
    }
