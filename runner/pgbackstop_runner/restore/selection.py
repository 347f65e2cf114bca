"""Single tables or schemas, into a database that lives: a lost table comes back with all that hangs on it.

The whole schema is restored into a database beside, with the rows of the wanted tables only; from there
pg_dump takes the tables with their sequences, indexes, constraints, triggers and rights, and psql puts them
into the target in one transaction. So what is asked for comes whole, or not at all.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
from psycopg import sql

from pgbackstop_catalog import conninfo, errors
from pgbackstop_runner import server as postgres
from pgbackstop_runner import tools, validation
from pgbackstop_runner.restore import blueprint, fill, scratch, target
from pgbackstop_runner.restore.journal import Journal
from pgbackstop_runner.restore.outline import Outline, Request

Table = tuple[str, str]


def restore(current: Journal, outline: Outline) -> None:
    """Restore the selection. Raises ValidationError where it is there already, AttemptFailed."""
    name = current.record.scratch_database
    with current.step("create"):
        scratch.create(outline, name)
    with postgres.connect(outline.server, outline.database) as live:
        wanted = _wanted(outline)
        with current.step("restore"):
            scratch.load(current, outline, name, only=fill.Only(tables=frozenset(wanted)))
        with postgres.connect(outline.server, name) as beside:
            tables = _moved(beside, outline.request, wanted)
        _require_absent(live, tables)
        with current.step("copy"):
            _prepare_schemas(live, tables)
            _copy(outline, name, tables)
        with current.step("validate"):
            _validate(current, outline, live, dict(zip(wanted, tables, strict=True)))
        _foreign_keys(current, outline, live, wanted)
    with target.connect(outline.server, away_from=(outline.database,)) as connection:
        target.drop(connection, name)


def _wanted(outline: Outline) -> list[str]:
    """The quoted names of the tables that have rows of their own, partitions included. Raises NotFound."""
    known = outline.backup.row_counts
    if known is None:
        raise errors.ValidationError(
            f"Backup {outline.backup.id} has no list of its tables: its rows were not counted.",
            remedy="Restore it whole with --into, and copy the table from there.",
        )
    request, found = outline.request, set[str]()
    for asked in request.tables:
        quoted = _quoted(*blueprint.parts(asked))
        family = {name for name in known if quoted in _ancestry(outline, name)}
        if not family:
            raise errors.NotFound(f"Backup {outline.backup.id} has no table {asked}.", remedy=_some(known))
        found |= family
    for schema in request.schemas:
        inside = {name for name in known if blueprint.parts(name)[0] == schema}
        if not inside:
            raise errors.NotFound(f"Backup {outline.backup.id} has no tables in schema {schema!r}.")
        found |= inside
    return sorted(found)


def _ancestry(outline: Outline, name: str) -> Iterator[str]:
    """A table and what it is a partition of, as the dump writes them and as PostgreSQL quotes them."""
    current: str | None = name
    while current is not None:
        yield _quoted(*blueprint.parts(current))
        current = outline.blueprint.partitions.get(current)


def _quoted(schema: str, name: str) -> str:
    """One spelling for comparisons, whatever the keywords of a version are."""
    return ".".join('"' + each.replace('"', '""') + '"' for each in (schema, name))


def _some(known: dict[str, int]) -> str:
    names = sorted(known)
    return f"It has: {', '.join(names[:8])}{' …' if len(names) > 8 else ''}."


def _moved(beside: psycopg.Connection, request: Request, wanted: list[str]) -> list[Table]:
    """The tables under the names that they shall have, moved in the database beside."""
    tables = [blueprint.parts(name) for name in wanted]
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
            (_quoted(schema, name),),
        ).fetchall()
        found.update(dict.fromkeys([(schema, name), *rows]))
    return list(found)


def _require_absent(live: psycopg.Connection, tables: list[Table]) -> None:
    """Raises ValidationError where one of them exists: nothing is overwritten."""
    there = [
        f"{schema}.{name}"
        for schema, name in tables
        if live.execute("select to_regclass(%s)", (_quoted(schema, name),)).fetchone() != (None,)
    ]
    if there:
        raise errors.ValidationError(
            f"The table {', '.join(there[:3])} exists already; nothing was touched.",
            remedy="Rename or drop it, or restore beside it with --into-schema.",
        )


def _prepare_schemas(live: psycopg.Connection, tables: list[Table]) -> None:
    for schema in {schema for schema, _name in tables}:
        live.execute(sql.SQL("create schema if not exists {}").format(sql.Identifier(schema)))


def _copy(outline: Outline, name: str, tables: list[Table]) -> None:
    """pg_dump of the database beside into psql of the target, through a pipe with a name."""
    with postgres.connect(outline.server, name) as beside:
        patterns = [f"--table={_quoted(*each)}" for each in _roots(beside, tables)]
    password = conninfo.password(outline.server)
    with tempfile.TemporaryDirectory(prefix="pgbackstop-restore-") as folder, contextlib.ExitStack() as stack:
        pipe = Path(folder, "tables.sql")
        os.mkfifo(pipe, 0o600)
        reader = stack.enter_context(tools.start("psql", _into(outline, pipe), password=password))
        writer = stack.enter_context(
            tools.start("pg_dump", _from(outline, name, patterns), password=password, pipe_output=True)
        )
        source = fill.Source(path=pipe, plain=True)
        content = fill.filtered(writer.stdout, source, outline.binaries, outline.major)
        fill.feed(pipe, reader, _whole(content, writer))
        reader.finish()


def _whole(content: Iterator[bytes], writer: tools.Tool) -> Iterator[bytes]:
    """The script, which ends only when pg_dump ended well: psql commits at its end. Raises AttemptFailed."""
    yield from content
    writer.finish()


def _into(outline: Outline, pipe: Path) -> list[str]:
    return [
        outline.binaries.path("psql"),
        "--no-psqlrc",
        "--quiet",
        "--no-password",
        "--set=ON_ERROR_STOP=1",
        "--single-transaction",
        "--output=/dev/null",
        f"--file={pipe}",
        f"--dbname={fill.connection_string(outline.server, outline.database)}",
    ]


def _from(outline: Outline, name: str, patterns: list[str]) -> list[str]:
    return [
        outline.binaries.path("pg_dump"),
        "--no-password",
        "--format=plain",
        *patterns,
        f"--dbname={fill.connection_string(outline.server, name)}",
    ]


def _validate(current: Journal, outline: Outline, live: psycopg.Connection, names: dict[str, Table]) -> None:
    counts = outline.backup.row_counts or {}
    result = validation.rows(live, {_quoted(*names[name]): counts[name] for name in names})
    current.note(checks=(result,))
    if not result.ok:
        raise errors.PgbackstopError(f"What was restored is not what was backed up: {result.detail}.")


def _foreign_keys(current: Journal, outline: Outline, live: psycopg.Connection, wanted: list[str]) -> None:
    """Each by itself: the rows that they point to may have changed since, and the table is worth having."""
    mine = {each for name in wanted for each in _ancestry(outline, name)}
    for table, code in outline.blueprint.foreign_keys:
        if _quoted(*blueprint.parts(table)) not in mine:
            continue
        if outline.request.into_schema is not None:
            current.warn(f"A foreign key of {table} is left out: the table has another schema now.")
            continue
        try:
            with live.transaction():
                encoding = sql.Literal(outline.blueprint.encoding)
                live.execute(sql.SQL("set local client_encoding to {}").format(encoding))
                live.execute(code)
        except psycopg.Error as error:
            words = " ".join(str(error).split())
            current.warn(f"A foreign key of {table} could not be restored: {words}")
