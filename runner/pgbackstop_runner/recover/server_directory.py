"""The directory of a recovered server, filled from one source: checked, unpacked, with its settings."""

from __future__ import annotations

import contextlib
import dataclasses
import shutil
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from pgbackstop_catalog import units
from pgbackstop_catalog.decisions.recovery import RecoveryPlan
from pgbackstop_catalog.records.backup import Backup
from pgbackstop_runner.postgres import client_programs, loaded_libraries, socket_directory
from pgbackstop_runner.postgres.private_server import PrivateServer
from pgbackstop_runner.recover import (
    data_directory,
    handover,
    included_files,
    prepare,
    replay_progress,
    server_settings,
)
from pgbackstop_runner.recover.choice import Choice
from pgbackstop_runner.recover.replay_progress import RecoveryRun
from pgbackstop_runner.recover.request import RecoveryRequest
from pgbackstop_runner.recover.steps import Steps
from pgbackstop_runner.storage import backup_files
from pgbackstop_runner.system import accounts, meter
from pgbackstop_runner.system.jail import Jail
from pgbackstop_runner.wal import replay_segments, replay_source
from pgbackstop_runner.wal.replay_segments import ReplaySegments
from pgbackstop_runner.workspace import Workspace

_PROGRAMS = ("postgres", "pg_controldata", "pg_ctl")


def require(workspace: Workspace, request: RecoveryRequest, found: Choice) -> None:
    """Raises ValidationError, ConfigError where it cannot be made here, of what was chosen."""
    backup = found.plan.backup
    replay_source.require_tools(found.plan, found.archive)
    data_directory.check(request.place, workspace, backup)
    if request.as_live and backup.server_facts:
        bin_dir = workspace.server(request.server).bin_dir
        programs = client_programs.of_server(backup.major, _PROGRAMS, bin_dir)
        loaded_libraries.require(backup.server_facts.preload_libraries, programs)


def filled(
    workspace: Workspace, request: RecoveryRequest, found: Choice, steps: Steps, stack: contextlib.ExitStack
) -> RecoveryRun:
    """Fill it, or leave it empty where that fails. ``stack`` keeps what is needed until the recovery ends.

    Raises ValidationError, CatalogError, StoreError, AttemptFailed, OSError.
    """
    chosen, storage, who = found.plan, found.source.storage, accounts.account()
    programs = _programs(workspace, chosen, request)
    # A drill proves one storage, and takes nothing from another.
    sources_of_wal = () if request.throwaway is not None else request.sources
    others = replay_segments.of_others(workspace, request.server, sources_of_wal, found.source)
    segments = ReplaySegments(chosen=chosen, archive=found.archive, others=others)
    for record in chosen.chain:
        stack.enter_context(workspace.state.lease(record.id))
    with steps.timed("check"):
        checked = segments.check()
        data_directory.check_room(request.place, chosen.backup, segments.copied_bytes(who))
        if request.as_live:
            files = backup_files.find(workspace, chosen.backup, storage)
            included_files.require(files, request.place.data, programs, who)
    steps.say(f"checked {units.format_size(checked)} of WAL")
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
        with steps.timed("unpack"), prepare.unfinished(request.place, chosen, who):
            _fill(partial(backup_files.find, workspace, storage=storage), work, steps)
        stack.enter_context(until_filled.pop_all())
    total = sum(record.size_bytes or 0 for record in chosen.chain)
    steps.say(f"unpacked {units.format_size(total)} into {request.place.data}")
    for note in segments.notes:
        steps.say(note)
    return work


def _fill(
    files: Callable[[Backup], backup_files.BackupFiles],
    work: RecoveryRun,
    steps: Steps,
) -> None:
    """All that makes the directory ready; until it is, PostgreSQL refuses it."""
    total = sum(record.size_bytes or 0 for record in work.plan.chain) or 1

    def show(count: int) -> None:
        meter.reached(count, total)
        steps.show("unpacked", min(1.0, count / total))

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
