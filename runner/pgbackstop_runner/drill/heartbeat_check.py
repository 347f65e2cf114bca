"""Heartbeats as they are in a recovered server, and as the live one has them."""

from __future__ import annotations

import contextlib
from datetime import datetime, timedelta

import psycopg

from pgbackstop_catalog import errors
from pgbackstop_catalog.config.server import Server
from pgbackstop_catalog.decisions import drills
from pgbackstop_catalog.decisions.drills import Heartbeat, HeartbeatCheck, LiveHeartbeats
from pgbackstop_catalog.records.proof import CheckResult
from pgbackstop_runner.postgres import heartbeats, sessions
from pgbackstop_runner.postgres.private_server import PrivateServer

_ROWS = f"select written_at, previous from {drills.TABLE}"  # noqa: S608 - a constant
_EXTENT = f"""
    select min(written_at), max(written_at) filter (where written_at <= %s),
           coalesce(bool_or(previous is null), true)
    from {drills.TABLE}"""  # noqa: S608


def judge(recovered: PrivateServer, server: Server, moment: datetime, *, exact: bool) -> HeartbeatCheck:
    """Whether the recovered server has the heartbeats that the moment must have. Raises psycopg.Error."""
    beats = _beats(recovered, server)
    return drills.judge(moment, beats, server.heartbeat.interval, _live(server, moment), exact=exact)


def not_compared(moment: datetime | None) -> CheckResult:
    """What the check says where no heartbeats are written."""
    reached = "the reached time" if moment is not None else "that the replay ended well"
    return CheckResult(name=drills.CHECK, ok=True, detail=f"none are written: only {reached} was compared")


def _beats(recovered: PrivateServer, server: Server) -> tuple[Heartbeat, ...]:
    """None of them where the table is not there."""

    def opened(name: str | None) -> contextlib.closing[psycopg.Connection]:
        return contextlib.closing(recovered.connect(name))

    name = heartbeats.find(server, opened)
    if name is None:
        return ()
    with opened(name) as connection:
        if not heartbeats.is_there(connection, server):
            return ()
        rows = connection.execute(_ROWS).fetchall()
    return tuple(Heartbeat(written_at=written_at, previous=previous) for written_at, previous in rows)


def _live(server: Server, moment: datetime) -> LiveHeartbeats | None:
    """None where the live server does not answer, or does not let us look."""
    before = moment - timedelta(seconds=drills.TOLERANCE)
    try:
        name = heartbeats.live_database(server)
        with sessions.connect(server, name, statement_timeout=30) as connection:
            if not heartbeats.is_there(connection, server):
                return None
            row = connection.execute(_EXTENT, (before,)).fetchone()
    except (errors.PgbackstopError, psycopg.Error):
        return None
    assert row is not None  # noqa: S101 - an aggregate gives one row
    oldest, newest, has_first = row
    # What was removed for its age says nothing of a moment that is older.
    return LiveHeartbeats(oldest=oldest, newest_before=newest) if has_first or oldest <= before else None
