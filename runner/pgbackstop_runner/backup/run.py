"""How one backup flows: validate, stream, exit codes, verify, store, record, expire, notify."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Iterator
from functools import partial

import psycopg

from pgbackstop_catalog import errors, units
from pgbackstop_catalog.records.attempt import Reason, Status
from pgbackstop_catalog.records.backup import Backup, StoredFile
from pgbackstop_catalog.store import atomic
from pgbackstop_runner.backup import (
    attempt,
    check_dump,
    logical,
    physical,
    preflight,
    psql_reading,
    reconcile,
    row_comparison,
)
from pgbackstop_runner.backup.attempt import Attempt, BackupRequest
from pgbackstop_runner.backup.preflight_report import Report
from pgbackstop_runner.copy import run as copy_run
from pgbackstop_runner.expire import run as expire_run
from pgbackstop_runner.failures import AttemptFailed
from pgbackstop_runner.notify import backup_events, pings
from pgbackstop_runner.postgres import facts as postgres_facts
from pgbackstop_runner.postgres import sessions, undumped
from pgbackstop_runner.postgres.client_programs import Binaries
from pgbackstop_runner.storage import identity
from pgbackstop_runner.system import files as system_files
from pgbackstop_runner.system import log, signals, workers
from pgbackstop_runner.verify import run as prove
from pgbackstop_runner.workspace import Workspace


def run(workspace: Workspace, plan_name: str, request: BackupRequest) -> tuple[Backup, ...]:
    """Make the plan's backups: one record for each database, or one for the whole server.

    A failing database does not stop the others; its record says why. Raises NotFound, Busy where the plan
    is running, CatalogError where nothing can be recorded, Interrupted when a signal ends it.
    """
    workspace.plan(plan_name)
    with workspace.state.held(reconcile.lock_name(plan_name), f"A backup of plan {plan_name}"):
        backups = pings.around(workspace, plan_name, partial(_locked, workspace, plan_name, request))
    # After the lock: a slow upload must not make the next run wait.
    copy_run.make_missing(workspace, plan_name)
    return backups


def _locked(workspace: Workspace, plan_name: str, request: BackupRequest) -> tuple[Backup, ...]:
    """The run itself, under the plan's lock."""
    reconcile.one_plan(workspace, plan_name)
    backups = tuple(_attempts(workspace, plan_name, request))
    if any(backup.status is Status.SUCCEEDED for backup in backups):
        backups = prove.after(workspace, backups)
        expire_run.after_success(workspace, plan_name)
    return backups


def _attempts(workspace: Workspace, plan_name: str, request: BackupRequest) -> Iterator[Backup]:
    """The first attempt is on record before anything is looked at, so that no run is without a trace."""
    expected = _expected(workspace, plan_name, request)
    first = attempt.begin(workspace, plan_name, expected[0], request)
    limit = min(first.plan.max_duration, first.plan.first_byte_timeout)
    try:
        with signals.deadline(limit, _overdue("The validation", limit)), first.step("validate"):
            report = preflight.check(workspace, plan_name, only=request.databases)
    except (Exception, errors.Interrupted) as error:
        yield _failed(first, error)
        return
    for each in report.left_out:
        first.warn(each)
    databases = report.databases or expected
    if first.record.database != databases[0]:
        first.retarget(databases[0])
    roles = logical.RolesDump()

    def one(number: int) -> Backup:
        database = databases[number]
        mine = database == first.record.database
        current = first if mine else attempt.begin(workspace, plan_name, database, request)
        current.note(run_databases=len(databases))
        try:
            backup = _make(current, report, roles)
        except (
            Exception,
            errors.Interrupted,
        ) as error:  # whatever it was, the other databases get their turn
            return _failed(current, error)
        _announce(workspace, backup)
        return backup

    made = _side_by_side(first, one, databases)
    for number, database in enumerate(databases):
        yield made[database] if database in made else one(number)


def _side_by_side(
    first: Attempt, one: Callable[[int], Backup], databases: tuple[str, ...]
) -> dict[str, Backup]:
    """Let processes make the backups of several databases; returns what they left, by database."""
    at_once = min(first.plan.parallel_databases, len(databases))
    if at_once <= 1:
        return {}
    workers.run(one, len(databases), at_once=at_once)
    # One that was killed left a running record, as a dead runner does.
    reconcile.one_plan(first.workspace, first.plan_name)
    newest = first.workspace.catalog.backups(first.plan_name)
    ours = itertools.takewhile(lambda backup: backup.id >= first.record.id, newest)
    return {backup.database: backup for backup in ours}


