"""The schema ``pgbackstop`` of the catalog's database, and the numbered migrations that make it.

A migration is a file ``migrations/NNNN_what.sql``, applied once, in the order of the numbers, in one
transaction with its row in ``pgbackstop.migrations``. One that was released is never changed: another
number changes what it made. A number may come after greater ones were applied, so each stands by itself.
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from importlib import resources
from typing import Final, LiteralString

import psycopg

from pgbackstop_catalog import errors

_NAME: Final = re.compile(r"(\d{4})_([a-z0-9_]+)\.sql")
# Of all hosts that share the database, one migrates at a time.
_LOCK: Final[LiteralString] = "select pg_catalog.pg_advisory_xact_lock(7235127541)"
_SCHEMA: Final[LiteralString] = """
    create schema pgbackstop;
    revoke all on schema pgbackstop from public"""
_TABLE: Final[LiteralString] = """
    create table pgbackstop.migrations (
        number integer primary key,
        name text not null,
        applied_at timestamptz not null default pg_catalog.now()
    )"""
_APPLIED: Final[LiteralString] = "select number from pgbackstop.migrations"
_IS_THERE: Final[LiteralString] = "select pg_catalog.to_regclass('pgbackstop.migrations') is not null"
# Heartbeats have a schema of that name, too; and who prepares the database may have made it.
_HAS_SCHEMA: Final[LiteralString] = "select pg_catalog.to_regnamespace('pgbackstop') is not null"


@dataclass(frozen=True, kw_only=True)
class Migration:
    """One step of the schema; ``name`` is its file's, without number and ending."""

    number: int
    name: str
    sql: str


@functools.cache
def migrations() -> tuple[Migration, ...]:
    """All that are shipped, in the order of their numbers."""
    folder = resources.files(__package__) / "migrations"
    named = ((found, each) for each in folder.iterdir() if (found := _NAME.fullmatch(each.name)))
    known = (
        Migration(number=int(found[1]), name=found[2], sql=each.read_text("utf-8")) for found, each in named
    )
    return tuple(sorted(known, key=lambda each: each.number))


def version(connection: psycopg.Connection) -> int:
    """The greatest number of a migration that the database has; 0 where there is no schema."""
    return max(_applied(connection), default=0)


def migrate(connection: psycopg.Connection) -> tuple[Migration, ...]:
    """Apply what the database lacks, all of it or nothing, and return it.

    Raises NewerRecord for a schema of a newer program, psycopg's errors.
    """
    with connection.transaction():
        connection.execute(_LOCK)
        before = _applied(connection)
        refuse_newer(max(before, default=0))
        missing = tuple(each for each in migrations() if each.number not in before)
        if not before:
            if not _is(connection, _HAS_SCHEMA):
                connection.execute(_SCHEMA)
            connection.execute(_TABLE)
        for each in missing:
            connection.execute(each.sql.encode())
            connection.execute(
                "insert into pgbackstop.migrations (number, name) values (%s, %s)", (each.number, each.name)
            )
    return missing


def require(connection: psycopg.Connection) -> None:
    """Raises CatalogError where there is no schema or an older one, NewerRecord for a newer one."""
    applied = _applied(connection)
    if not applied:
        raise errors.CatalogError(
            f"The catalog is not there: the database {connection.info.dbname} has no schema pgbackstop.",
            remedy="If it is a new one, run 'pgbackstop storage create'.",
        )
    refuse_newer(max(applied))
    if missing := [each.number for each in migrations() if each.number not in applied]:
        raise errors.CatalogError(
            "The catalog's database is of an older pgbackstop "
            f"(schema {max(applied)}; this one needs {', '.join(map(str, missing))} too).",
            remedy="Upgrade pgbackstop on all hosts, then run 'pgbackstop catalog upgrade'.",
        )


def refuse_newer(found: int) -> None:
    """Raises NewerRecord for a schema that this program does not know."""
    ours = migrations()[-1].number
    if found > ours:
        raise errors.NewerRecord(
            f"The catalog's database was made by a newer pgbackstop (schema {found}; this one knows {ours}).",
            remedy="Upgrade pgbackstop on this host; nothing was changed.",
        )


def _applied(connection: psycopg.Connection) -> frozenset[int]:
    """The numbers of the migrations that the database has."""
    if not _is(connection, _IS_THERE):
        return frozenset()
    return frozenset(number for (number,) in connection.execute(_APPLIED))


def _is(connection: psycopg.Connection, question: LiteralString) -> bool:
    row = connection.execute(question).fetchone()
    return bool(row and row[0])
