"""How a logical restore flows: record, lease, make, fill, validate, stop, swap, start, check.

The live database is whole at every moment: it is touched by one transaction at the end, or not at all. Only
--in-place drops it first, because a person said so in full.
"""

from __future__ import annotations

import psycopg

from pgbackstop_catalog import errors
from pgbackstop_catalog.model import utc_now
from pgbackstop_catalog.records.backup import Status, new_id
from pgbackstop_catalog.records.restore import Restore
from pgbackstop_catalog.store import layout
from pgbackstop_runner.journal import restore
from pgbackstop_runner.journal.restore import Journal
from pgbackstop_runner.notify import restore_events
from pgbackstop_runner.restore import (
    downtime,
    new_database,
    roles,
    selected_tables,
    session_notice,
    swap,
    target_database,
)
from pgbackstop_runner.restore.plan import RestorePlan
from pgbackstop_runner.restore.swap import Rename
from pgbackstop_runner.system import log
from pgbackstop_runner.workspace import Workspace


def run(workspace: Workspace, outline: RestorePlan) -> Restore:
    """Do what the outline says; a restore that fails is on record and leaves the live database as it was.

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
            _restore(current, outline)
        except Exception as error:
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
        target=outline.database,
        method=outline.method,
        status=Status.RUNNING,
        started_at=now,
        source_size_bytes=backup.source_size_bytes,
        scratch_database=target_database.name_beside(outline.database, "restore", restore_id[-6:]),
    ).evolve(**restore.here())
    current = Journal(workspace=workspace, record=record)
    current.save()
    return current


def _restore(current: Journal, outline: RestorePlan) -> None:
    """One restore, top to bottom."""
    name = current.record.scratch_database
    if outline.request.roles and outline.missing_roles:
        with current.step("roles"):
            created = roles.create(outline)
        current.warn(f"Roles created from the backup: {', '.join(sorted(created))}.")
    if outline.method == "selection":
        selected_tables.restore(current, outline)
        return
    if outline.method == "in-place" and outline.replaced is not None:
        _make_room(current, outline)
    with current.step("create"):
        new_database.create(outline, name)
    with current.step("restore"):
        new_database.load(current, outline, name)
    with current.step("analyze"):
        new_database.analyze(outline, name)
    with current.step("validate"):
        new_database.validate(current, outline, name)
    if outline.replaced is not None and outline.method == "swap":
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
    new_database.close_door(outline, name)
    session_notice.to_users(current, outline, "restore starts: connections are ended")
    with downtime.away(current, outline.server.application):
        current.note(replaced_database=before)
        with current.step("swap"):
            swap.exchange(outline.server, renames, timeout=outline.request.fence_timeout)
    session_notice.to_users(current, outline, "restore done")


def _give_name(current: Journal, outline: RestorePlan, name: str) -> None:
    """Nothing has the name: it is given at once."""
    new_database.close_door(outline, name)
    with current.step("rename"):
        renames = (Rename(old=name, new=outline.database),)
        swap.exchange(outline.server, renames, timeout=outline.request.fence_timeout)
    if outline.method == "swap":
        downtime.start(current, outline.server.application)


def _make_room(current: Journal, outline: RestorePlan) -> None:
    """--in-place: the live database is dropped, as a person typed."""
    downtime.stop(current, outline.server.application)
    with (
        current.step("drop"),
        target_database.connect(outline.server, away_from=(outline.database,)) as connection,
    ):
        target_database.drop(connection, outline.database)


def _failed(current: Journal, outline: RestorePlan, error: Exception) -> errors.PgbackstopError:
    """Remove what was begun, record why, and give the error that a person sees."""
    known = log.as_error(error, restore=current.record.id)
    if not _is_swapped(outline, current.record):
        current.note(replaced_database="")
        _remove_scratch(current, outline)
    restore_events.finished(current.workspace, current.fail(known))
    return known


def _is_swapped(outline: RestorePlan, record: Restore) -> bool:
    """Whether the databases were exchanged already when it failed."""
    if not record.replaced_database:
        return False
    try:
        with target_database.connect(outline.server, away_from=(outline.database,)) as connection:
            return target_database.find(connection, record.replaced_database) is not None
    except errors.PgbackstopError:
        return True  # unknown: keep both names on record


def _tell_of_the_rest(current: Journal, outline: RestorePlan) -> None:
    """After --in-place dropped the live one: what was restored so far is worth keeping."""
    if any(step.name == "drop" for step in current.record.steps):
        current.warn(
            f"{outline.database} was dropped, as --in-place says, and the application stays stopped. "
            f"What was restored so far is {current.record.scratch_database}. "
            "Restore again without --in-place."
        )


def _remove_scratch(current: Journal, outline: RestorePlan) -> None:
    if outline.method == "in-place" and outline.replaced is not None:
        _tell_of_the_rest(current, outline)
        return
    name = current.record.scratch_database
    try:
        with target_database.connect(outline.server, away_from=(outline.database,)) as connection:
            target_database.drop(connection, name, timeout=outline.request.fence_timeout)
    except (errors.PgbackstopError, psycopg.Error) as error:
        current.warn(
            f"{name} could not be removed ({errors.one_line(error)}): 'pgbackstop restore --clean' does it."
        )
