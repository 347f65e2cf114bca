"""The planner's statistics: a dump has none, and without them the first queries after the swap take minutes.

By statements of our own, because `vacuumdb` ends at the first table that cannot be analysed, and reads the
foreign tables among the children of others.
"""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
from psycopg import sql

from pgbackstop_catalog import errors
from pgbackstop_runner.formats import restore_errors
from pgbackstop_runner.postgres.shared_names import Identifier
from pgbackstop_runner.system import phrases

# What a function of the database says may differ from table to table.
MOST_REASONS = 10
_OTHERS = "each for a reason of its own"
_ANALYZE = sql.SQL("analyze {}")


def gather(connection: psycopg.Connection) -> Iterator[str]:
    """Analyse all tables of a database; yields a sentence for each reason why some could not be.

    The connection is in autocommit. Raises psycopg.Error where the server as a whole is the cause.
    """
    problems: dict[str, list[str]] = {}
    for schema, name, is_far in connection.execute(_TABLES).fetchall():
        if problem := _problem(connection, schema, name, is_far=is_far):
            reason = problem if problem in problems or len(problems) < MOST_REASONS else _OTHERS
            problems.setdefault(reason, []).append(f"{schema}.{name}")
    for problem, names in problems.items():
        told = phrases.some(names)
        yield f"The planner has no statistics of {told}: {problem}. Run ANALYZE on them when that is mended."


def _problem(connection: psycopg.Connection, schema: str, name: str, *, is_far: bool) -> str:
    """Why a table could not be analysed, or nothing. Its children are read too, whatever ANALYZE is told."""
    if is_far:
        return "foreign tables are among its children, and nobody was to read those"
    try:
        connection.execute(_ANALYZE.format(Identifier(schema, name)))
    except psycopg.Error as error:
        if error.sqlstate is None or error.sqlstate.startswith(restore_errors.SERVER_STATES):
            raise
        return errors.one_line(error.diag.message_primary or error)
    return ""


# A partitioned table takes its partitions along; where one of them, at any depth, is foreign, those that are
# not are analysed by themselves.
_TABLES = """
    with recursive far (oid) as (
      select inhparent from pg_inherits i join pg_class c on c.oid = i.inhrelid where c.relkind = 'f'
      union
      select inhparent from pg_inherits i join far on far.oid = i.inhrelid)
    select n.nspname, c.relname, c.oid in (select oid from far)
    from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where not c.relisshared and n.nspname !~ '^pg_(toast|temp_)'
      and (c.relkind in ('r', 'm') or c.relkind = 'p' and c.oid not in (select oid from far))
      and (not c.relispartition
           or exists (select from pg_inherits i join far on far.oid = i.inhparent where i.inhrelid = c.oid))
    order by 1, 2"""
