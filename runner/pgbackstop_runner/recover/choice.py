"""What a recovery begins from, and where its bytes are: the nearest storage that can be read and reaches the
target."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from functools import partial

from pgbackstop_catalog import errors
from pgbackstop_catalog.decisions import recovery
from pgbackstop_catalog.decisions.recovery import RecoveryPlan
from pgbackstop_runner.recover.request import RecoveryRequest
from pgbackstop_runner.storage import backup_files, sources
from pgbackstop_runner.storage.sources import Source
from pgbackstop_runner.wal import archive_reader, replay_source
from pgbackstop_runner.wal.archive_reader import Archive
from pgbackstop_runner.workspace import Workspace


@dataclass(frozen=True, kw_only=True)
class Choice:
    """The backup, the WAL after it, the storage that both are in, and those that are tried after it."""

    plan: RecoveryPlan
    archive: Archive
    source: Source
    further: tuple[Source, ...] = ()


def nearest(workspace: Workspace, request: RecoveryRequest) -> Choice:
    """The first of the sources whose files are all there, and that reaches the target; why it was that one.

    Raises ValidationError where none reaches it, NotFound, CatalogError, StoreError, AttemptFailed.
    """
    used, found = sources.first_usable(
        f"What a recovery of {request.server} needs",
        workspace.wal_storage(request.server),
        request.sources,
        partial(within, workspace, request),
        lacks=(errors.ValidationError, errors.NotFound),
    )
    place = [each.storage for each in request.sources].index(used.storage)
    return dataclasses.replace(found, source=used, further=request.sources[place + 1 :])


def within(workspace: Workspace, request: RecoveryRequest, source: Source) -> Choice:
    """The same of one source alone. Raises ValidationError, NotFound, CatalogError, StoreError."""
    found = archive_reader.read(workspace, request.server, source.storage)
    known = archive_reader.known(workspace, request.server, found, request.timeline)
    plan = recovery.choose(request.target, known, backup_id=request.backup_id, timeline=request.timeline)
    replay_source.require_reach(plan, found)
    for record in plan.chain:
        files = backup_files.find(workspace, record, source.storage)
        if isinstance(files, backup_files.CopiedFiles):
            files.require_whole()
    return Choice(plan=plan, archive=found, source=source)
