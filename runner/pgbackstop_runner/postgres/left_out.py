"""What a plan leaves out of a dump: its patterns resolved to names, so that pg_dump and the record agree.

What something else in the dump needs (a view, a foreign key, a function) cannot be left out without making
the dump one that does not restore: of such a table the rows are left out alone.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import psycopg

from pgbackstop_catalog.config import table_pattern
from pgbackstop_catalog.config.plan import Plan
from pgbackstop_runner.system import phrases


@dataclass(frozen=True, kw_only=True)
class Relation:
    """A table, view or sequence; ``pattern`` is its name alone for pg_dump, in the database's encoding."""

    oid: int
    schema: str
    name: str
    quoted: str
    parent: int | None
    pattern: bytes


@dataclass(frozen=True, kw_only=True)
class LeftOut:
    """``needed`` says by what, for each of ``schema_only`` that was to be left out altogether.

    ``unused`` are patterns that mean nothing here; ``broken_keys`` foreign keys that rows may violate.
    """

    excluded: tuple[Relation, ...] = ()
    schema_only: tuple[Relation, ...] = ()
    needed: Mapping[str, str] = field(default_factory=dict)
    broken_keys: tuple[str, ...] = ()
    unused: tuple[str, ...] = ()

    @property
    def oids(self) -> frozenset[int]:
        """All whose rows are in no dump."""
        return frozenset(each.oid for each in (*self.excluded, *self.schema_only))

    def options(self) -> Iterator[str]:
        """Options of pg_dump, byte by byte in the database's encoding, which it shall dump in."""
        yield from (os.fsdecode(b"--exclude-table=" + each.pattern) for each in self.excluded)
        yield from (os.fsdecode(b"--exclude-table-data=" + each.pattern) for each in self.schema_only)

    def sentences(self) -> Iterator[str]:
        """What a person is told of it."""
        if self.excluded:
            yield f"Left out: {phrases.some([each.quoted for each in self.excluded])}."
        if self.schema_only:
            yield f"Without rows: {phrases.some([each.quoted for each in self.schema_only])}."
        for name, by in self.needed.items():
            yield f"{name} comes without rows instead of not at all, because {by} needs it."
        if self.broken_keys:
            yield f"Foreign keys that cannot be restored where rows refer: {phrases.some(self.broken_keys)}."


def of(connection: psycopg.Connection, plan: Plan) -> LeftOut:
    """What the plan leaves out of the database that is connected to. Raises psycopg.Error."""
    if not plan.exclude_tables and not plan.schema_only_tables:
        return LeftOut()
    relations = [
        Relation(oid=oid, schema=schema, name=name, quoted=quoted, parent=parent, pattern=pattern)
        for oid, schema, name, quoted, parent, pattern in connection.execute(_RELATIONS)
    ]
    wanted = _with_partitions(relations, _meant(relations, plan.exclude_tables))
    excluded, needed = _that_nothing_needs(connection, wanted)
    without_rows = wanted - excluded | _with_partitions(relations, _meant(relations, plan.schema_only_tables))
    by_oid = {each.oid: each for each in relations}
    return LeftOut(
        excluded=tuple(each for each in relations if each.oid in excluded),
        schema_only=tuple(each for each in relations if each.oid in without_rows - excluded),
        needed={by_oid[oid].quoted: by for oid, by in needed.items()},
        broken_keys=_broken_keys(connection, without_rows | excluded),
        unused=tuple(
            each for each in (*plan.exclude_tables, *plan.schema_only_tables) if not _meant(relations, [each])
        ),
    )


def _meant(relations: Iterable[Relation], patterns: Sequence[str]) -> set[int]:
    parsed = [table_pattern.parse(each) for each in patterns]
    return {each.oid for each in relations if any(one.matches(each.schema, each.name) for one in parsed)}


def _with_partitions(relations: Sequence[Relation], oids: set[int]) -> set[int]:
    """Those, and what is a partition of one of them: it would have nothing to be attached to."""
    found = set(oids)
    while more := {each.oid for each in relations if each.parent in found} - found:
        found |= more
    return found


def _that_nothing_needs(connection: psycopg.Connection, wanted: set[int]) -> tuple[set[int], dict[int, str]]:
    """Those of them that can be left out, and what needs each of the others."""
    excluded, needed = set(wanted), dict[int, str]()
    while rows := connection.execute(_NEEDED, {"oids": sorted(excluded)}).fetchall():
        found: dict[int, str] = dict(rows)
        needed |= found
        excluded -= found.keys()
    return excluded, needed


def _broken_keys(connection: psycopg.Connection, oids: set[int]) -> tuple[str, ...]:
    rows = connection.execute(_KEYS, {"oids": sorted(oids)})
    return tuple(str(name) for (name,) in rows)


# As pg_dump's own patterns: ordinary and partitioned tables, views, sequences, foreign tables. In quotes all
# but a quote means itself there.
_RELATIONS = """
    select c.oid::int8, n.nspname, c.relname, quote_ident(n.nspname) || '.' || quote_ident(c.relname),
           (select i.inhparent::int8 from pg_inherits i where i.inhrelid = c.oid and c.relispartition),
           convert_to('"' || replace(n.nspname, '"', '""') || '"."' || replace(c.relname, '"', '""') || '"',
                      getdatabaseencoding())
    from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where c.relkind in ('r', 'p', 'v', 'm', 'S', 'f') and c.relpersistence <> 't'
      and n.nspname <> 'information_schema' and n.nspname !~ '^pg_'
    order by 2, 3"""
# Of each table what else of the dump depends on it, or on its row type; but for what goes with it.
# https://www.postgresql.org/docs/current/catalog-pg-depend.html
_NEEDED = """
    with gone as (select oid::oid from unnest(%(oids)s::int8[]) oid),
    reference as (
      select 'pg_class'::regclass::oid as classid, oid as objid, oid as gone from gone
      union all
      select 'pg_type'::regclass, t.oid, c.oid from gone join pg_class c using (oid)
      join pg_type t on t.oid = c.reltype or t.oid = (select typarray from pg_type where oid = c.reltype))
    select r.gone::int8, min(pg_describe_object(d.classid, d.objid, 0))
    from reference r join pg_depend d on d.refclassid = r.classid and d.refobjid = r.objid
    left join pg_class c on d.classid = 'pg_class'::regclass and c.oid = d.objid
    left join pg_index i on i.indexrelid = c.oid
    left join pg_rewrite w on d.classid = 'pg_rewrite'::regclass and w.oid = d.objid
    left join pg_constraint k on d.classid = 'pg_constraint'::regclass and k.oid = d.objid
    left join pg_attrdef a on d.classid = 'pg_attrdef'::regclass and a.oid = d.objid
    left join pg_trigger g on d.classid = 'pg_trigger'::regclass and g.oid = d.objid
    left join pg_policy p on d.classid = 'pg_policy'::regclass and p.oid = d.objid
    where d.deptype in ('n', 'a')
      and d.classid not in ('pg_publication_rel'::regclass, 'pg_statistic_ext'::regclass)
      and not (c.relkind = 'S' and d.deptype = 'a')
      and coalesce(i.indrelid, w.ev_class, nullif(k.conrelid, 0), a.adrelid, g.tgrelid, p.polrelid, c.oid, 0)
          not in (select oid from gone)
    group by 1"""
_KEYS = """
    select conname || ' of ' || conrelid::regclass::text from pg_constraint
    where contype = 'f' and conparentid = 0
      and confrelid = any(%(oids)s::oid[]) and not conrelid = any(%(oids)s::oid[])
    order by 1"""
