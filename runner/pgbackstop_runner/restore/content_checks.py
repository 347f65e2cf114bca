"""Whether what was restored is what was backed up (1.3.5), by questions to the database itself.

Restores and drills ask the same. ``Expected`` is what the record and the dump say; what nobody knows is None
and is then reported, not judged.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import psycopg
from psycopg import sql

from pgbackstop_catalog import errors, units
from pgbackstop_catalog.config.plan import Assertion
from pgbackstop_catalog.records.backup import Backup
from pgbackstop_catalog.records.proof import CheckResult, MissingEntry
from pgbackstop_catalog.records.source import DatabaseFacts
from pgbackstop_runner.formats import dump_metadata, restore_errors
from pgbackstop_runner.postgres import facts as postgres
from pgbackstop_runner.postgres import row_counts, shared_names, validity
from pgbackstop_runner.postgres.shared_names import Identifier
from pgbackstop_runner.system import phrases

CountRows = Callable[[psycopg.Connection, str, str], int]


@dataclass(frozen=True, kw_only=True)
class Expected:
    """What the database must be like. ``row_counts`` is by quoted name.

    ``not_valid`` has the constraints that were not valid when they were dumped, as (table or domain, name),
    ``invalid_indexes`` the indexes; ``sequences`` the values that the dump sets, as (last value, whether it
    was given out); ``excluded`` and ``without_rows`` what the plan left out.
    """

    facts: DatabaseFacts | None = None
    row_counts: dict[str, int] | None = None
    not_valid: frozenset[tuple[str, str]] | None = None
    invalid_indexes: frozenset[str] = frozenset()
    sequences: dict[str, tuple[int, bool]] = field(default_factory=dict)
    assertions: Sequence[Assertion] = ()
    excluded: Sequence[str] = ()
    without_rows: Sequence[str] = ()


def expected(
    backup: Backup,
    assertions: Sequence[Assertion],
    *,
    not_valid: frozenset[tuple[str, str]] | None = None,
    sequences: dict[str, tuple[int, bool]] | None = None,
    missing: Sequence[MissingEntry] = (),
) -> Expected:
    """What the backup's record says; ``not_valid`` and ``sequences`` are what the dump says besides.

    Of ``missing`` rows, which are told by themselves, no count is expected.
    """
    counts = backup.row_counts
    if counts is not None and missing:
        counts = {
            name: count
            for name, count in counts.items()
            if not restore_errors.has_rows_of(missing, *dump_metadata.parts(name))
        }
    return Expected(
        facts=backup.database_facts,
        row_counts=counts,
        not_valid=None if not_valid is None else not_valid | frozenset(backup.source_not_valid),
        invalid_indexes=frozenset(backup.source_invalid_indexes),
        sequences=_as_read(sequences or {}),
        assertions=assertions,
        excluded=backup.excluded_tables,
        without_rows=backup.schema_only_tables,
    )


def _as_read(sequences: dict[str, tuple[int, bool]]) -> dict[str, tuple[int, bool]]:
    """Those of a dump by their names as sessions read them, where they are no text."""
    return {
        shared_names.told(name.encode(errors="surrogateescape")): each for name, each in sequences.items()
    }


def check(connection: psycopg.Connection, wanted: Expected) -> tuple[CheckResult, ...]:
    """All checks of the database that is connected to, into which nobody else gets.

    The connection is in autocommit, and must see every row.
    """
    connection.execute("set row_security = off")
    return (
        rows(connection, wanted.row_counts, row_counts.rows_by_query),
        _indexes(connection, wanted.invalid_indexes),
        _constraints(connection, wanted.not_valid),
        _sequences(connection, wanted.sequences),
        *_left_out(wanted),
        *_facts(connection, wanted.facts),
        *(_assertion(connection, each) for each in wanted.assertions),
    )


def failed(results: Sequence[CheckResult]) -> str:
    """What failed, in one sentence; "" where nothing did."""
    return "; ".join(f"{each.name}: {each.detail}" for each in results if not each.ok)


def rows(
    connection: psycopg.Connection, counts: dict[str, int] | None, count_rows: CountRows = row_counts.rows
) -> CheckResult:
    """Exact counts against those of the dump's own snapshot, which may lack tables."""
    if counts is None:
        return CheckResult(name="rows", ok=True, detail="not compared: none were counted at backup")
    # The names come from a record, so PostgreSQL says what they mean, and no name becomes a statement.
    tables = connection.execute(
        """select k, n.nspname, c.relname from unnest(%s::text[]) k
           join pg_class c on c.oid = to_regclass(k) and c.relkind = 'r'
           join pg_namespace n on n.oid = c.relnamespace""",
        (list(counts),),
    ).fetchall()
    found = {quoted: count_rows(connection, schema, name) for quoted, schema, name in tables}
    wrong = [
        f"{name} has {found.get(name, 'no table')} instead of {count}"
        for name, count in counts.items()
        if found.get(name) != count
    ]
    total = f"{units.format_rows(found.values())}, as backed up"
    return CheckResult(name="rows", ok=not wrong, detail=phrases.some(wrong) or total)


