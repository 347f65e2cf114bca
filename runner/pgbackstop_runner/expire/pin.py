"""Pin a backup: it stays whatever retention says, until the pin's end or until somebody unpins it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from pydantic import ValidationError

from pgbackstop_catalog import errors
from pgbackstop_catalog.model import utc_now
from pgbackstop_catalog.records.backup import Backup
from pgbackstop_catalog.records.pin import Pin
from pgbackstop_catalog.text import said
from pgbackstop_runner.journal import restore as journal
from pgbackstop_runner.storage import backup_files, stored_backup
from pgbackstop_runner.system import log, origin, state_folder
from pgbackstop_runner.workspace import Workspace


class NothingToPin(errors.ValidationError):
    """The backup is not kept, so that no pin can keep it; or it has no pin that could go."""


def made(*, note: str = "", until: datetime | None = None, operator: str = "") -> Pin:
    """A pin of this moment; the operator is this process's account where none is named.

    Raises ConfigError for an end that is over, or a note that is no line.
    """
    now = utc_now()
    if until is not None and until <= now:
        raise errors.ConfigError(
            said("The pin would be over already."), remedy=said("Give a time in the future.")
        )
    try:
        return Pin(
            at=now,
            operator=operator or journal.operator(),
            host=str(origin.here()["host"]),
            note=note,
            until=until,
        )
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        raise errors.ConfigError(
            f"That is no pin: {first['loc'][0]}: {errors.one_line(first['msg'])}."
        ) from error


def pin(workspace: Workspace, backup_id: str, how: Pin) -> Backup:
    """Keep the backup; a pin that it had is replaced. The record as it is then.

    Raises NothingToPin, NotFound, Busy where the backup is being read, CatalogError.
    """
    with _changing(workspace, backup_id) as backup:
        if not backup.is_available and not backup_files.having_copies(workspace.catalog)(backup):
            raise NothingToPin(
                f"Backup {backup.id} is not kept: it is {_state(backup)}.",
                remedy="Pin one that is available.",
            )
        return _put(workspace, backup.evolve(pinned=how))


def unpin(workspace: Workspace, backup_id: str) -> Backup:
    """Let retention judge the backup again; the record as it is then. Raises as ``pin`` does."""
    with _changing(workspace, backup_id) as backup:
        if backup.pinned is None:
            raise NothingToPin(f"Backup {backup.id} is not pinned.")
        return _put(workspace, backup.evolve(pinned=None))


@contextmanager
def _changing(workspace: Workspace, backup_id: str) -> Iterator[Backup]:
    """The record, which verify and expire change too, under the same lock."""
    found = workspace.catalog.backup(backup_id)
    with workspace.state.held(state_folder.lease_name(found.id), f"A verify or restore of {found.id}"):
        yield workspace.catalog.backup(found.id)
        workspace.state.discard_lease(found.id)


def _put(workspace: Workspace, done: Backup) -> Backup:
    workspace.catalog.put(done)
    if done.is_available:
        stored_backup.write_beside(workspace, done)
    log.logger().info(str(done.pinned or "unpinned"), plan=done.plan, backup=done.id)
    return done


def _state(backup: Backup) -> str:
    return "expired" if backup.expired_at else backup.status.value
