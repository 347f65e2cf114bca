"""One recovery, top to bottom: choose, check, unpack, settings, start, watch.

Nothing is touched before the target is known to be inside the recovery window and every byte that is
needed is known to be there.
"""

from __future__ import annotations

import contextlib
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pgbackstop_catalog import errors, recovery, units, wal
from pgbackstop_catalog.records import Backup
from pgbackstop_catalog.recovery import RecoveryPlan, Target
from pgbackstop_runner import account, binaries, locks, log
from pgbackstop_runner.recover import archive, guide, prepare, replay, settings
from pgbackstop_runner.recover.archive import Archive
from pgbackstop_runner.recover.prepare import Place
from pgbackstop_runner.recover.replay import Progress, Recovered
from pgbackstop_runner.workspace import Workspace

_LONGEST_SOCKET_FOLDER = 80  # of the 107 bytes of a socket's path


@dataclass(frozen=True, kw_only=True)
class Request:
    """What a person asks for. ``seconds`` is how long the replay may take."""

    server: str
    target: Target
    place: Place
    backup_id: str | None = None
    timeline: int | None = None
    start: bool = False
    port: int = 5433
    action: str = "promote"
    seconds: float = 86400.0


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What came of it. ``recovered`` runs, and ``progress`` says how far it came, where it was started."""

    plan: RecoveryPlan
    data: Path
    recovered: Recovered | None
    progress: Progress | None
    seconds: float


@dataclass(frozen=True, kw_only=True)
class _Work:
    """What the steps after planning share. ``wal_folder`` is where the recovered server reads WAL from."""

    request: Request
    plan: RecoveryPlan
    archive: Archive
    wal_folder: Path
    recovered: Recovered


def plan(workspace: Workspace, request: Request, found: Archive) -> RecoveryPlan:
    """Choose the backup and check the place. Raises ValidationError, NotFound."""
    chosen = recovery.choose(
        request.target,
        backups=archive.backups(workspace, request.server),
        windows=archive.windows(workspace, request.server, found),
        backup_id=request.backup_id,
        timeline=request.timeline,
    )
    prepare.check_place(request.place, workspace, chosen.backup)
    return chosen


def recover(workspace: Workspace, request: Request, on_step: Callable[[str], None]) -> Outcome:
    """Recover; ``on_step`` hears in words what is being done.

    Raises ValidationError, NotFound and CatalogError before anything is touched; AttemptFailed and
    PgbackstopError for what PostgreSQL's tools say, OSError for the disk.
    """
    started = time.monotonic()
    found = archive.read(workspace, request.server)
    chosen = plan(workspace, request, found)
    programs = _programs(workspace, chosen.backup)
    with contextlib.ExitStack() as stack:
        for record in chosen.chain:
            stack.enter_context(locks.lease(workspace.catalog.root, record.id))
        on_step(f"checked {units.format_size(archive.check(chosen, found))} of WAL")
        prepare.fill(workspace, chosen, request.place, programs, lambda _bytes: None)
        total = sum(record.size_bytes or 0 for record in chosen.chain)
        on_step(f"unpacked {units.format_size(total)} into {request.place.data}")
        work = _configure(workspace, request, chosen, found, programs)
        progress = _replay(work, on_step) if request.start else None
    return Outcome(
        plan=chosen,
        data=request.place.data,
        recovered=work.recovered if request.start else None,
        progress=progress,
        seconds=time.monotonic() - started,
    )


def _programs(workspace: Workspace, backup: Backup) -> binaries.Binaries:
    """The server's programs of the backup's own major version. Raises ConfigError."""
    major = (backup.server_facts.version_number if backup.server_facts else 0) // 10000
    found = binaries.find(major, workspace.server(backup.server).bin_dir)
    if found.major != major or not found.has("postgres"):
        raise errors.ConfigError(
            f"Recovering needs the programs of PostgreSQL {major} itself; {found.folder} lacks them.",
            remedy=f"Install postgresql-{major} on this host, or set bin_dir of the server.",
        )
    return found


def _configure(
    workspace: Workspace, request: Request, chosen: RecoveryPlan, found: Archive, programs: binaries.Binaries
) -> _Work:
    data, who = request.place.data, account.account()
    short = len(str(data)) <= _LONGEST_SOCKET_FOLDER
    sockets = data if short else Path(tempfile.mkdtemp(prefix="pgbackstop-"))
    recovered = Recovered(
        programs=programs,
        data=data,
        socket_folder=sockets,
        port=request.port,
        log=data / guide.LOG_NAME,
        who=who,
        user=workspace.server(request.server).user,
    )
    work = _Work(
        request=request,
        plan=chosen,
        archive=found,
        wal_folder=archive.for_account(chosen, found, data, who),
        recovered=recovered,
    )
    guide.write(data, chosen, programs, request.port, sockets)
    recovered.log.touch(mode=0o600)
    who.own(sockets)
    _write_settings(work, exact_target=True)
    return work


def _write_settings(work: _Work, *, exact_target: bool) -> None:
    data, recovered = work.request.place.data, work.recovered
    script = settings.install_script(data)
    lines = settings.recovery(
        work.plan,
        command=settings.restore_command(script, work.wal_folder, work.archive.segment_bytes),
        controls=settings.control(recovered.programs, data),
        action=work.request.action,
        exact_target=exact_target,
    )
    hba = settings.write_hba(data)
    settings.write(data, {**lines, **settings.beside(work.request.port, recovered.socket_folder, hba)})
    prepare.hand_over(work.request.place, recovered.who)


def _replay(work: _Work, on_step: Callable[[str], None]) -> Progress:
    """Start, and watch to the end."""
    try:
        progress = _watch(work)
    except replay.NotReached:
        if work.plan.target.kind != "time":
            raise
        # The window covers the moment, so all that was committed before it is in the archive; where the
        # replay finds nothing after it, all of the archive is exactly the state at that moment.
        on_step("nothing was committed after the target: replaying all of the archive")
        _write_settings(work, exact_target=False)
        progress = _watch(work)
        _require_all(work, progress)
    if work.plan.target.kind == "latest":
        _require_all(work, progress)
    on_step(f"replayed to {progress.until or progress.replayed_lsn}")
    return progress


def _watch(work: _Work) -> Progress:
    work.recovered.start()
    try:
        return work.recovered.wait(seconds=work.request.seconds, on_progress=_show)
    except BaseException:
        work.recovered.stop()
        raise


def _require_all(work: _Work, progress: Progress) -> None:
    """Raises CatalogError where the replay ended before the WAL that the window promises."""
    least = archive.least_lsn(work.plan, work.archive)
    if progress.replayed_lsn and wal.parse_lsn(progress.replayed_lsn) > least:
        return
    work.recovered.stop()
    raise errors.CatalogError(
        f"The replay ended at {progress.replayed_lsn}, but the archive goes beyond {wal.format_lsn(least)}.",
        remedy=f"Some WAL could not be read: see {work.recovered.log}. The server was stopped.",
    )


def _show(progress: Progress) -> None:
    log.logger().debug("replaying", lsn=progress.replayed_lsn, until=progress.until)
