"""What streaming from a server needs: the REPLICATION attribute, pg_hba.conf, free senders."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg

from pgbackstop_catalog import errors
from pgbackstop_catalog.config import conninfo
from pgbackstop_catalog.config.server import Server
from pgbackstop_catalog.records.attempt import Reason
from pgbackstop_runner.postgres import facts, refusal_states, sessions

# pg_basebackup -X stream takes one for the data and one for the WAL.
_SENDERS = 2


def check(
    connection: psycopg.Connection, target: Server, rights: facts.Rights
) -> Iterator[tuple[str, Reason | None, str, str]]:
    """Name, the reason where it is wrong, detail, what to do: for each thing that pg_basebackup needs."""
    if not rights.replication:
        detail = f"Role {target.user} lacks the REPLICATION attribute."
        yield "replication", Reason.RIGHTS, detail, f"Run: alter role {target.user} replication."
        return
    row = connection.execute(
        """select current_setting('max_wal_senders')::int, (select count(*) from pg_stat_replication)::int,
                  current_setting('wal_level')"""
    ).fetchone()
    most, used, level = row if row is not None else (0, 0, "minimal")
    # What the server says of itself first: without WAL senders it refuses each of these connections.
    if level == "minimal":
        detail = "wal_level of the server is minimal."
        yield "wal_level", Reason.CONFIGURATION, detail, "Set it to replica and restart the server."
    elif most - used < _SENDERS:
        detail = f"All but {most - used} of {most} WAL senders are taken; {_SENDERS} are needed."
        yield "replication", Reason.CONFIGURATION, detail, "Raise max_wal_senders of the server."
    elif refusal := _connect(target):
        yield "replication", Reason.RIGHTS, f"Streaming is refused: {refusal.problem}", refusal.remedy
    else:
        yield "replication", None, f"{most - used} of {most} WAL senders are free", ""


def _connect(target: Server) -> errors.PgbackstopError | None:
    """What PostgreSQL says against a replication connection; None for nothing."""
    keywords = conninfo.keywords(target, application_name=sessions.APPLICATION_NAME)
    words = psycopg.conninfo.make_conninfo(
        "", **{**conninfo.with_required_methods(keywords, psycopg.pq.version()), "replication": "true"}
    )
    try:
        refusal_states.connect(words, conninfo.password(target)).close()
    except psycopg.Error as error:
        return sessions.unreachable(target, "replication", error)
    return None
