"""Tables with rows that are in no dump: members of an extension, and on a standby those that are unlogged.

pg_dump leaves what CREATE EXTENSION makes to that; rows of such tables come along only where the extension
asked for it: https://www.postgresql.org/docs/current/extend-extensions.html#EXTEND-EXTENSIONS-CONFIG-TABLES
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import psycopg
from psycopg import sql

from pgbackstop_runner.postgres import row_counts
from pgbackstop_runner.postgres.shared_names import Identifier
from pgbackstop_runner.system import phrases

Rows = Mapping[str, int | None]


@dataclass(frozen=True, kw_only=True)
class Undumped:
    """How many rows each of them has, by quoted name; None where they cannot be counted."""

    of_extensions: Rows = field(default_factory=dict)
    unlogged: Rows = field(default_factory=dict)

    @property
    def rows(self) -> Rows:
        """All of them."""
        return {**self.of_extensions, **self.unlogged}

    def sentences(self) -> Iterator[str]:
        """What a person is told of them."""
        if self.of_extensions:
            names = [
                f"{name} ({'not counted' if count is None else count})"
                for name, count in self.of_extensions.items()
            ]
            yield (
                "Rows of these tables are in no dump, because an extension owns the tables and does not call "
                f"them its configuration: {phrases.some(names)}. Only physical backups have them."
            )
        if self.unlogged:
            yield (
                "Rows of these tables are in no backup of a standby, which has none of them, because "
                f"they are unlogged: {phrases.some(list(self.unlogged))}."
            )


def find(connection: psycopg.Connection) -> Undumped:
    """Those of the database that is connected to.

    Without rows that came with the membership itself, which CREATE EXTENSION makes again; where others than
    superusers could change what a query runs, all of the rows are counted.
    """
    members = {
        quoted: _count(connection, schema, name, since if trusted else None)
        for quoted, schema, name, since, trusted in connection.execute(_MEMBERS).fetchall()
    }
    return Undumped(
        of_extensions={name: count for name, count in members.items() if count != 0},
        unlogged={quoted: None for (quoted,) in connection.execute(_UNLOGGED) if quoted not in members},
    )


def _count(connection: psycopg.Connection, schema: str, name: str, since: str | None) -> int | None:
    query = sql.SQL("select count(*) from only {} where xmin::text <> {}")
    try:
        with connection.transaction():
            connection.execute("set local row_security = off")
            count = row_counts.rows(connection, schema, name)
        if not count or since is None:
            return count
        row = connection.execute(query.format(Identifier(schema, name), sql.Literal(since))).fetchone()
    except psycopg.OperationalError:
        if connection.closed:
            raise
        return None
    except psycopg.Error:
        return None
    return int(row[0]) if row else 0


_MEMBERS = """
    select quote_ident(n.nspname) || '.' || quote_ident(c.relname), n.nspname, c.relname, d.xmin::text,
           (select rolsuper from pg_roles where oid = c.relowner)
           and (select rolsuper from pg_roles where oid =
                case n.nspowner when 'pg_database_owner'::regrole
                then (select datdba from pg_database where datname = current_database()) else n.nspowner end)
    from pg_depend d join pg_class c on c.oid = d.objid join pg_namespace n on n.oid = c.relnamespace
    join pg_extension e on e.oid = d.refobjid
    where d.classid = 'pg_class'::regclass and d.refclassid = 'pg_extension'::regclass and d.deptype = 'e'
      and c.relkind = 'r' and c.relpersistence <> 't' and not c.oid = any(coalesce(e.extconfig, '{}'))
    order by 1"""
_UNLOGGED = """
    select quote_ident(n.nspname) || '.' || quote_ident(c.relname)
    from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where pg_is_in_recovery() and c.relkind = 'r' and c.relpersistence = 'u' order by 1"""
