"""The server's clock: commits, and moments to recover to, go by it."""

from __future__ import annotations

from datetime import datetime

import psycopg

from pgbackstop_catalog.decisions import clocks
from pgbackstop_catalog.model import utc_now


def now(connection: psycopg.Connection) -> datetime:
    """The moment by the server's clock. Raises psycopg.Error."""
    row = connection.execute("select clock_timestamp()").fetchone()
    assert row is not None  # noqa: S101 - the query gives one row
    moment: datetime = row[0]
    return moment


def offset(connection: psycopg.Connection) -> float:
    """The seconds that it is ahead of this host's; negative where it is behind. Raises psycopg.Error."""
    before = utc_now()
    theirs = now(connection)
    return clocks.offset(before, theirs, utc_now())
