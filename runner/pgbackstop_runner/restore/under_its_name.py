"""A database that can be filled only under its own name: the live one is put aside meanwhile, never dropped.

Where anything fails it gets its name back. Who kills us in between leaves it aside, whole, and
``restore --undo`` puts it back.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import psycopg

from pgbackstop_catalog import errors
from pgbackstop_runner.journal.restore import Journal
from pgbackstop_runner.restore import (
    downtime,
    missing_entries,
    new_database,
    session_notice,
    swap,
    target_database,
)
from pgbackstop_runner.restore.missing_entries import Accept
from pgbackstop_runner.restore.plan import RestorePlan
from pgbackstop_runner.restore.swap import Rename


def restore(current: Journal, outline: RestorePlan, accept: Accept) -> None:
    """Fill it under its name, and check it. Raises PgbackstopError, psycopg.Error with the live one back."""
    session_notice.to_users(current, outline, "restore starts: connections are ended")
    with downtime.away(current, outline.server.application), _put_aside(current, outline):
        new_database.fill(current, outline, outline.database)
        if outline.replaced is not None:
            missing_entries.require_accepted(current, outline, accept)
        with target_database.connect(outline.server, away_from=(outline.database,)) as connection:
            new_database.hand_over(connection, outline, outline.database)
    session_notice.to_users(current, outline, "restore done")


@contextlib.contextmanager
def _put_aside(current: Journal, outline: RestorePlan) -> Iterator[None]:
    live, timeout = outline.database, outline.request.fence_timeout
    before = target_database.name_beside(live, "before", current.record.short_id)
    if outline.replaced is not None:
        current.note(replaced_database=before)
        with current.step("put aside"):
            swap.exchange(outline.server, (Rename(old=live, new=before, opened=False),), timeout=timeout)
    try:
        yield
    except BaseException as error:
        # Somebody else's by then: it is no more ours to drop than any other.
        if not isinstance(error, psycopg.errors.DuplicateDatabase):
            _drop_begun(current, outline)
        if outline.replaced is not None:
            _put_back(current, outline, before)
        raise


def _drop_begun(current: Journal, outline: RestorePlan) -> None:
    """What goes wrong here, and in ``_put_back``, is told, and not instead of what made the restore fail."""
    live, timeout = outline.database, outline.request.fence_timeout
    try:
        with target_database.connect(outline.server, away_from=(live,)) as connection:
            target_database.drop(connection, live, timeout=timeout)
    except (errors.PgbackstopError, psycopg.Error) as error:
        current.warn(f"{live} is not whole, and could not be dropped ({errors.one_line(error)}): drop it.")


def _put_back(current: Journal, outline: RestorePlan, before: str) -> None:
    back = (Rename(old=before, new=outline.database, opened=True),)
    try:
        swap.exchange(outline.server, back, timeout=outline.request.fence_timeout)
    except (errors.PgbackstopError, psycopg.Error) as error:
        current.warn(
            f"{outline.database} could not be put back ({errors.one_line(error)}): it is {before}, whole; "
            f"'pgbackstop restore --undo {current.record.id}' gives it its name."
        )
