"""What a role lacks to dump a database, asked before pg_dump stumbles over it."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg

from pgbackstop_runner.postgres.facts import Rights
from pgbackstop_runner.system import phrases


def of(connection: psycopg.Connection, rights: Rights | None) -> Iterator[str]:
    """What pg_dump would stumble over: no SELECT, no USAGE on a schema, row security."""
    if rights is None or rights.superuser:
        return
    for words, query in _RIGHTS_QUERIES:
        names = [str(name) for (name,) in connection.execute(query)]
        if names and not (words == _ROW_SECURITY and rights.bypass_rls):
            yield f"{words} {phrases.some(names)}"


# Until 18 there is no has_largeobject_privilege; pg_read_all_data does not cover large objects.
_LARGE_OBJECTS = """
    select m.oid from pg_largeobject_metadata m
    where not current_setting('lo_compat_privileges')::bool
      and not pg_has_role(m.lomowner, 'usage')
      and not exists (select from aclexplode(m.lomacl) a where a.privilege_type = 'SELECT'
                      and (a.grantee = 0 or pg_has_role(a.grantee, 'usage')))
    order by 1 limit 100"""
_ROW_SECURITY = "row security hides rows (the role lacks BYPASSRLS) in"
_RIGHTS_QUERIES = (
    (
        "no USAGE on schema",
        """select quote_ident(n.nspname) from pg_namespace n
            where n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
              and not has_schema_privilege(n.oid, 'usage') order by 1""",
    ),
    (
        "no SELECT on",
        """select quote_ident(n.nspname) || '.' || quote_ident(c.relname)
            from pg_class c join pg_namespace n on n.oid = c.relnamespace
            where n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
              and c.relpersistence <> 't' and
              case when c.relkind in ('r', 'p', 'm', 'v', 'f') then not has_table_privilege(c.oid, 'select')
                   when c.relkind = 'S' then not has_sequence_privilege(c.oid, 'select')
                   else false end
            order by 1""",
    ),
    ("no SELECT on large object", _LARGE_OBJECTS),
    (
        _ROW_SECURITY,
        """select quote_ident(n.nspname) || '.' || quote_ident(c.relname)
            from pg_class c join pg_namespace n on n.oid = c.relnamespace
            where n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
              and c.relkind in ('r', 'p') and c.relrowsecurity
              and (c.relforcerowsecurity or not pg_has_role(c.relowner, 'usage'))
            order by 1""",
    ),
)
