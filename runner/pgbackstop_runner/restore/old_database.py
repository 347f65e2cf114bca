"""The database that a restore put aside: dropped, or given its name back, with the intention on record first.

Whoever is killed in between leaves a record that says what was meant; the server says what came of it.
"""

from __future__ import annotations

import psycopg

from pgbackstop_catalog import errors
from pgbackstop_catalog.config.server import Server
from pgbackstop_catalog.model import utc_now
from pgbackstop_catalog.records.restore import Restore
from pgbackstop_runner.journal.restore import Journal
from pgbackstop_runner.restore import target_database


def drop(current: Journal, server: Server) -> None:
    """Drop it. Raises PgbackstopError, psycopg.Error; the record says then that it was begun."""
    current.note(drop_began_at=utc_now(), exchange_unknown=False)
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


def exchanged(server: Server, restore: Restore) -> Restore:
    """The record of a restore that ended, with whether the old database was put aside, as the server says.

    Where it cannot say so now, both names stay on record, as something that is unsettled.
    """
    if not restore.replaced_database or restore.drop_began_at is not None:
        return restore  # what was being dropped had been put aside; what came of the drop, ``settled`` asks
    begun = restore.evolve(exchange_unknown=True)
    try:
        with target_database.connect(server, away_from=(restore.target,)) as connection:
            old = target_database.find(connection, restore.replaced_database)
    except (errors.PgbackstopError, psycopg.Error):
        return begun
    return _as_found(begun, has_old=old is not None, has_live=True)


def settled(server: Server, restore: Restore) -> Restore:
    """The record with what the server says of an exchange, a drop or an undo that was begun.

    A drop that PostgreSQL began is ended: nothing else can be done with what is left of a database.
    Raises ServerUnreachable, psycopg.Error.
    """
    if not restore.is_unsettled:
        return restore
    with target_database.connect(server, away_from=(restore.target,)) as connection:
        old = target_database.find(connection, restore.replaced_database)
        live = target_database.find(connection, restore.target)
        if any(each and target_database.is_being_changed(connection, each) for each in (old, live)):
            return restore  # by the session of the dead process, which PostgreSQL has not noticed yet
        if restore.drop_began_at is not None and old is not None and old.is_invalid:
            target_database.drop(connection, old.name)
            old = None
    return _as_found(restore, has_old=old is not None, has_live=live is not None)


def _as_found(restore: Restore, *, has_old: bool, has_live: bool) -> Restore:
    """The record of what was begun, once it is known which databases there are."""
    if restore.drop_began_at is not None:
        ended = {"drop_began_at": None} if has_old else {"dropped_at": utc_now()}
        return restore.evolve(exchange_unknown=False, **ended)
    if restore.exchange_unknown:
        return restore.evolve(
            exchange_unknown=False, replaced_database=restore.replaced_database if has_old else ""
        )
    if has_live and not has_old:
        return restore.evolve(undone_at=utc_now())
    return restore.evolve(undone_database="")
