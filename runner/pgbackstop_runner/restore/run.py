"""How a logical restore flows: record, lease, make, fill, validate, stop, swap, start, check.

The live database is whole at every moment: it is touched by one transaction at the end, or not at all.
--in-place drops the old one when the restored one was checked and has its name.
"""

from __future__ import annotations

import psycopg

from pgbackstop_catalog import errors
from pgbackstop_catalog.model import utc_now
from pgbackstop_catalog.records.attempt import Status
from pgbackstop_catalog.records.ids import new_id
from pgbackstop_catalog.records.restore import Restore
from pgbackstop_catalog.store import layout
from pgbackstop_runner.journal import restore
from pgbackstop_runner.journal.restore import Journal
from pgbackstop_runner.notify import restore_events
from pgbackstop_runner.restore import (
    downtime,
    missing_entries,
    new_database,
    old_database,
    roles,
    selected_tables,
    session_notice,
    swap,
    target_database,
    under_its_name,
)
from pgbackstop_runner.restore.missing_entries import Accept
from pgbackstop_runner.restore.plan import RestorePlan
from pgbackstop_runner.restore.swap import Rename
from pgbackstop_runner.system import log
from pgbackstop_runner.workspace import Workspace


def run(workspace: Workspace, outline: RestorePlan, *, accept: Accept = missing_entries.nobody) -> Restore:
    """Do what the outline says; a restore that fails is on record and leaves the live database as it was.

    ``accept`` is asked whether the live database may be replaced by one in which entries are missing.
    Raises Busy where the same database is being restored, and what made the restore fail.
    """
    name = lock_name(outline.server_name, outline.database)
    with (
        workspace.state.held(name, f"A restore of {outline.database}"),
        workspace.state.lease(outline.backup.id),
    ):
        current = _begin(workspace, outline)
        restore_events.started(workspace, current.record)
        try:
            _restore(current, outline, accept)
        except (Exception, errors.Interrupted) as error:
            raise _failed(current, outline, error) from error
        done = current.succeed()
        restore_events.finished(workspace, done)
        return done


def lock_name(server: str, database: str) -> str:
    """The lock of one database of a server: one restore into it at a time."""
    return f"restore-{server}-{layout.folder_name(database)}"


def _begin(workspace: Workspace, outline: RestorePlan) -> Journal:
    backup = outline.backup
    now = utc_now()
    restore_id = new_id(now)
    record = Restore(
        id=restore_id,
        server=outline.server_name,
        plan=backup.plan,
        backup=backup.id,
        database=backup.database,
        copy_in=outline.source.storage,
        source_reason=outline.source.reason,
        warnings=outline.source.passed_over,
        target=outline.database,
        method=outline.method,
        status=Status.RUNNING,
        started_at=now,
        source_size_bytes=backup.source_size_bytes,
        scratch_database=""
        if outline.under_its_name
        else target_database.name_beside(outline.database, "restore", restore_id[-6:]),
    ).evolve(**restore.here())
    current = Journal(workspace=workspace, record=record)
    current.save()
    return current


def _restore(current: Journal, outline: RestorePlan, accept: Accept) -> None:
    """One restore, top to bottom."""
    if outline.request.roles and outline.missing_roles:
        with current.step("roles"):
            created = roles.create(outline)
        current.warn(f"Roles created from the backup: {', '.join(sorted(created))}.")
    if outline.method == "selection":
        selected_tables.restore(current, outline)
        return
    if outline.under_its_name:
        under_its_name.restore(current, outline, accept)
    else:
        _beside(current, outline, accept)
    if outline.method == "in-place" and current.record.replaced_database:
        _drop_old(current, outline)


def _beside(current: Journal, outline: RestorePlan, accept: Accept) -> None:
    """Fill a database beside, and let it take the name."""
    name = current.record.scratch_database
    new_database.fill(current, outline, name)
    if outline.replaced is not None and outline.replaces:
        missing_entries.require_accepted(current, outline, accept)
        _replace(current, outline, name)
    else:
        _give_name(current, outline, name)


def _replace(current: Journal, outline: RestorePlan, name: str) -> None:
    """Stop the application, exchange the databases, start it again: the only moments without service."""
    before = target_database.name_beside(outline.database, "before", current.record.short_id)
    renames = (
        Rename(old=outline.database, new=before, opened=False),
        Rename(old=name, new=outline.database, opened=True),
    )
    session_notice.to_users(current, outline, "restore starts: connections are ended")
    with downtime.away(current, outline.server.application):
        current.note(replaced_database=before)
        with current.step("swap"):
            _exchange(outline, renames)
    session_notice.to_users(current, outline, "restore done")


def _give_name(current: Journal, outline: RestorePlan, name: str) -> None:
    """Nothing has the name: it is given at once."""
    with current.step("rename"):
        _exchange(outline, (Rename(old=name, new=outline.database),))
    if outline.method in {"swap", "in-place"}:
        downtime.start(current, outline.server.application)


def _exchange(outline: RestorePlan, renames: tuple[Rename, ...]) -> None:
    """Nobody else gets into what was filled before it has the name."""
    swap.exchange(
        outline.server,
        renames,
        timeout=outline.request.fence_timeout,
        last=lambda connection: new_database.hand_over(connection, outline, outline.database),
    )


def _drop_old(current: Journal, outline: RestorePlan) -> None:
    """--in-place: the restored one is live by now, so that nothing that goes wrong here undoes it."""
    try:
        with current.step("drop"):
            old_database.drop(current, outline.server)
    except (errors.PgbackstopError, psycopg.Error) as error:
        current.warn(
            f"The old database could not be dropped ({errors.one_line(error)}): "
            f"'pgbackstop restore --drop-old {current.record.id}' does it."
        )


def _failed(current: Journal, outline: RestorePlan, error: Exception | errors.Interrupted) -> errors.Ending:
    """Remove what was begun, record why, and give the error that a person sees."""
    known = log.as_error(error, restore=current.record.id)
    current.record = old_database.exchanged(outline.server, current.record)
    if current.record.scratch_database and not current.record.replaced_database:
        _remove_scratch(current, outline)
    restore_events.finished(current.workspace, current.fail(known))
    return known


def _remove_scratch(current: Journal, outline: RestorePlan) -> None:
    name = current.record.scratch_database
    try:
        with target_database.connect(outline.server, away_from=(outline.database,)) as connection:
            target_database.drop(connection, name, timeout=outline.request.fence_timeout)
    except (errors.PgbackstopError, psycopg.Error) as error:
        current.warn(
            f"{name} could not be removed ({errors.one_line(error)}): 'pgbackstop restore --clean' does it."
        )
