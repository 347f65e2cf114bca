"""The physical replication slot: it makes the server keep WAL until we have it."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass

import psycopg
from psycopg import errors as pg

from pgbackstop_catalog import errors


@dataclass(frozen=True, kw_only=True)
class Slot:
    """The slot as ``ensure`` left it; ``trouble`` says why one that existed had to be made anew."""

    restart_lsn: str | None
    created: bool
    trouble: str = ""


def ensure(connection: psycopg.Connection, name: str, *, anew: bool = False) -> Slot:
    """Make sure that the slot exists, reserves WAL and is valid; ``anew`` drops one that exists.

    One that the server has invalidated (max_slot_wal_keep_size) reserves nothing any more and never will
    again: it is dropped and made anew. Raises ConfigError with what to do.
    """
    row = connection.execute(
        "select slot_type, restart_lsn::text, wal_status from pg_replication_slots where slot_name = %s",
        (name,),
    ).fetchone()
    if row is None:
        return _create(connection, name, "")
    kind, restart_lsn, wal_status = row
    if kind != "physical":
        raise errors.ConfigError(
            f"The replication slot {name} is a {kind} one.",
            remedy="Set wal.slot of the server to another name.",
        )
    if wal_status == "lost" or anew:
        _execute(connection, name, "select pg_drop_replication_slot(%s)")
        return _create(connection, name, "the server had removed WAL that the slot was to keep")
    return Slot(restart_lsn=restart_lsn, created=False)


def end_user(connection: psycopg.Connection, name: str) -> None:
    """End whoever receives through the slot: it has lost the lease, and its host may be frozen or cut off.

    Where the role may not, the server does so itself when it has not heard of it for wal_sender_timeout.
    """
    with contextlib.suppress(pg.InsufficientPrivilege):
        connection.execute(
            "select pg_terminate_backend(active_pid, 5000) from pg_replication_slots"
            " where slot_name = %s and active_pid is not null",
            (name,),
        )


def _create(connection: psycopg.Connection, name: str, trouble: str) -> Slot:
    restart_lsn = _execute(
        connection, name, "select lsn::text from pg_create_physical_replication_slot(%s, true)"
    )
    return Slot(restart_lsn=restart_lsn, created=True, trouble=trouble)


def _execute(connection: psycopg.Connection, name: str, query: str) -> str | None:
    try:
        row = connection.execute(query.encode(), (name,)).fetchone()
    except pg.InsufficientPrivilege as error:
        raise errors.ConfigError(
            "The role lacks the REPLICATION attribute, which streaming WAL needs.",
            remedy="Run ALTER ROLE ... REPLICATION as superuser.",
        ) from error
    except pg.ConfigurationLimitExceeded as error:
        raise errors.ConfigError(
            f"The server has no room for the replication slot {name}.",
            remedy="Raise max_replication_slots of the server and restart it, or drop a slot of no use.",
        ) from error
    except psycopg.Error as error:
        raise errors.PgbackstopError(
            f"The replication slot {name} cannot be made: {errors.one_line(error)}"
        ) from error
    return row[0] if row else None
