"""The database that a restore put aside: dropped, or given its name back, with the intention on record first.

Whoever is killed in between leaves a record that says what was meant; the server says what came of it.
"""

from __future__ import annotations

from pgbackstop_catalog import errors
from pgbackstop_catalog.config.server import Server
from pgbackstop_catalog.model import utc_now
from pgbackstop_catalog.records.restore import Restore
from pgbackstop_runner.journal.restore import Journal
from pgbackstop_runner.restore import target_database


def drop(current: Journal, server: Server) -> None:
    """Drop it. Raises PgbackstopError, psycopg.Error; the record says then that it was begun."""
    current.note(drop_began_at=utc_now())
    current.save()
    with target_database.connect(server, away_from=(current.record.target,)) as connection:
        target_database.drop(connection, current.record.replaced_database)
    current.note(dropped_at=utc_now())
    current.save()


def require(server: Server, restore: Restore, *, whole: bool) -> None:
    """Raises ValidationError where it is not on the server; ``whole``: or is half dropped."""
    name = restore.replaced_database
    with target_database.connect(server, away_from=(restore.target,)) as connection:
        found = target_database.find(connection, name)
    if found is None:
        raise errors.ValidationError(
            f"The old database {name} is not on the server any more.",
            remedy="Somebody renamed or dropped it. Nothing was changed.",
        )
    if whole and found.is_invalid:
        raise errors.ValidationError(
            f"The old database {name} is half dropped: PostgreSQL lets nobody use it.",
            remedy=f"Remove what is left of it: 'pgbackstop restore --drop-old {restore.id}'.",
        )


def settled(server: Server, restore: Restore) -> Restore:
    """The record with what the server says of a drop or an undo that was begun. Raises ServerUnreachable."""
    if not restore.is_unsettled:
        return restore
    with target_database.connect(server, away_from=(restore.target,)) as connection:
        old = target_database.find(connection, restore.replaced_database)
        live = target_database.find(connection, restore.target)
        if old is not None and target_database.is_being_changed(connection, old):
            return restore  # by the session of the dead process, which PostgreSQL has not noticed yet
    if restore.drop_began_at is not None:
        if old is None:
            return restore.evolve(dropped_at=utc_now())
        return restore if old.is_invalid else restore.evolve(drop_began_at=None)
    if old is None and live is not None:
        return restore.evolve(undone_at=utc_now())
    return restore.evolve(undone_database="")
