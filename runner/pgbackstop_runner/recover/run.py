"""One recovery, top to bottom: choose, check, unpack, settings, start, watch.

Nothing is touched before the target is known to be inside the recovery window and every byte that is
needed is known to be there.
"""

from __future__ import annotations

import contextlib
import errno
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from pgbackstop_catalog.decisions.recovery import RecoveryPlan
from pgbackstop_catalog.records import restore
from pgbackstop_catalog.records.attempt import Reason
from pgbackstop_catalog.records.proof import CheckResult
from pgbackstop_runner.failures import AttemptFailed
from pgbackstop_runner.journal.restore import Journal
from pgbackstop_runner.postgres.private_server import PrivateServer, Progress
from pgbackstop_runner.recover import choice, integrity_checks, replay_progress, server_directory
from pgbackstop_runner.recover import record as recover_record
from pgbackstop_runner.recover.choice import Choice
from pgbackstop_runner.recover.data_directory import DataDirectory
from pgbackstop_runner.recover.replay_progress import RecoveryRun
from pgbackstop_runner.recover.request import RecoveryRequest
from pgbackstop_runner.recover.steps import Steps
from pgbackstop_runner.storage import sources
from pgbackstop_runner.storage.sources import Source
from pgbackstop_runner.wal import replay_source
from pgbackstop_runner.workspace import Workspace


@dataclass(frozen=True, kw_only=True)
class RecoveryResult:
    """What came of it. ``recovered`` runs, and ``progress`` says how far it came, where it was started.

    ``source`` is where the bytes are from. ``failed`` are the checks that it did not pass; a drill has checks
    of its own. ``refused`` are settings of the live server that this host does not take.
    """

    plan: RecoveryPlan
    source: Source
    data: Path
    recovered: PrivateServer | None
    progress: Progress | None
    seconds: float
    failed: tuple[CheckResult, ...] = ()
    refused: frozenset[str] = frozenset()


def plan(workspace: Workspace, request: RecoveryRequest) -> Choice:
    """Choose the backup and its source, and check the place.

    Raises ValidationError, NotFound, CatalogError, StoreError, AttemptFailed.
    """
    found = choice.nearest(workspace, request)
    server_directory.require(workspace, request, found)
    return found


def estimate(workspace: Workspace, chosen: RecoveryPlan) -> restore.Estimate:
    """How long it should take, by earlier ones."""
    return restore.estimate(chosen.backup, workspace.catalog.restores(chosen.backup.server))


def recover(
    workspace: Workspace,
    request: RecoveryRequest,
    on_step: Callable[[str], None],
    on_progress: Callable[[str, float], None] = lambda _what, _share: None,
) -> RecoveryResult:
    """Recover; ``on_step`` hears in words what was done, ``on_progress`` how much of what, from 0 to 1.

    Raises ValidationError, NotFound and CatalogError before anything is touched; AttemptFailed and
    PgbackstopError for what PostgreSQL's tools say and for the disk.
    """
    started = time.monotonic()
    first = plan(workspace, request)
    with contextlib.ExitStack() as stack:
        current: Journal | None = None
        if request.throwaway is not None:
            timed = request.throwaway.step
        else:
            current = stack.enter_context(recover_record.recorded(workspace, first.plan, request.place.data))
            timed = current.step
        steps = Steps(current=current, timed=timed, say=on_step, show=on_progress)
        stack.enter_context(_disk_errors(request.place))

        def from_source(source: Source) -> RecoveryRun:
            found = first
            if source.storage != first.source.storage:
                found = choice.within(workspace, request, source)
                server_directory.require(workspace, request, found)
            with _disk_errors(request.place, only_full=True):  # as it is for every source
                return server_directory.filled(workspace, request, found, steps, stack)

        used, work = sources.first_usable(
            f"What a recovery of {request.server} needs",
            workspace.wal_storage(request.server),
            (first.source, *first.further),
            from_source,
        )
        if current is not None:
            recover_record.reads(current, work.plan.backup, used, work.segments.notes)
        _tell_refused(work, steps)
        progress = _finish(work, request, steps) if request.start else None
    return RecoveryResult(
        plan=work.plan,
        source=used,
        data=request.place.data,
        recovered=work.recovered if request.start else None,
        progress=progress,
        seconds=time.monotonic() - started,
        failed=tuple(each for each in current.record.checks if not each.ok) if current else (),
        refused=work.refused,
    )


def _tell_refused(work: RecoveryRun, steps: Steps) -> None:
    if work.refused:
        said = f"left at their defaults, as this host refuses them: {', '.join(sorted(work.refused))}"
        steps.say(said)
        steps.warn(f"Settings of the live server are {said}.")


def _finish(work: RecoveryRun, request: RecoveryRequest, steps: Steps) -> Progress:
    with steps.timed("replay"):
        progress = replay_progress.replay_all(work, steps.say, steps.show)
    steps.say(f"replayed to {progress.until or progress.replayed_lsn}")
    if not progress.in_recovery:
        with work.recovered.who.acting():
            shutil.rmtree(work.place.data / replay_source.COPY_NAME, ignore_errors=True)
    if request.throwaway is not None:
        return progress  # the drill has checks of its own
    with steps.timed("check result"):
        results = integrity_checks.run(work.recovered, thorough=request.check)
        if steps.current is not None:
            steps.current.note(checks=results)
    for each in results:
        steps.say(f"{'checked' if each.ok else 'NOT AS IT SHOULD BE:'} {each.name}: {each.detail}")
        if not each.ok:
            steps.warn(f"The recovered server is not as it should be: {each.name}: {each.detail}.")
    return progress


@contextlib.contextmanager
def _disk_errors(wanted: DataDirectory, *, only_full: bool = False) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        full = error.errno in {errno.ENOSPC, errno.EDQUOT}
        if only_full and not full:
            raise
        raise AttemptFailed(
            Reason.SPACE if full else Reason.STORAGE,
            f"The recovery into {wanted.data} failed: {error.filename or wanted.data}: {error.strerror}.",
            remedy="Make room, or choose another place." if full else "Check its owner, mode and mount.",
        ) from error
