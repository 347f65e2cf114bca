"""What further storages with a ``keep`` of their own keep of a plan's copies."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from pgbackstop_catalog.decisions import copy_retention
from pgbackstop_catalog.decisions.copy_retention import StorageRecords
from pgbackstop_catalog.decisions.retention import Verdict
from pgbackstop_runner.storage import backup_files
from pgbackstop_runner.workspace import Workspace


def verdicts(workspace: Workspace, plan_name: str, now: datetime) -> tuple[Verdict, ...]:
    """The verdict on every copy in such a storage. Raises CatalogError."""
    return tuple(
        verdict for each in _records(workspace, plan_name) for verdict in copy_retention.decide(each, now=now)
    )


def belonging(workspace: Workspace, plan_name: str, now: datetime) -> dict[str, frozenset[str]]:
    """By storage, the backups whose copies belong there. Raises CatalogError."""
    return {each.storage: copy_retention.belonging(each, now=now) for each in _records(workspace, plan_name)}


def _records(workspace: Workspace, plan_name: str) -> Iterator[StorageRecords]:
    catalog, storages = workspace.catalog, workspace.config.storages
    keeps = {name: each.keep for name, each in storages.items() if each.keep is not None}
    if not keeps:
        return
    backups, copies = list(catalog.backups(plan_name)), list(catalog.copies(plan_name))
    proofs = list(catalog.proofs(plan_name))
    for name, keep in keeps.items():
        yield StorageRecords(
            storage=name,
            keep=keep,
            backups=backups,
            copies=copies,
            proofs=proofs,
            elsewhere=tuple(
                each
                for server in sorted({each.server for each in backups if each.parent})
                for each in backup_files.in_storage(
                    catalog,
                    [each for each in catalog.physical_backups(server) if each.plan != plan_name],
                    name,
                )
            ),
        )
