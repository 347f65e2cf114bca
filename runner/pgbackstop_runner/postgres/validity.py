"""What of a database is not valid: constraints and indexes, by questions to its catalogs alone."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg


def constraints(connection: psycopg.Connection) -> Iterator[tuple[str, str]]:
    """Those that are not validated (or, since 18, not enforced), as (quoted table or domain, name).

    What a table has from another one is told there: a restore makes it as its parent's is, although at the
    source it may have been valid in a child that was made later.
    """
    yield from ((str(table), str(name)) for table, name in connection.execute(_CONSTRAINTS))


def indexes(connection: psycopg.Connection) -> Iterator[str]:
    """Those that queries do not use, by quoted name.

    One of a partitioned table that a partition has no index for is only incomplete: no query reads it.
    """
    yield from (str(name) for (name,) in connection.execute(_INDEXES))


_CONSTRAINTS = """
    select quote_ident(n.nspname) || '.' || quote_ident(coalesce(c.relname, t.typname)), o.conname
    from pg_constraint o
    left join pg_class c on c.oid = o.conrelid left join pg_type t on t.oid = o.contypid
    join pg_namespace n on n.oid = coalesce(c.relnamespace, t.typnamespace)
    where not o.convalidated and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
      and not exists (
        select from pg_constraint p
        where not p.convalidated and p.contype = o.contype
          and (p.oid = o.conparentid
               or o.coninhcount > 0 and (p.conname = o.conname or p.contype = 'n')
                  and p.conrelid in (select inhparent from pg_inherits where inhrelid = o.conrelid)))
    order by 1, 2"""
# https://www.postgresql.org/docs/current/catalog-pg-index.html
_INDEXES = """
    select quote_ident(n.nspname) || '.' || quote_ident(c.relname)
    from pg_index i join pg_class c on c.oid = i.indexrelid join pg_namespace n on n.oid = c.relnamespace
    where n.nspname !~ '^pg_' and not (i.indisvalid and i.indisready) and not (c.relkind = 'I' and
      (select count(*) from pg_inherits p where p.inhparent = i.indexrelid) <
      (select count(*) from pg_inherits p join pg_class t on t.oid = p.inhrelid
        where p.inhparent = i.indrelid and t.relkind in ('r', 'p')))
    order by 1"""
