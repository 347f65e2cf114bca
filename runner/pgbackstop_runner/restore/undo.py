"""After a restore: back from it, or on without the old database; and what dead restores left is closed.

A running record whose lock nobody holds is a dead process's. It left the live database whole: there is
nothing to mend, only something to say.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import psycopg

from pgbackstop_catalog import errors
from pgbackstop_catalog.config.server import Server
from pgbackstop_catalog.model import utc_now
from pgbackstop_catalog.records.attempt import Reason, Status
from pgbackstop_catalog.records.restore import Restore
from pgbackstop_runner.journal import restore as journal_restore
from pgbackstop_runner.journal.restore import Journal
from pgbackstop_runner.restore import downtime, old_database, run, swap, target_database
from pgbackstop_runner.restore.swap import Rename
from pgbackstop_runner.system import log
from pgbackstop_runner.workspace import Workspace


def find(workspace: Workspace, restore_id: str) -> Restore:
    """The restore of that id, or of its beginning or end. Raises NotFound."""
    matches = [
        each
        for each in workspace.catalog.restores()
        if each.id.startswith(restore_id) or each.short_id == restore_id
    ]
    if len(matches) != 1:
        problem = "There is no restore" if not matches else f"{len(matches)} restores fit"
        known = ", ".join(each.id for each in (matches or list(workspace.catalog.restores()))[:3])
        raise errors.NotFound(f"{problem} {restore_id!r}.", remedy=f"There are: {known or 'none yet'}.")
    return matches[0]


def undo(workspace: Workspace, restore: Restore, *, timeout: float) -> Restore:
    """Swap the old database back; the restored one is kept beside it.

    Raises ValidationError where there is nothing to go back to, Busy, PgbackstopError.
    """
    server = workspace.server(restore.server).for_restores()
    aside = target_database.name_beside(restore.target, "undone", restore.short_id)
    with _locked(workspace, restore) as now:
        require_old(now)
        old_database.require(server, now, whole=True)
        begun = now.evolve(undone_database=aside, exchange_unknown=False)
        current = Journal(workspace=workspace, record=begun)
        current.save()
        try:
            with downtime.away(current, server.application):
                swap.exchange(server, _back(server, now, aside), timeout=timeout)
        except BaseException:
            _settle(workspace, current.record)
            raise
        current.note(undone_at=utc_now(), step="", downtime_seconds=now.downtime_seconds)
        current.save()
    log.logger().info("restore undone", restore=restore.id, target=restore.target)
    return current.record


def drop_old(workspace: Workspace, restore: Restore) -> Restore:
    """Drop the database that the restore replaced. Raises ValidationError where there is none, Busy."""
    server = workspace.server(restore.server).for_restores()
    with _locked(workspace, restore) as now:
        require_old(now, whole=False)
        old_database.require(server, now, whole=False)
        current = Journal(workspace=workspace, record=now)
        old_database.drop(current, server)
    return current.record


def reconcile(workspace: Workspace) -> tuple[Restore, ...]:
    """Close the running records of dead processes; each says what is to be done. Raises CatalogError.

    A drop or an undo that was begun by one is on record afterwards as what the server says of it.
    """
    workspace.state.sweep()
    closed_now = tuple(
        closed
        for restore in list(workspace.catalog.restores())
        if restore.status is Status.RUNNING
        and workspace.is_own(restore.server)
        and workspace.knows_fate_of(restore)
        and restore.what == "logical"  # recoveries have other locks: see recover.journal
        and (closed := _close(workspace, restore)) is not None
    )
    for restore in list(workspace.catalog.restores()):
        if restore.is_unsettled and workspace.is_own(restore.server):
            with contextlib.suppress(errors.Busy), _locked(workspace, restore) as now:
                _settle(workspace, now)
    return closed_now


def leftovers(workspace: Workspace, server_name: str) -> tuple[str, ...]:
    """Databases that ended restores began and did not finish. Raises ServerUnreachable."""
    server = workspace.server(server_name).for_restores()
    begun = {
        each.scratch_database
        for each in workspace.catalog.restores(server_name)
        if each.status is not Status.RUNNING
    }
    with target_database.connect(server) as connection:
        return tuple(name for name in target_database.databases(connection) if name in begun)


def clean(workspace: Workspace, server_name: str) -> tuple[str, ...]:
    """Drop the leftovers; returns their names."""
    names = leftovers(workspace, server_name)
    with target_database.connect(workspace.server(server_name).for_restores()) as connection:
        for name in names:
            target_database.drop(connection, name)
    return names


def _back(server: Server, restore: Restore, aside: str) -> tuple[Rename, ...]:
    """The restored database may be gone by now; then the old one only gets its name back."""
    old = Rename(old=restore.replaced_database, new=restore.target, opened=True)
    with target_database.connect(server, away_from=(restore.target,)) as connection:
        if target_database.find(connection, restore.target) is None:
            return (old,)
    return (Rename(old=restore.target, new=aside, opened=False), old)


def _settle(workspace: Workspace, restore: Restore) -> None:
    """Put on record what became of what was begun."""
    settled = _settled(workspace, restore)
    if settled != restore:
        workspace.catalog.put(settled)
        log.logger().warning("settled what a dead process had begun", restore=restore.id)


def _settled(workspace: Workspace, restore: Restore) -> Restore:
    """Where the server cannot be asked, the record stays as it is until the next time."""
    try:
        return old_database.settled(workspace.server(restore.server).for_restores(), restore)
    except (errors.PgbackstopError, psycopg.Error):
        return restore


def require_old(restore: Restore, *, whole: bool = True) -> None:
    """Raises ValidationError where the record has no old database, or (``whole``) only half of one."""
    if restore.is_undoable or (restore.has_old and not whole):
        return
    why = "it replaced nothing"
    if restore.undone_at is not None:
        why = f"it was undone already; the restored database is {restore.undone_database}"
    elif restore.dropped_at is not None:
        why = "the old database was dropped"
    elif restore.drop_began_at is not None:
        why = "its drop was begun, and 'restore --drop-old' ends it"
    raise errors.ValidationError(f"Restore {restore.id} has no old database: {why}.")


@contextlib.contextmanager
def _locked(workspace: Workspace, restore: Restore) -> Iterator[Restore]:
    """The record as it is under its lock: before that, the restore may have ended or been undone."""
    name = run.lock_name(restore.server, restore.target)
    with workspace.state.held(name, f"A restore of {restore.target}"):
        yield journal_restore.reread(workspace, restore)


def _close(workspace: Workspace, restore: Restore) -> Restore | None:
    """None where the restore is running after all, or has ended by itself."""
    try:
        with _locked(workspace, restore) as now:
            if now.status is not Status.RUNNING:
                return None
            closed = _interrupted(workspace, now)
            workspace.catalog.put(closed)
    except errors.Busy:
        return None
    log.logger().warning("closed as interrupted", restore=closed.id, message=closed.message)
    return closed


# The steps in which the restored database, once the old one was put aside, is whole.
_LIVE = {"swap", "start", "check", "drop"}
# Those in which a database that is filled under its name is not.
_FILLED_UNDER_ITS_NAME = {"create", "restore", "analyze", "validate"}


def _interrupted(workspace: Workspace, restore: Restore) -> Restore:
    restore = _settled(workspace, restore.evolve(exchange_unknown=bool(restore.replaced_database)))
    swapped = restore.has_old
    words = [
        f"The process that made it (pid {restore.pid} on {restore.host}) ended in step {restore.step!r}."
    ]
    if restore.dropped_at is not None:
        words.append(f"The restored database is live as {restore.target}; the old one is dropped.")
    elif restore.drop_began_at is not None:
        words.append(f"The restored database is live as {restore.target}; the old one is being dropped.")
    elif swapped and restore.step not in _LIVE:
        words.append(f"{restore.target} is not whole; 'restore --undo' puts the old database back.")
    elif swapped:
        words.append(f"The restored database is live as {restore.target}; 'restore --undo' goes back.")
    elif restore.scratch_database:
        words.append(
            f"{restore.target} was not touched; 'restore --clean' removes {restore.scratch_database}."
        )
    elif restore.step in _FILLED_UNDER_ITS_NAME:
        words.append(f"What there is of {restore.target} is not whole: drop it, and restore again.")
    elif restore.step not in _LIVE:
        words.append(f"{restore.target} was not touched.")
    if any(hook.hook == "stop" for hook in restore.hooks) or restore.step in {"stop", "swap", "start"}:
        words.append("The application may be stopped: start it.")
    return restore.evolve(
        status=Status.INTERRUPTED,
        reason=Reason.INTERRUPTED,
        step="",
        finished_at=utc_now(),
        message=" ".join(words),
    )
