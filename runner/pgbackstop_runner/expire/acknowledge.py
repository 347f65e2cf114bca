"""Acknowledge that rows vanished, or that a stored backup is damaged: neither is held any longer."""

from __future__ import annotations

from collections.abc import Sequence

from pgbackstop_catalog import errors
from pgbackstop_catalog.decisions import vanished
from pgbackstop_catalog.decisions.attempts import attempt_of
from pgbackstop_catalog.model import format_time, utc_now
from pgbackstop_catalog.records.backup import Backup
from pgbackstop_catalog.records.vanished import Acknowledgement
from pgbackstop_runner.journal import restore as journal
from pgbackstop_runner.notify import backup_events
from pgbackstop_runner.storage import stored_backup
from pgbackstop_runner.system import log, origin, phrases, state_folder
from pgbackstop_runner.workspace import Workspace


class NothingToAcknowledge(errors.PgbackstopError):
    """No rows vanished before that backup and it is not damaged, or somebody has taken note already."""


def acknowledge(workspace: Workspace, backup_id: str, *, note: str = "") -> Backup:
    """Put on record who took note of what the backup saw, or of its damage; the record as it is then.

    Raises NothingToAcknowledge, NotFound, Busy where the backup is being read, CatalogError.
    """
    found = workspace.catalog.backup(backup_id)
    # Verify and expire change the record too, under the same lock.
    with workspace.state.held(state_folder.lease_name(found.id), f"A verify or restore of {found.id}"):
        backup = workspace.catalog.backup(found.id)
        _refuse_needless(workspace, backup)
        by = Acknowledgement(
            at=utc_now(), operator=journal.operator(), host=str(origin.here()["host"]), note=note
        )
        done = backup.evolve(acknowledged=by)
        workspace.catalog.put(done)
        if backup.is_available:
            stored_backup.write_beside(workspace, done)
        workspace.state.discard_lease(backup.id)
    backup_events.backup_acknowledged(workspace, done, by)
    log.logger().info("acknowledged", plan=done.plan, backup=done.id, operator=by.operator, note=note or None)
    return done


def _refuse_needless(workspace: Workspace, backup: Backup) -> None:
    if backup.acknowledged is not None:
        by = backup.acknowledged
        raise NothingToAcknowledge(
            f"Backup {backup.id} was acknowledged by {by.operator} at {format_time(by.at)}.",
            remedy=f"See 'pgbackstop show {backup.id}'.",
        )
    if not backup.vanished and not backup.is_damaged:
        raise NothingToAcknowledge(
            f"No rows had vanished when backup {backup.id} was made, and it is not known to be damaged.",
            remedy=_open(workspace, backup),
        )


def _open(workspace: Workspace, backup: Backup) -> str:
    """Which backups of the plan could be acknowledged instead."""
    ids: Sequence[str] = [
        each.id
        for each in workspace.catalog.backups(backup.plan)
        if vanished.is_open(each, utc_now()) or attempt_of(each).is_open_damage
    ]
    if not ids:
        return f"Plan {backup.plan} has no backup that waits for it."
    return f"Of plan {backup.plan} there waits: {phrases.some(ids)}."