def _expected(workspace: Workspace, plan_name: str, request: BackupRequest) -> tuple[str, ...]:
    """The databases that the run is about, as far as that is known before PostgreSQL is asked."""
    plan = workspace.plan(plan_name)
    if not plan.is_logical:
        return ("",)
    if request.databases:
        return tuple(dict.fromkeys(request.databases))
    if plan.databases != "all":
        return tuple(name for name in plan.databases if name not in plan.exclude_databases) or ("",)
    newest = next((each for each in workspace.catalog.backups(plan_name) if each.database), None)
    return (newest.database,) if newest else ("",)


def _failed(current: Attempt, error: Exception | errors.Interrupted) -> Backup:
    """Record why an attempt failed, then say so. Raises Interrupted again: nothing more is to be done."""
    known = _known(current, error)
    backup = current.fail(known)
    _announce(current.workspace, backup)
    if isinstance(known, errors.Interrupted):
        raise known
    return backup


def _known(current: Attempt, error: Exception | errors.Interrupted) -> errors.Ending:
    """The error as a person shall read it."""
    if isinstance(error, psycopg.Error):
        return sessions.broken(error)
    if isinstance(error, OSError):
        return system_files.storage_failure(error, current.storage)
    return log.as_error(error, plan=current.plan_name, backup=current.record.id)


def _overdue(what: str, seconds: float) -> AttemptFailed:
    problem = f"{what} took longer than {units.format_duration(seconds)} and was ended."
    remedy = "Look for locks and at the network; raise max_duration of the plan if that is right."
    return AttemptFailed(Reason.TIMEOUT, problem, remedy=remedy)


def _announce(workspace: Workspace, backup: Backup) -> None:
    level = log.logger().info if backup.status is Status.SUCCEEDED else log.logger().error
    level(
        f"backup {backup.status}",
        plan=backup.plan,
        database=backup.database or None,
        backup=backup.id,
        duration_seconds=backup.duration_seconds,
        bytes=backup.size_bytes,
        reason=backup.reason,
        message=backup.message or None,
    )
    backup_events.backup_finished(workspace, backup)


def _make(current: Attempt, report: Report, roles: logical.RolesDump) -> Backup:
    """One backup, top to bottom."""
    database = current.record.database
    facts, rights, binaries = report.require(database)
    current.note(
        server_facts=facts,
        source_size_bytes=report.source_sizes.get(database),
        progress_expected_bytes=report.forecasts.get(database),
    )
    missing = report.undumped.get(database, undumped.Undumped())
    current.note(undumped=dict(missing.rows))
    for said in missing.sentences():
        current.warn(said)
    if current.record.storage is not None:
        identity.require(current.workspace, current.record.storage)  # since the validation it may have gone
    with system_files.storage_errors(current.storage):
        atomic.make_folder(current.folder)
    limit = current.plan.max_duration
    with contextlib.ExitStack() as leases:
        with signals.deadline(limit, _overdue("The backup", limit)):
            if current.plan.is_logical:
                files = _dump(current, binaries, roles, role_passwords=rights.read_roles)
            else:
                files = _copy(current, binaries, leases)
        return current.commit(files)


def _dump(
    current: Attempt, binaries: Binaries, roles: logical.RolesDump, *, role_passwords: bool
) -> tuple[StoredFile, ...]:
    with sessions.connect(current.server, current.record.database) as connection:
        current.note(database_facts=postgres_facts.database_facts(connection))
        if current.record.format == "plain":
            psql_reading.require(connection)
    wanted = current.plan.role_passwords and role_passwords
    dump = logical.dump(current, binaries, roles, role_passwords=wanted)
    with current.step("verify"):
        check_dump.check(current, binaries, dump)
    row_comparison.compare(current)
    return dump.files


def _copy(current: Attempt, binaries: Binaries, leases: contextlib.ExitStack) -> tuple[StoredFile, ...]:
    with sessions.connect(current.server) as connection:
        summaries = postgres_facts.setting(connection, "summarize_wal", default="off") == "on"
        major = postgres_facts.major(connection)
    history = current.workspace.catalog.backups(current.plan_name)
    method = physical.choose(current, history, summarize_wal=summaries, major=major)
    if method.parent is not None:
        leases.enter_context(current.workspace.state.lease(method.parent.id))
        # Between the choice and the lease it may have expired.
        if not current.workspace.catalog.backup(method.parent.id).is_available:
            method = physical.Method(fallback=f"{method.parent.id} expired meanwhile")
    return physical.copy(current, binaries, method)
