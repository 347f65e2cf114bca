"""The endpoints of restores and recoveries, one value each: those of a plan, and those that start it."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Final

from pgbackstop_catalog.config.oidc import Role
from pgbackstop_runner.console.api import models, reading, restore_models, restoring
from pgbackstop_runner.console.api.endpoint import Endpoint, starting


def _of(
    path: str,
    name: str,
    role: Role,
    summary: str,
    *,
    body: type[models.Started],
    read: restoring.Reader,
    planner: Role = "viewer",
) -> Iterator[Endpoint]:
    """What it would do, and it itself."""
    yield Endpoint(
        method="POST",
        path=f"{path}/plan",
        name=f"plan{name}",
        role=planner,
        summary=f"What this would do, once that is known, and touch nothing: {summary}",
        handler=partial(restoring.plan, read),
        answer=restore_models.RestorePlan,
        body=body,
        refusals=(404, 409),
    )
    yield starting(
        path=path,
        name=f"start{name}",
        role=role,
        summary=f"{summary} Its plan is asked for first, by the same body.",
        handler=partial(restoring.start, read),
        body=body,
    )


RESTORES: Final = (
    *_of(
        "/backups/{id}/restore",
        "Restore",
        "operator",
        "Restore a database beside the live one.",
        body=restore_models.RestoreBesideAsked,
        read=restoring.beside,
    ),
    *_of(
        "/backups/{id}/replace",
        "Replacement",
        "admin",
        "Restore a database in the place of the live one, which is kept aside.",
        body=restore_models.ReplaceAsked,
        read=restoring.in_place,
    ),
    *_of(
        "/backups/{id}/tables",
        "RestoreOfTables",
        "operator",
        "Restore tables into a new schema of their database.",
        body=restore_models.TablesAsked,
        read=restoring.tables,
    ),
    *_of(
        "/backups/{id}/lost",
        "RestoreOfLostTables",
        "admin",
        "Restore lost tables where they were.",
        body=restore_models.LostTablesAsked,
        read=restoring.lost_tables,
    ),
    *_of(
        "/servers/{id}/recover",
        "Recovery",
        "admin",
        "Recover a server into a new directory.",
        body=restore_models.RecoverAsked,
        read=restoring.recovery,
        planner="operator",  # its plan tells whether any folder of the host is empty
    ),
    Endpoint(
        method="GET",
        path="/restores",
        name="getRestores",
        role="viewer",
        summary="Restores and recoveries on record, the newest first, page by page.",
        handler=reading.every_restore,
        answer=restore_models.RestorePage,
        query=restore_models.RestoresAsked,
    ),
    Endpoint(
        method="GET",
        path="/restores/{id}",
        name="getRestore",
        role="viewer",
        summary="One restore or recovery: its whole record, with its steps so far.",
        handler=reading.restore,
        answer=restore_models.RestoreDetails,
        refusals=(404,),
    ),
    starting(
        path="/restores/{id}/undo",
        name="undoRestore",
        role="admin",
        summary="Give the replaced database its name back; what was restored is kept beside it.",
        handler=restoring.undo,
        body=restore_models.WayBackAsked,
    ),
    starting(
        path="/restores/{id}/drop",
        name="dropReplaced",
        role="admin",
        summary="Drop the database that a restore replaced; there is no undo afterwards.",
        handler=restoring.drop,
        body=restore_models.WayBackAsked,
    ),
)
