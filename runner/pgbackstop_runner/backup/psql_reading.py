"""What psql would misread in a plain dump: a function's header or body that names something ``begin``.

Found before the dump is made; the rest is found in the dump itself (``check_dump``).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import psycopg

from pgbackstop_catalog.records.attempt import Reason
from pgbackstop_runner.failures import AttemptFailed
from pgbackstop_runner.formats import psql_reading
from pgbackstop_runner.system import phrases

# What belongs to an extension is not dumped. Of a body that is a literal only the beginning is asked for: it
# counts for nothing, and may be long.
_SUSPECTS = r"""
    select name, definition from (
      select pg_catalog.format('%I.%I', n.nspname, p.proname) as name,
             case when p.prosqlbody is null
                  then pg_catalog.left(d.text, pg_catalog.length(d.text) - pg_catalog.length(p.prosrc))
                  else d.text end as definition
      from pg_catalog.pg_proc p join pg_catalog.pg_namespace n on n.oid = p.pronamespace,
        lateral (select case when p.prokind <> 'a' then pg_catalog.pg_get_functiondef(p.oid) end as text) d
      where p.prokind <> 'a' and n.nspname not in ('pg_catalog', 'information_schema')
        and not exists (select from pg_catalog.pg_depend e where e.deptype = 'e'
                        and e.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass and e.objid = p.oid)) found
    where definition operator(pg_catalog.~) '\mbegin\M'
    order by 1"""


def require(connection: psycopg.Connection) -> None:
    """Raises AttemptFailed with the functions that would spoil a plain dump."""
    if found := list(_misread(connection)):
        raise refusal(found)


def refusal(found: Sequence[str]) -> AttemptFailed:
    """The error for what psql would misread."""
    return AttemptFailed(
        Reason.CONFIGURATION,
        "psql could not restore a plain dump: it takes the name begin for the beginning of a block, or the "
        f"end of a slice for a variable of its own, in {phrases.some(found)}.",
        remedy="Set format: custom in the plan, or rename what is called so.",
    )


def _misread(connection: psycopg.Connection) -> Iterator[str]:
    for name, definition in connection.execute(_SUSPECTS):
        if psql_reading.is_misread(definition.encode(errors="surrogateescape")):
            yield name