def _left_out(wanted: Expected) -> Iterator[CheckResult]:
    """What the plan leaves out: nobody shall take the proof for one of it."""
    told = (("not in the backup", wanted.excluded), ("without rows", wanted.without_rows))
    words = "; ".join(f"{how}: {phrases.some(names)}" for how, names in told if names)
    if words:
        yield CheckResult(name="left out", ok=True, detail=f"by the plan {words}")


def _indexes(connection: psycopg.Connection, known: frozenset[str]) -> CheckResult:
    """What was not valid at the source is in no dump, but for the indexes of partitioned tables."""
    row = connection.execute(_INDEX_COUNT).fetchone()
    invalid = list(validity.indexes(connection))
    wrong = [name for name in invalid if name not in known]
    lost = sorted(known - set(invalid))
    note = f"; {len(known)} of the source were not: {phrases.some(sorted(known))}" if known else ""
    note += f"; of those, the dump leaves out {phrases.some(lost)}" if lost else ""
    detail = f"{(row[0] if row else 0) - len(invalid)} are valid{note}"
    return CheckResult(name="indexes", ok=not wrong, detail=_invalid(wrong) or detail)


_INDEX_COUNT = """
    select count(*) from pg_index i join pg_class c on c.oid = i.indexrelid
    join pg_namespace n on n.oid = c.relnamespace where n.nspname !~ '^pg_'"""


def _constraints(connection: psycopg.Connection, known: frozenset[tuple[str, str]] | None) -> CheckResult:
    """pg_constraint.convalidated; what was not valid when it was dumped is no failure."""
    row = connection.execute(_CONSTRAINT_COUNT).fetchone()
    invalid = list(validity.constraints(connection))
    wrong = [
        f"{name} on {table}" for table, name in invalid if known is not None and (table, name) not in known
    ]
    note = f"; {len(invalid)} not, as at the source" if invalid else ""
    detail = f"{(row[0] if row else 0) - len(invalid)} are validated{note}"
    return CheckResult(name="constraints", ok=not wrong, detail=_invalid(wrong) or detail)


_CONSTRAINT_COUNT = """
    select count(*) from pg_constraint o join pg_namespace n on n.oid = o.connamespace
    where n.nspname !~ '^pg_' and n.nspname <> 'information_schema'"""


def _sequences(connection: psycopg.Connection, dumped: dict[str, tuple[int, bool]]) -> CheckResult:
    """At or beyond the greatest value of the column that each belongs to (the least where it counts down)."""
    rows = connection.execute(
        """select quote_ident(n.nspname) || '.' || quote_ident(s.relname), n.nspname, s.relname,
                  t.oid, a.attname, q.seqincrement > 0,
                  exists (select from pg_depend e where e.classid = 'pg_class'::regclass
                          and e.objid = s.oid and e.deptype = 'e')
           from pg_depend d
           join pg_class s on s.oid = d.objid and s.relkind = 'S'
           join pg_namespace n on n.oid = s.relnamespace
           join pg_sequence q on q.seqrelid = s.oid
           join pg_class t on t.oid = d.refobjid
           join pg_attribute a on a.attrelid = t.oid and a.attnum = d.refobjsubid
           where d.classid = 'pg_class'::regclass and d.refclassid = 'pg_class'::regclass
             and d.deptype in ('a', 'i') and t.relkind in ('r', 'p')
             and a.atttypid in ('int2'::regtype, 'int4'::regtype, 'int8'::regtype)
           order by 1"""
    ).fetchall()
    behind = {name: is_member for name, *row, is_member in rows if _is_behind(connection, row)}
    # pg_dump sets no sequence of an extension that the extension did not ask it to.
    members = sorted(name for name, is_member in behind.items() if is_member and name not in dumped)
    wrong = sorted(behind.keys() - dumped.keys() - set(members))
    others = _changed(connection, dumped)
    same = len(behind) - len(members)
    note = f"; {same} behind, as at the source" if same else ""
    note += f"; {phrases.some(members)}, of an extension, which no dump sets" if members else ""
    detail = phrases.some([*(f"{name} is behind its column" for name in wrong), *others])
    return CheckResult(
        name="sequences", ok=not detail, detail=detail or f"{len(rows)} follow their columns{note}"
    )


