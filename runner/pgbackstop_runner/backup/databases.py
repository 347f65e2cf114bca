"""Which databases of a server a plan means, and which it cannot."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg

from pgbackstop_catalog.config.plan import PROVIDERS_OWN, Plan
from pgbackstop_catalog.records import restore
from pgbackstop_runner.postgres import shared_names

# -2: as PostgreSQL marks what an ended DROP DATABASE left.
_ALL = """
    select datname from pg_database
    where datallowconn and not datistemplate and datconnlimit <> -2 order by 1"""


def meant(connection: psycopg.Connection, plan: Plan) -> tuple[str, ...]:
    """The databases that the plan means, in its order or by name.

    "all" is each that takes connections, but those that restores fill or have put aside, and a provider's.
    """
    if plan.databases != "all":
        return tuple(dict.fromkeys(name for name in plan.databases if name not in plan.exclude_databases))
    without = {*plan.exclude_databases, *PROVIDERS_OWN}
    names = shared_names.of(connection, _ALL).said
    return tuple(name for name in names if name not in without and not restore.is_beside(name))


def of_provider(connection: psycopg.Connection) -> tuple[str, ...]:
    """Those of the server that a provider of managed servers keeps to itself."""
    query = "select datname from pg_database where datname = any(%s) order by 1"
    return tuple(str(name) for (name,) in connection.execute(query, (list(PROVIDERS_OWN),)))


def can_be_restored(name: str) -> bool:
    """Whether PostgreSQL's tools take the name: a script with a line break in a name could hold commands."""
    return not {"\n", "\r"} & set(name)


def left_out(connection: psycopg.Connection, plan: Plan) -> Iterator[str]:
    """What "all" cannot mean, but for what the plan leaves out itself."""
    rows = connection.execute(
        """select datname, datconnlimit = -2 from pg_database
           where not datistemplate and (datconnlimit = -2 or not datallowconn) order by 1"""
    )
    for name, invalid in rows:
        if name not in {*plan.exclude_databases, *PROVIDERS_OWN} and not restore.is_beside(name):
            why = "is invalid, since its DROP DATABASE was interrupted" if invalid else "takes no connections"
            yield f"Database {name} {why}: it is left out. Drop it, or list it under exclude_databases."
    there = connection.info.dbname
    for name in shared_names.of(connection, _ALL).others:
        if name not in plan.exclude_databases:
            why = f"The name of database {name} is no text in the encoding of {there}: it is left out."
            yield f"{why} {shared_names.RENAME}, or list it under exclude_databases."
