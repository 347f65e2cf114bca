"""The table of heartbeats: in which database it is, on the live server and in a recovered one.

What is written into a table runs what its owner hung on it, with the rights of whoever writes: any owner of a
database could make one of that name, for a role that may read every row. So it counts only as heartbeat.sql
makes it, by somebody who may act for that role anyway. Triggers, rules, checks, policies, the checks of a
domain, expressions of an index, a partition or statistics, and triggers of a table that inherits run it.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager

import psycopg

from pgbackstop_catalog import errors
from pgbackstop_catalog.config import maintenance
from pgbackstop_catalog.config.server import Server
from pgbackstop_catalog.decisions import drills
from pgbackstop_runner.postgres import sessions, shared_names

# Whether the session's database has it, for the role that writes. Since 16 CREATEROLE alone lets nobody act
# for a role that others have made. https://www.postgresql.org/docs/current/role-attributes.html
IS_THERE = f"""
    select exists (
      select from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
      where c.oid = pg_catalog.to_regclass('{drills.TABLE}') and c.relkind = 'r' and c.relnatts = 2
        and not c.relhastriggers and not c.relhasrules and c.relchecks = 0 and not c.relispartition
        and not exists (
          select from pg_catalog.pg_attribute
          where attrelid = c.oid and attnum > 0 and atttypid <> 'pg_catalog.timestamptz'::pg_catalog.regtype)
        and not exists (
          select from pg_catalog.pg_depend
          where refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass and refobjid = c.oid
            and classid = any (
              '{{pg_catalog.pg_class,pg_catalog.pg_policy,pg_catalog.pg_statistic_ext}}'::pg_catalog.regclass[]))
        and not exists (
          select from pg_catalog.pg_roles owner left join pg_catalog.pg_roles writer on writer.rolname = %s
          where owner.oid in (c.relowner, n.nspowner) and not owner.rolsuper
            and (pg_catalog.current_setting('server_version_num')::int >= 160000 or not owner.rolcreaterole)
            and not coalesce(pg_catalog.pg_has_role(owner.oid, writer.oid, 'member'), false)))"""  # noqa: S608

# Opens a session in that database; in one for maintenance where none is named.
Opens = Callable[[str | None], AbstractContextManager[psycopg.Connection]]


def live_database(server: Server) -> str:
    """Where the heartbeats of a server are. Raises NotFound, ServerUnreachable, psycopg.Error."""
    found = find(server, lambda name: sessions.connect(server, name, statement_timeout=30))
    if found is None:
        raise missing("No database of the server")
    return found


def missing(where: str) -> errors.NotFound:
    """The error for a place without their table, or with one that is not to be written into."""
    return errors.NotFound(
        f"{where} has the table {drills.TABLE} as a superuser makes it by heartbeat.sql.",
        remedy="Run heartbeat.sql as a superuser; first drop what somebody else has made by that name.",
    )


def find(server: Server, opened: Opens) -> str | None:
    """The database that has their table; None where none has it. Raises what opening one raises."""
    if server.heartbeat.database is not None:
        return server.heartbeat.database
    with opened(None) as connection:
        names = shared_names.of(connection, maintenance.DATABASES).said
    for name in maintenance.heartbeat_databases(server, names):
        with opened(name) as connection:
            if is_there(connection, server):
                return name
    return None


def is_there(connection: psycopg.Connection, server: Server) -> bool:
    """Whether the session's database has their table, as the role of the configuration may write into it."""
    row = connection.execute(IS_THERE, (server.user,)).fetchone()
    return bool(row and row[0])
