"""Telling people that a restore or a recovery begins and ends: the database's users, and who is notified."""

from __future__ import annotations

import contextlib
import json

import psycopg

from pgbackstop_catalog import errors
from pgbackstop_catalog.model import format_time, utc_now
from pgbackstop_runner.journal.restore import Journal
from pgbackstop_runner.postgres import sessions
from pgbackstop_runner.restore.plan import RestorePlan
from pgbackstop_runner.system import log

# Sessions that LISTEN to it hear of restores: https://www.postgresql.org/docs/current/sql-notify.html
CHANNEL = "pgbackstop"


def to_users(current: Journal, outline: RestorePlan, event: str) -> None:
    """NOTIFY those who listen in the live database; nobody has to."""
    record = current.record
    log.logger().info(event, restore=record.id, target=record.target)
    payload = {"event": event, "restore": record.id, "at": format_time(utc_now())}
    with (
        contextlib.suppress(errors.ServerUnreachable, psycopg.Error),
        sessions.connect(outline.server, outline.database) as connection,
    ):
        connection.execute("select pg_notify(%s, %s)", (CHANNEL, json.dumps(payload)))
