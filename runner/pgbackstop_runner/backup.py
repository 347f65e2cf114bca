"""How one backup flows: validate, stream, exit codes, verify, store, record, expire, notify."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from pgbackstop_catalog import atomic, errors
from pgbackstop_catalog.records import Backup, Status
from pgbackstop_runner import (
    attempt,
    locks,
    log,
    logical,
    physical,
    readback,
    reconcile,
    server,
    validate,
    verify,
)
from pgbackstop_runner.attempt import Attempt, Request
from pgbackstop_runner.validate import Report
from pgbackstop_runner.workspace import Workspace


def run(workspace: Workspace, plan_name: str, request: Request) -> tuple[Backup, ...]:
    """Make the plan's backups: one record for each database, or one for the whole server.

    A failing database does not stop the others; its record says why. Raises NotFound, Busy where the plan
    is running, CatalogError where nothing can be recorded, Interrupted when a signal ends it.
    """
    workspace.plan(plan_name)
    with locks.held(workspace.catalog.root, reconcile.lock_name(plan_name), f"A backup of plan {plan_name}"):
        reconcile.one_plan(workspace, plan_name)
        backups = tuple(_attempts(workspace, plan_name, request))
        if any(backup.status is Status.SUCCEEDED for backup in backups):
            backups = tuple(readback.after(workspace, backup) for backup in backups)
    return backups


def _attempts(workspace: Workspace, plan_name: str, request: Request) -> Iterator[Backup]:
    """The first attempt is on record before anything is looked at, so that no run is without a trace."""
    expected = _expected(workspace, plan_name, request)
    first = attempt.begin(workspace, plan_name, expected[0], request)
    try:
        with first.step("validate"):
            report = validate.check(workspace, plan_name, only=request.databases)
    except Exception as error:
        yield _failed(first, error)
        return
    databases = report.databases or expected
    if first.record.database not in databases:
        first.retarget(databases[0])
    for database in databases:
        mine = database == first.record.database
        current = first if mine else attempt.begin(workspace, plan_name, database, request)
        try:
            backup = _make(current, report)
        except Exception as error:  # whatever it was, the other databases get their turn
            backup = _failed(current, error)
        else:
            _announce(workspace, backup)
        yield backup


def _expected(workspace: Workspace, plan_name: str, request: Request) -> tuple[str, ...]:
    """The databases that the run is about, as far as that is known before PostgreSQL is asked."""
    plan = workspace.plan(plan_name)
    if not plan.is_logical:
        return ("",)
    if request.databases:
        return request.databases
    if plan.databases != "all":
        return tuple(name for name in plan.databases if name not in plan.exclude_databases) or ("",)
    newest = next((each for each in workspace.catalog.backups(plan_name) if each.database), None)
    return (newest.database,) if newest else ("",)


def _failed(current: Attempt, error: Exception) -> Backup:
    """Record why an attempt failed, then say so. Raises Interrupted again: nothing more is to be done."""
    known = error
    if not isinstance(known, errors.PgbackstopError):
        log.logger().exception("bug", plan=current.plan_name, backup=current.record.id)
        known = errors.PgbackstopError(f"This is a bug: {type(error).__name__}: {error}")
    backup = current.fail(known)
    _announce(current.workspace, backup)
    if isinstance(known, errors.Interrupted):
        raise known
    return backup


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


def _make(current: Attempt, report: Report) -> Backup:
    """One backup, top to bottom."""
    database = current.record.database
    facts, rights, binaries = report.require(database)
    current.note(
        server_facts=facts,
        source_size_bytes=report.source_sizes.get(database),
        progress_expected_bytes=report.forecasts.get(database),
    )
    with attempt.storage_errors(current.storage):
        atomic.make_folder(current.folder)
    if current.plan.is_logical:
        with server.connect(current.server, database) as connection:
            current.note(database_facts=server.database_facts(connection))
        dump = logical.dump(
            current, binaries, role_passwords=current.plan.role_passwords and rights.read_roles
        )
        with current.step("verify"):
            verify.logical(current, binaries, dump)
        return current.commit(dump.files)
    with server.connect(current.server) as connection:
        summaries = server.setting(connection, "summarize_wal", default="off") == "on"
        major = server.major(connection)
    history = current.workspace.catalog.backups(current.plan_name)
    method = physical.choose(current, history, summarize_wal=summaries, major=major)
    with contextlib.ExitStack() as leases:
        if method.parent is not None:
            leases.enter_context(locks.lease(current.workspace.catalog.root, method.parent.id))
        return current.commit(physical.copy(current, binaries, method))
