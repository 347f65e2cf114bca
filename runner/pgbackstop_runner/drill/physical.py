"""A physical drill: a base backup recovered, to the end of the archive or to one moment of the window."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

import psycopg

from pgbackstop_catalog import errors
from pgbackstop_catalog.decisions.recovery import RecoveryPlan, Target
from pgbackstop_catalog.model import format_time
from pgbackstop_catalog.records.attempt import Reason
from pgbackstop_catalog.records.backup import Backup
from pgbackstop_catalog.records.proof import CheckResult
from pgbackstop_runner.drill import empty_server, heartbeat_check, record, work_directory
from pgbackstop_runner.drill.record import Drill
from pgbackstop_runner.drill.work_directory import DrillDirectory
from pgbackstop_runner.failures import AttemptFailed
from pgbackstop_runner.postgres import client_programs
from pgbackstop_runner.postgres.private_server import PrivateServer, Progress
from pgbackstop_runner.recover import data_directory, integrity_checks, run
from pgbackstop_runner.recover.data_directory import DataDirectory
from pgbackstop_runner.recover.request import DrillOptions, RecoveryRequest
from pgbackstop_runner.recover.run import RecoveryResult
from pgbackstop_runner.storage.sources import Source
from pgbackstop_runner.system import processes


@dataclass(frozen=True, kw_only=True)
class DrillTarget:
    """What a drill recovers to, from which backup, and why.

    ``sources`` are where the bytes can be, the nearest first; the first is where the backup was chosen.
    """

    target: Target
    chosen: RecoveryPlan
    reason: str
    sources: tuple[Source, ...]

    @property
    def backup(self) -> Backup:
        return self.chosen.backup


def restore(drill: Drill, site: DrillDirectory, aim: DrillTarget, *, seconds: float) -> None:
    """Recover and check it; its server is stopped at the end. Raises PgbackstopError, psycopg.Error."""
    backup = aim.backup
    drill.note(target_time=aim.target.moment)
    work_directory.require_room(site, backup.source_size_bytes or 0)
    with contextlib.ExitStack() as stack:
        outcome = _recover(drill, site, aim, seconds)
        recovered = outcome.recovered
        assert recovered is not None  # noqa: S101 - it was asked to start
        stack.callback(recovered.stop)
        assert outcome.progress is not None  # noqa: S101
        with drill.step("check result"):
            recovered.asks_as = _superuser(recovered)
            drill.check(_reached(aim, outcome.progress), *_settings_left_out(outcome))
            drill.check(*integrity_checks.run(recovered, thorough=True, install=True))
            _judge(drill, recovered, aim)
        drill.require_good()
    drill.note(
        tool=f"PostgreSQL {recovered.programs.version}",
        proven_until=_proven(aim, outcome.progress),
    )


def _recover(drill: Drill, site: DrillDirectory, aim: DrillTarget, seconds: float) -> RecoveryResult:
    """From the nearest source that is whole; a replay that fails is no reason to go on with the next."""
    spaces = {space.oid: site.tablespace(space.oid) for space in data_directory.tablespaces(aim.backup)}
    request = RecoveryRequest(
        server=aim.backup.server,
        target=aim.target,
        place=DataDirectory(data=site.data, tablespaces=spaces),
        sources=aim.sources,
        backup_id=aim.backup.id,
        timeline=aim.chosen.timeline,
        start=True,
        port=empty_server.PORT,
        seconds=seconds,
        throwaway=DrillOptions(
            sockets=site.sockets,
            log=site.log,
            jail=site.jail,
            settings=_settings(drill, aim.backup),
            step=drill.step,
        ),
    )
    try:
        outcome = run.recover(drill.workspace, request, lambda _words: None)
    except (errors.ValidationError, errors.ConfigError):
        raise
    except errors.PgbackstopError as error:
        # Where several were tried, the cause is what was wrong with the nearest.
        damaged = any(isinstance(each, errors.CatalogError) for each in (error, error.__cause__))
        reason = Reason.CORRUPT if damaged else record.reason_of(error)
        raise AttemptFailed(reason, _explained(error, site, aim.backup)) from error
    drill.reads(outcome.source)
    return outcome


def _settings(drill: Drill, backup: Backup) -> dict[str, str]:
    """With no place for workers, which a hot standby would have to have as the live server did."""
    bin_dir = drill.workspace.server(backup.server).bin_dir
    programs = client_programs.of_server(backup.major, empty_server.PHYSICAL_PROGRAMS, bin_dir)
    libraries = empty_server.preloads(drill, backup, programs)
    return {**empty_server.throwaway(backup.major, libraries), "hot_standby": "off"}


def _settings_left_out(outcome: RecoveryResult) -> Iterator[CheckResult]:
    if outcome.refused:
        names = ", ".join(sorted(outcome.refused))
        yield CheckResult(
            name="settings", ok=True, detail=f"at their defaults, as this host refuses the source's: {names}"
        )


def _explained(error: errors.PgbackstopError, site: DrillDirectory, backup: Backup) -> str:
    """With the last words of the server: its log goes with the folder."""
    problem = error.problem if backup.id in error.problem else f"Backup {backup.id}: {error.problem}"
    return f"{problem} PostgreSQL said last: {processes.tail(site.log)}" if site.log.exists() else problem


def _superuser(recovered: PrivateServer) -> str:
    """Who may read every page: the role of the backups often may not."""
    with contextlib.closing(recovered.connect()) as connection:
        row = connection.execute(
            "select rolname from pg_roles where rolsuper and rolcanlogin order by oid limit 1"
        ).fetchone()
    return str(row[0]) if row else recovered.user


def _reached(aim: DrillTarget, progress: Progress) -> CheckResult:
    """That nothing was replayed which was committed after the moment."""
    until = reached(progress)
    moment = aim.target.moment
    ok = moment is None or until is None or until <= moment
    words = f"the last commit replayed is of {format_time(until)}" if until else "no commit was replayed"
    return CheckResult(name="reached", ok=ok, detail=f"{words}, at {progress.replayed_lsn}")


def reached(progress: Progress) -> datetime | None:
    """When the last transaction that was replayed committed."""
    with contextlib.suppress(ValueError):
        return datetime.fromisoformat(progress.until)
    return None


def _judge(drill: Drill, recovered: PrivateServer, aim: DrillTarget) -> None:
    live = drill.workspace.server(aim.backup.server)
    moment = aim.target.moment
    window = aim.chosen.window
    if moment is None and aim.target.kind == "latest" and window is not None:
        moment = window.end
    if not live.heartbeat.enabled or moment is None:
        drill.check(heartbeat_check.not_compared(aim.target.moment))
        return
    try:
        judgement = heartbeat_check.judge(recovered, live, moment, exact=aim.target.kind == "time")
    except psycopg.Error as error:
        drill.check(
            CheckResult(name="heartbeats", ok=False, detail=f"they cannot be read: {errors.one_line(error)}")
        )
        return
    drill.check(judgement.check)
    drill.note(rpo_seconds=judgement.rpo_seconds)


def _proven(aim: DrillTarget, progress: Progress) -> datetime:
    """The moment that was asked for; else the last commit, which is there for certain."""
    if aim.target.moment is not None:
        return aim.target.moment
    end = aim.backup.recoverable_from
    return max(end, reached(progress) or end)
