"""One recovery, top to bottom: choose, check, unpack, settings, start, watch.

Nothing is touched before the target is known to be inside the recovery window and every byte that is
needed is known to be there.
"""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from pgbackstop_catalog import units
from pgbackstop_catalog.decisions.recovery import RecoveryPlan
from pgbackstop_catalog.records import restore
from pgbackstop_catalog.records.attempt import Reason
from pgbackstop_catalog.records.backup import Backup
from pgbackstop_catalog.records.proof import CheckResult
from pgbackstop_runner.failures import AttemptFailed
from pgbackstop_runner.journal.restore import Journal
from pgbackstop_runner.postgres import client_programs, loaded_libraries, socket_directory
from pgbackstop_runner.postgres.private_server import PrivateServer, Progress
from pgbackstop_runner.recover import (
    choice,
    data_directory,
    handover,
    included_files,
    integrity_checks,
    prepare,
    replay_progress,
    server_settings,
)
from pgbackstop_runner.recover import record as recover_record
from pgbackstop_runner.recover.choice import Choice
from pgbackstop_runner.recover.data_directory import DataDirectory
from pgbackstop_runner.recover.replay_progress import RecoveryRun
from pgbackstop_runner.recover.request import RecoveryRequest
from pgbackstop_runner.storage import backup_files, sources
from pgbackstop_runner.storage.sources import Source
from pgbackstop_runner.system import accounts, meter
from pgbackstop_runner.system.jail import Jail
from pgbackstop_runner.wal import replay_segments, replay_source
from pgbackstop_runner.wal.replay_segments import ReplaySegments
from pgbackstop_runner.workspace import Workspace

_PROGRAMS = ("postgres", "pg_controldata", "pg_ctl")


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
    _require_place(workspace, request, found)
    return found


def _require_place(workspace: Workspace, request: RecoveryRequest, found: Choice) -> None:
    backup = found.plan.backup
    replay_source.require_tools(found.plan, found.archive)
    data_directory.check(request.place, workspace, backup)
    if request.as_live and backup.server_facts:
        bin_dir = workspace.server(request.server).bin_dir
        programs = client_programs.of_server(backup.major, _PROGRAMS, bin_dir)
        loaded_libraries.require(backup.server_facts.preload_libraries, programs)


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
        current = None
        if request.throwaway is None:
            current = stack.enter_context(recover_record.recorded(workspace, first.plan, request.place.data))
        stack.enter_context(_disk_errors(request.place))

        def from_source(source: Source) -> RecoveryRun:
            found = first
            if source.storage != first.source.storage:
                found = choice.within(workspace, request, source)
                _require_place(workspace, request, found)
            return _prepared(workspace, request, found, current, stack, on_step, on_progress)

        used, work = sources.first_usable(
            f"What a recovery of {request.server} needs",
            workspace.wal_storage(request.server),
            (first.source, *first.further),
            from_source,
        )
        if current is not None:
            recover_record.reads(current, work.plan.backup, used, work.segments.notes)
        _tell_refused(work, current, on_step)
        progress = _finish(work, request, current, on_step, on_progress) if request.start else None
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


def _tell_refused(work: RecoveryRun, current: Journal | None, on_step: Callable[[str], None]) -> None:
    if work.refused:
        said = f"left at their defaults, as this host refuses them: {', '.join(sorted(work.refused))}"
        on_step(said)
        if current is not None:
            current.warn(f"Settings of the live server are {said}.")


def _prepared(  # noqa: PLR0917 - what one attempt shares with the next
    workspace: Workspace,
    request: RecoveryRequest,
    found: Choice,
    current: Journal | None,
    stack: contextlib.ExitStack,
    on_step: Callable[[str], None],
    on_progress: Callable[[str, float], None],
) -> RecoveryRun:
    """The directory filled from one source; empty again where that fails."""
    chosen, storage, who = found.plan, found.source.storage, accounts.account()
    programs = _programs(workspace, chosen, request)
    # A drill proves one storage, and takes nothing from another.
    sources_of_wal = () if request.throwaway is not None else request.sources
    others = replay_segments.of_others(workspace, request.server, sources_of_wal, found.source)
    segments = ReplaySegments(chosen=chosen, archive=found.archive, others=others)
    for record in chosen.chain:
        stack.enter_context(workspace.state.lease(record.id))
    with _step(request, current, "check"):
        checked = segments.check()
        data_directory.check_room(request.place, chosen.backup, segments.copied_bytes(who))
        if request.as_live:
            files = backup_files.find(workspace, chosen.backup, storage)
            included_files.require(files, request.place.data, programs, who)
    on_step(f"checked {units.format_size(checked)} of WAL")
    with contextlib.ExitStack() as until_filled:
        socket_folder = until_filled.enter_context(_sockets(request, who))
        work = RecoveryRun(
            plan=chosen,
            archive=found.archive,
            segments=segments,
            place=request.place,
            recovered=_recovered(workspace.server(request.server).user, request, programs, socket_folder),
            action=request.action,
            by_hand=not request.start,
            seconds=request.seconds,
            throwaway=request.throwaway.settings if request.throwaway else None,
            as_live=request.as_live,
        )
        with _step(request, current, "unpack"), prepare.unfinished(request.place, chosen, who):
            _fill(partial(backup_files.find, workspace, storage=storage), work, on_progress)
        stack.enter_context(until_filled.pop_all())
    total = sum(record.size_bytes or 0 for record in chosen.chain)
    on_step(f"unpacked {units.format_size(total)} into {request.place.data}")
    for note in segments.notes:
        on_step(note)
    return work