def _is_behind(connection: psycopg.Connection, row: Sequence[object]) -> bool:
    schema, name, table, column, ascending = row
    query = sql.SQL("select last_value, is_called from {}").format(Identifier(str(schema), str(name)))
    found = connection.execute(query).fetchone()
    values = list(_values(connection, table, str(column), ascending=ascending is True))
    if found is None or not values:
        return False
    last, called = found
    if ascending:
        return bool(max(values) > last if called else max(values) >= last)
    return bool(min(values) < last if called else min(values) <= last)


def _values(connection: psycopg.Connection, table: object, column: str, *, ascending: bool) -> Iterator[int]:
    """The furthest value of a column in a table and in each of its partitions and children that is here.

    Asked each by itself: a query of them all would read the foreign ones too.
    """
    query = sql.SQL("select {best}({column}) from only {table}")
    best, identifier = sql.SQL("max" if ascending else "min"), Identifier(column)
    for schema, name in connection.execute(_WITH_ROWS, (table,)).fetchall():
        asked = query.format(best=best, column=identifier, table=Identifier(schema, name))
        row = connection.execute(asked).fetchone()
        if row is not None and row[0] is not None:
            yield row[0]


_WITH_ROWS = """
    with recursive family (oid) as (
      select %s::oid union select i.inhrelid from pg_inherits i join family f on f.oid = i.inhparent)
    select n.nspname, c.relname from family f join pg_class c on c.oid = f.oid and c.relkind = 'r'
    join pg_namespace n on n.oid = c.relnamespace"""


def _changed(connection: psycopg.Connection, dumped: dict[str, tuple[int, bool]]) -> Iterator[str]:
    """Sequences that do not stand where the dump set them."""
    rows = connection.execute(
        """select quote_ident(n.nspname) || '.' || quote_ident(c.relname), n.nspname, c.relname
           from pg_class c join pg_namespace n on n.oid = c.relnamespace where c.relkind = 'S'"""
    ).fetchall()
    for quoted, schema, name in rows:
        if quoted in dumped:
            query = sql.SQL("select last_value, is_called from {}").format(Identifier(schema, name))
            if connection.execute(query).fetchone() != dumped[quoted]:
                yield f"{quoted} does not stand at {dumped[quoted][0]}"


def _facts(connection: psycopg.Connection, wanted: DatabaseFacts | None) -> Iterator[CheckResult]:
    """Extensions and collation against the record."""
    if wanted is None:
        return
    found = postgres.database_facts(connection)
    there = {each.name: each.version for each in found.extensions}
    missing = [each.name for each in wanted.extensions if each.name not in there]
    other = [
        f"{each.name} {there[each.name]} instead of {each.version}"
        for each in wanted.extensions
        if there.get(each.name, each.version) != each.version
    ]
    detail = (
        phrases.some([f"{name} is missing" for name in missing])
        or phrases.some(other)
        or f"{len(there)} as backed up"
    )
    yield CheckResult(name="extensions", ok=not missing, detail=detail)
    yield _collation(wanted, found)


def _collation(wanted: DatabaseFacts, found: DatabaseFacts) -> CheckResult:
    """Indexes of a logical restore are built anew, so another version is told, and another locale fails."""
    same = ("encoding", "collate", "ctype", "locale_provider", "locale")
    wrong = [
        f"{name} is {getattr(found, name)!r} instead of {getattr(wanted, name)!r}"
        for name in same
        if getattr(found, name) != getattr(wanted, name)
    ]
    version = f"{found.locale_provider} {found.locale or found.collate} {found.collation_version}".strip()
    if found.collation_version != wanted.collation_version:
        version += f" (it was {wanted.collation_version or 'without a version'}; indexes are built anew)"
    return CheckResult(name="collation", ok=not wrong, detail=phrases.some(wrong) or version)


def _assertion(connection: psycopg.Connection, assertion: Assertion) -> CheckResult:
    """The plan's own question, in a read-only transaction: it must give one true."""
    try:
        with connection.transaction():
            connection.execute("set transaction read only")
            rows = connection.execute(assertion.sql.encode()).fetchmany(2)
    except psycopg.Error as error:
        return CheckResult(name=assertion.name, ok=False, detail=errors.one_line(error))
    ok = len(rows) == 1 and tuple(rows[0]) == (True,)
    shown = "true" if ok else f"gave {rows!r:.100} instead of one true"
    return CheckResult(name=assertion.name, ok=ok, detail=shown)


def _invalid(names: Sequence[str]) -> str:
    return f"not valid: {phrases.some(names)}" if names else ""
