"""What was begun by hand and killed is closed while the daemon lives, not at its next start."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import time
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TypeVar

from pgbackstop_catalog import errors
from pgbackstop_catalog.model import utc_now
from pgbackstop_catalog.records.attempt import Status
from pgbackstop_catalog.records.backup import Backup
from pgbackstop_catalog.records.proof import Proof
from pgbackstop_catalog.records.restore import Restore
from pgbackstop_runner.backup import reconcile
from pgbackstop_runner.daemon.settings import Settings
from pgbackstop_runner.drill import run as drill_run
from pgbackstop_runner.recover import record as recover_record
from pgbackstop_runner.restore import undo
from pgbackstop_runner.system import log
from pgbackstop_runner.workspace import Workspace

# Longer than runs take. What was begun before is closed when the daemon starts, or the plan runs.
_LOOKS_BACK = timedelta(days=2)

R = TypeVar("R", Backup, Proof, Restore)


@dataclass
class AbandonedRuns:
    """One search at a time, off the event loop: it may wait for a server."""

    settings: Settings
    _task: asyncio.Task[None] | None = None
    _next: float = field(default_factory=time.monotonic)

    def look(self, workspace: Workspace, ours: Collection[str]) -> None:
        """Start a search when its time has come; ``ours`` are plans whose runs the daemon closes itself."""
        if self._task is not None and not self._task.done():
            return
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + self.settings.abandoned_pause
            self._task = asyncio.create_task(asyncio.to_thread(_search, workspace, frozenset(ours)))

    async def stop(self) -> None:
        """A search that is going ends by itself, soon."""
        if self._task is not None:
            await asyncio.gather(self._task, return_exceptions=True)


def _search(workspace: Workspace, ours: frozenset[str]) -> None:
    try:
        close(workspace, ours)
    except errors.PgbackstopError as error:
        # Tried again in a minute; of a catalog in trouble the heartbeat tells, once.
        log.logger().debug("abandoned runs cannot be closed", problem=str(error))
    except Exception:
        # Backups are due, whatever stands in the way of this.
        log.logger().exception("abandoned runs cannot be closed: this is a bug")


def close(workspace: Workspace, ours: frozenset[str] = frozenset()) -> None:
    """Close the running records whose process is gone: nobody holds their lock. Raises CatalogError."""
    catalog, since = workspace.catalog, utc_now() - _LOOKS_BACK
    for plan in workspace.own_plans():
        proofs = [each for each in _recent(catalog.proofs(plan), since) if each.status is Status.RUNNING]
        if plan not in ours and (proofs or _runs(_recent(catalog.backups(plan), since))):
            with contextlib.suppress(errors.Busy), workspace.state.held(reconcile.lock_name(plan), plan):
                reconcile.one_plan(workspace, plan)
        if any(each.proof == "drill" for each in proofs):
            with contextlib.suppress(errors.Busy), workspace.state.held(drill_run.lock_name(plan), plan):
                drill_run.tidy(workspace, plan)
    if _runs(_recent(catalog.restores(), since)):
        undo.reconcile(workspace)
        recover_record.reconcile(workspace)


def _recent(records: Iterable[R], since: datetime) -> Iterator[R]:
    """The newest come first."""
    return itertools.takewhile(lambda each: each.started_at >= since, records)


def _runs(records: Iterable[Backup | Restore]) -> bool:
    return any(each.status is Status.RUNNING for each in records)
