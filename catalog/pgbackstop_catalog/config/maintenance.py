"""Where to connect when no database is meant, on a server that has no database ``postgres``. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable

from pgbackstop_catalog.config.server import USUAL_DATABASE, Server
from pgbackstop_catalog.records import restore

# Every server has it; who stays connected to it keeps others from CREATE DATABASE.
TEMPLATE = "template1"
DATABASES = """
    select datname from pg_catalog.pg_database
    where datallowconn and not datistemplate and datconnlimit not in (-2, 0)
      and pg_catalog.has_database_privilege(oid, 'connect') order by datname"""
# In whatever language the server says that there is none: each has its own quotes.
_NAMED = re.compile(rf"[^\w\s]\s?{USUAL_DATABASE}\s?[^\w\s]")


def is_missing(database: str, words: str) -> bool:
    """Whether a refusal may mean that the usual database is not there; one that a person named must be."""
    return database == USUAL_DATABASE and _NAMED.search(words) is not None


def another(names: Iterable[str], away_from: Collection[str] = ()) -> str:
    """The database to use instead, of those that the server has."""
    usable = (name for name in names if name not in away_from and not restore.is_beside(name))
    return next(usable, TEMPLATE)


def heartbeat_databases(server: Server, names: Iterable[str]) -> tuple[str, ...]:
    """Where a server's heartbeats may be, of the databases that it has: in the first that has their table.

    That is the maintenance database, but where the usual one is not there.
    """
    there = tuple(name for name in names if not restore.is_beside(name))
    usual = server.maintenance_database
    return there if usual == USUAL_DATABASE and usual not in there else (usual,)