def _fill(
    files: Callable[[Backup], backup_files.BackupFiles],
    work: RecoveryRun,
    on_progress: Callable[[str, float], None],
) -> None:
    """All that makes the directory ready; until it is, PostgreSQL refuses it."""
    total = sum(record.size_bytes or 0 for record in work.plan.chain) or 1

    def show(count: int) -> None:
        meter.reached(count, total)
        on_progress("unpacked", min(1.0, count / total))

    prepare.fill(files, work.plan, work.place, work.recovered.programs, show)
    work.wal_folder = work.segments.place(work.place.data, work.recovered.who)
    pauses = work.action == "pause"
    handover.write(work.plan, work.recovered, work.wal_folder, pauses=pauses, as_live=work.as_live)
    if work.throwaway is None:
        work.recovered.log.touch(mode=0o600)
    else:
        _confine(work)
    replay_progress.write_settings(work, exact_target=True)


def _confine(work: RecoveryRun) -> None:
    """Let the server of a drill see its own folders, and read the WAL."""
    recovered, jail = work.recovered, work.recovered.programs.jail
    assert jail is not None  # noqa: S101 - see _programs
    recovered.cell = jail.worker(
        recovered.programs.folder,
        writes=(*work.place.folders(), recovered.socket_folder),
        reads=() if work.wal_folder.is_relative_to(work.place.data) else (work.wal_folder,),
    )


def _finish(
    work: RecoveryRun,
    request: RecoveryRequest,
    current: Journal | None,
    on_step: Callable[[str], None],
    on_progress: Callable[[str, float], None],
) -> Progress:
    with _step(request, current, "replay"):
        progress = replay_progress.replay_all(work, on_step, on_progress)
    on_step(f"replayed to {progress.until or progress.replayed_lsn}")
    if not progress.in_recovery:
        with work.recovered.who.acting():
            shutil.rmtree(work.place.data / replay_source.COPY_NAME, ignore_errors=True)
    if request.throwaway is not None:
        return progress  # the drill has checks of its own
    with _step(request, current, "check result"):
        results = integrity_checks.run(work.recovered, thorough=request.check)
        if current is not None:
            current.note(checks=results)
    for each in results:
        on_step(f"{'checked' if each.ok else 'NOT AS IT SHOULD BE:'} {each.name}: {each.detail}")
        if current is not None and not each.ok:
            current.warn(f"The recovered server is not as it should be: {each.name}: {each.detail}.")
    return progress


def _programs(
    workspace: Workspace, chosen: RecoveryPlan, request: RecoveryRequest
) -> client_programs.Binaries:
    """The server's programs of the backup's own major version. Raises ConfigError.

    The tools read what the backup contains: in the drill's jail, or at least as the server's account.
    """
    backup = chosen.backup
    needed = (*_PROGRAMS, "pg_combinebackup") if len(chosen.chain) > 1 else _PROGRAMS
    found = client_programs.of_server(backup.major, needed, workspace.server(backup.server).bin_dir)
    who = accounts.account()
    who.require_run(Path(found.path("postgres")))
    unconfined = Jail(mechanism="none", who=who, sockets=request.place.data)
    return dataclasses.replace(found, jail=request.throwaway.jail if request.throwaway else unconfined)


def _recovered(
    user: str, request: RecoveryRequest, programs: client_programs.Binaries, socket_folder: Path
) -> PrivateServer:
    data = request.place.data
    return PrivateServer(
        programs=programs,
        data=data,
        socket_folder=socket_folder,
        port=request.port,
        log=request.throwaway.log if request.throwaway else data / handover.LOG_NAME,
        who=accounts.account(),
        user=user,
        restore_script=server_settings.SCRIPT,
    )


@contextlib.contextmanager
def _sockets(request: RecoveryRequest, who: accounts.Account) -> Iterator[Path]:
    """The data directory, which is private; a short one elsewhere where a socket's path would not fit.

    That stays for the recovered server, and goes where there is none.
    """
    there = request.throwaway.sockets if request.throwaway else request.place.data
    if request.throwaway or socket_directory.may_be_in(there):
        yield there
        return
    folder = Path(tempfile.mkdtemp(prefix="pgbackstop-"))
    try:
        who.own(folder)
        yield folder
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


@contextlib.contextmanager
def _step(request: RecoveryRequest, current: Journal | None, name: str) -> Iterator[None]:
    step = request.throwaway.step if request.throwaway is not None else current.step if current else None
    with step(name) if step is not None else contextlib.nullcontext():
        yield


@contextlib.contextmanager
def _disk_errors(wanted: DataDirectory) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        full = error.errno in {errno.ENOSPC, errno.EDQUOT}
        raise AttemptFailed(
            Reason.SPACE if full else Reason.STORAGE,
            f"The recovery into {wanted.data} failed: {error.filename or wanted.data}: {error.strerror}.",
            remedy="Make room, or choose another place." if full else "Check its owner, mode and mount.",
        ) from error
