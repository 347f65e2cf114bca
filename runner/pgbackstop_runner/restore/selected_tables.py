"""Single tables or schemas, into a database that lives: a lost table comes back with all that hangs on it.

The whole schema is restored into a database beside, with the rows of the wanted tables only; from there
pg_dump takes the tables with their sequences, indexes, constraints, triggers and rights, and psql puts them
into the target in one transaction. So what is asked for comes whole, or not at all.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator

import psycopg
from psycopg import sql

from pgbackstop_catalog import errors
from pgbackstop_catalog.config import conninfo
from pgbackstop_runner.formats import dump_metadata, names, table_selection
from pgbackstop_runner.formats.dump_metadata import ForeignKey
from pgbackstop_runner.formats.table_selection import TableSelection
from pgbackstop_runner.journal.restore import Journal
from pgbackstop_runner.postgres import client_process, sessions
from pgbackstop_runner.restore import (
    archive_load,
    content_checks,
    lost_dependents,
    new_database,
    script_load,
    target_database,
)
from pgbackstop_runner.restore.dump_source import Only, Source
from pgbackstop_runner.restore.plan import RestorePlan, RestoreRequest

Table = tuple[str, str]


def restore(current: Journal, outline: RestorePlan) -> None:
    """Restore the selection. Raises ValidationError where it is there already, AttemptFailed."""
    name = current.record.scratch_database
    with current.step("create"):
        new_database.create(outline, name)
    assert outline.family is not None  # noqa: S101 - drawn with a selection
    wanted = outline.family.tables
    # Without a limit: a foreign key of a large table takes its time to be checked.
    with sessions.connect(outline.server, outline.database, statement_timeout=0) as live:
        with current.step("restore"):
            only = Only.of(wanted, outline.blueprint.encoding)
            new_database.load(current, outline, name, only=only)
        with sessions.connect(outline.server, name) as beside:
            tables = _moved(beside, outline.request, wanted)
        _require_absent(live, tables)
        with current.step("copy"):
            _prepare_schemas(live, tables)
            _copy(outline, name, tables)
        with current.step("validate"):
            _validate(current, live, dict(zip(tables, wanted.values(), strict=True)))
        with current.step("foreign keys"):
            _own_keys(current, outline, live, outline.family)
            _other_keys(current, outline, live, outline.family)
        if outline.keys_return:
            lost_dependents.tell(current, outline, live, outline.family)
    with target_database.connect(outline.server, away_from=(outline.database,)) as connection:
        target_database.drop(connection, name)


def _moved(beside: psycopg.Connection, request: RestoreRequest, wanted: Iterable[str]) -> list[Table]:
    """The tables under the names that they shall have, moved in the database beside."""
    tables = [dump_metadata.parts(name) for name in wanted]
    schema = request.into_schema
    if schema is None:
        return tables
    beside.execute(sql.SQL("create schema if not exists {}").format(sql.Identifier(schema)))
    for asked in _roots(beside, tables):
        beside.execute(
            sql.SQL("alter table {} set schema {}").format(sql.Identifier(*asked), sql.Identifier(schema))
        )
    return [(schema, name) for _schema, name in tables]


def _roots(beside: psycopg.Connection, tables: list[Table]) -> list[Table]:
    """The tables and the partitioned ones above them."""
    found: dict[Table, None] = {}
    for schema, name in tables:
        rows = beside.execute(
            """select n.nspname, c.relname from pg_partition_ancestors(to_regclass(%s)) a
               join pg_class c on c.oid = a.relid join pg_namespace n on n.oid = c.relnamespace""",
            (table_selection.quoted(schema, name),),
        ).fetchall()
        found.update(dict.fromkeys([(schema, name), *rows]))
    return list(found)


def _require_absent(live: psycopg.Connection, tables: list[Table]) -> None:
    """Raises ValidationError where one of them exists: nothing is overwritten."""
    there = [
        f"{schema}.{name}"
        for schema, name in tables
        if live.execute("select to_regclass(%s)", (table_selection.quoted(schema, name),)).fetchone()
        != (None,)
    ]
    if there:
        raise errors.ValidationError(
            f"The table {', '.join(there[:3])} exists already; nothing was touched.",
            remedy="Rename or drop it, or restore beside it with --into-schema.",
        )


def _prepare_schemas(live: psycopg.Connection, tables: list[Table]) -> None:
    for schema in {schema for schema, _name in tables}:
        live.execute(sql.SQL("create schema if not exists {}").format(sql.Identifier(schema)))


def _copy(outline: RestorePlan, name: str, tables: list[Table]) -> None:
    """pg_dump of the database beside into psql of the target."""
    with sessions.connect(outline.server, name) as beside:
        roots = [table_selection.quoted(*each) for each in _roots(beside, tables)]
    # pg_dump takes a pattern for text in the encoding of its database.
    encoding = outline.blueprint.encoding
    patterns = [f"--table={os.fsdecode(names.encoded(each, encoding))}" for each in roots]
    target = archive_load.connection_string(outline.server, outline.database)
    into = script_load.reader(outline.binaries, target, script_load.STRICT, "--single-transaction")
    with (
        client_process.start(
            "psql", into, password=conninfo.password(outline.server), pipe_input=True
        ) as reader,
        client_process.start(
            "pg_dump",
            _from(outline, name, patterns),
            password=conninfo.password(outline.server),
            pipe_output=True,
        ) as writer,
    ):
        source = Source(path=outline.dump, plain=True)
        pieces = script_load.filtered(writer.stdout, source, outline.major)
        content = script_load.restricted(piece.text for piece in pieces)
        script_load.feed(reader, _whole(content, writer))
        reader.finish()


def _whole(content: Iterator[bytes], writer: client_process.Tool) -> Iterator[bytes]:
    """The script, which ends only when pg_dump ended well: psql commits at its end. Raises AttemptFailed."""
    yield from content
    writer.finish()


def _from(outline: RestorePlan, name: str, patterns: list[str]) -> list[str]:
    return [
        outline.binaries.path("pg_dump"),
        "--no-password",
        "--format=plain",
        *patterns,
        f"--dbname={archive_load.connection_string(outline.server, name)}",
    ]


def _validate(current: Journal, live: psycopg.Connection, counts: dict[Table, int | None]) -> None:
    """The rows of each table against those of the record."""
    known = {table_selection.quoted(*table): count for table, count in counts.items() if count is not None}
    result = content_checks.rows(live, known)
    current.note(checks=(result,))
    if not result.ok:
        raise errors.PgbackstopError(f"What was restored is not what was backed up: {result.detail}.")


def _own_keys(
    current: Journal, outline: RestorePlan, live: psycopg.Connection, found: TableSelection
) -> None:
    """Each by itself: the rows that they point to may have changed since, and the table is worth having."""
    for key in found.own_keys:
        if outline.request.into_schema is not None:
            current.warn(f"A foreign key of {key.table} is left out: the table has another schema now.")
        else:
            _make(current, outline, live, key)


def _other_keys(
    current: Journal, outline: RestorePlan, live: psycopg.Connection, found: TableSelection
) -> None:
    """Those that were dropped with the table; elsewhere than where it was, nobody lost one."""
    if outline.keys_return:
        for key in found.other_keys:
            has = _has(live, key)
            if has is None:
                current.warn(f"Foreign key {key.name} is left out: its table {key.table} is not there.")
            elif not has:
                _make(current, outline, live, key)


def _has(live: psycopg.Connection, key: ForeignKey) -> bool | None:
    """Whether its table has one of that name; None where there is no such table."""
    row = live.execute(
        """select exists (select from pg_constraint c where c.conrelid = t.oid and c.conname = %s)
           from pg_class t where t.oid = to_regclass(%s)""",
        (key.name, table_selection.spelled(key.table)),
    ).fetchone()
    return bool(row[0]) if row else None


def _make(current: Journal, outline: RestorePlan, live: psycopg.Connection, key: ForeignKey) -> None:
    try:
        with live.transaction():
            encoding = sql.Literal(outline.blueprint.encoding)
            live.execute(sql.SQL("set local client_encoding to {}").format(encoding))
            live.execute(key.code)
    except psycopg.Error as error:
        code = outline.statement(key.code)
        current.warn(
            f"Foreign key {key.name} of {key.table} could not be restored: {errors.one_line(error)}. "
            f"When the rows fit, run: {code}"
        )
