"""Tables with rows that are in no dump: members of an extension that it does not call its configuration.

pg_dump leaves what CREATE EXTENSION makes to that; rows of such tables come along only where the extension
asked for it: https://www.postgresql.org/docs/current/extend-extensions.html#EXTEND-EXTENSIONS-CONFIG-TABLES
"""

from __future__ import annotations

from collections.abc import Mapping

import psycopg
from psycopg import sql

from pgbackstop_runner.system import phrases

Rows = Mapping[str, int | None]


def rows(connection: psycopg.Connection) -> Rows:
    """How many rows each of them has, by quoted name; None where they cannot be counted.

    Without those that came with the membership itself: CREATE EXTENSION makes them again.
    """
    found = {
        quoted: _count(connection, schema, name, since)
        for quoted, schema, name, since in connection.execute(_MEMBERS).fetchall()
    }
    return {name: count for name, count in found.items() if count != 0}


def sentence(found: Rows) -> str:
    """What a person is told of them; "" where there are none."""
    if not found:
        return ""
    names = [f"{name} ({'not counted' if count is None else count})" for name, count in found.items()]
    return (
        "Rows of these tables are in no dump, because an extension owns the tables and does not call them "
        f"its configuration: {phrases.some(names)}. Only physical backups have them."
    )


def _count(connection: psycopg.Connection, schema: str, name: str, since: str) -> int | None:
    query = sql.SQL("select count(*) from only {} where xmin::text <> {}")
    try:
        row = connection.execute(query.format(sql.Identifier(schema, name), sql.Literal(since))).fetchone()
    except psycopg.OperationalError:
        if connection.closed:
            raise
        return None
    except psycopg.Error:
        return None
    return int(row[0]) if row else 0


_MEMBERS = """
    select quote_ident(n.nspname) || '.' || quote_ident(c.relname), n.nspname, c.relname, d.xmin::text
    from pg_depend d join pg_class c on c.oid = d.objid join pg_namespace n on n.oid = c.relnamespace
    join pg_extension e on e.oid = d.refobjid
    where d.classid = 'pg_class'::regclass and d.refclassid = 'pg_extension'::regclass and d.deptype = 'e'
      and c.relkind = 'r' and c.relpersistence <> 't' and not c.oid = any(coalesce(e.extconfig, '{}'))
    order by 1"""
