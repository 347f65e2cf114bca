"""What psql would misread in a plain dump: a name ``begin`` in a function's header.

Where it reads CREATE FUNCTION, psql waits from ``begin`` to ``end`` for the statement's semicolon, because
of bodies in BEGIN ATOMIC. pg_dump writes the name without quotes, and rows of the next table become commands.
https://www.postgresql.org/docs/current/app-psql.html
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import psycopg

from pgbackstop_catalog.records.attempt import Reason
from pgbackstop_runner.failures import AttemptFailed
from pgbackstop_runner.system import phrases

# What belongs to an extension is not dumped.
_SUSPECTS = r"""
    select pg_catalog.format('%I.%I', n.nspname, p.proname), pg_catalog.pg_get_functiondef(p.oid)
    from pg_catalog.pg_proc p join pg_catalog.pg_namespace n on n.oid = p.pronamespace
    where n.nspname not in ('pg_catalog', 'information_schema')
      and not exists (select from pg_catalog.pg_depend d where d.deptype = 'e'
                      and d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass and d.objid = p.oid)
      and case when p.prokind in ('f', 'p')
          then pg_catalog.pg_get_functiondef(p.oid) operator(pg_catalog.~*) '\mbegin\M' else false end
    order by 1"""
_QUOTED = re.compile(r"""'(?:[^']|'')*'|"(?:[^"]|"")*"|\$(\w*)\$.*?\$\1\$""", re.DOTALL)
_PARENTHESES = re.compile(r"\([^()]*\)")
_BEGIN = re.compile(r"\bbegin\b(?!\s+atomic\b)", re.IGNORECASE)


def is_misread(definition: str) -> bool:
    """Whether psql finds a block in CREATE FUNCTION where there is none. Pure."""
    text = _QUOTED.sub(" ", definition)
    while (shorter := _PARENTHESES.sub(" ", text)) != text:
        text = shorter
    return _BEGIN.search(text) is not None


def require(connection: psycopg.Connection) -> None:
    """Raises AttemptFailed with the functions that would spoil a plain dump."""
    if found := list(_misread(connection)):
        raise AttemptFailed(
            Reason.CONFIGURATION,
            "psql could not restore a plain dump: it takes the name begin for the beginning of a block in "
            f"{phrases.some(found)}.",
            remedy="Set format: custom in the plan, or rename what is called so.",
        )


def _misread(connection: psycopg.Connection) -> Iterator[str]:
    for name, definition in connection.execute(_SUSPECTS):
        if is_misread(definition):
            yield name
