"""Exact row counts in the snapshot of a dump, beside it: what goes wrong costs a count, never the dump.

Some tables at a time are counted in one transaction, so that few locks are held; where that fails,
each in its own.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field

import psycopg
from psycopg import sql

from pgbackstop_catalog import errors
from pgbackstop_runner.postgres import sessions, shared_names
from pgbackstop_runner.postgres.shared_names import Identifier
from pgbackstop_runner.system import phrases

MOST_SESSIONS = 3  # that are lost before no other is opened
# Counted in one transaction. Each costs a lock of the server's pool.
TOGETHER = 32
_CHANGED = "it was renamed or rewritten while it was counted"
_NO_TEXT = "its name is no text in UTF8"
# What COPY says where the name is that of something else by now.
_OTHERS = (psycopg.errors.UndefinedTable, psycopg.errors.UndefinedColumn, psycopg.errors.WrongObjectType)
Connect = Callable[[], AbstractContextManager[psycopg.Connection]]


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table with rows of its own: ordinary ones and partitions. ``file`` is its relfilenode."""

    oid: int
    schema: str
    name: str
    quoted: str
    file: int


@dataclass(frozen=True, kw_only=True)
class Counts:
    """Rows by quoted name, and why those of other tables are not known."""

    rows: dict[str, int] = field(default_factory=dict)
    problems: dict[str, str] = field(default_factory=dict)

    def warnings(self) -> Iterator[str]:
        """A sentence for each reason, with the tables that it concerns."""
        for problem in dict.fromkeys(self.problems.values()):
            names = [name for name, each in self.problems.items() if each == problem]
            yield f"The rows of {phrases.some(names)} were not counted: {problem}"


class Gone(Exception):
    """The exported snapshot can no longer be had."""


def rows(connection: psycopg.Connection, schema: str, name: str) -> int:
    """The rows of a table without those of its children. Raises psycopg.Error.

    By COPY of the narrowest column, as pg_dump reads: it refuses what is no table, and plans nothing. A query
    runs code of the table's owner with our rights, where its name has become that of a view by then, or when
    planning evaluates expressions of indexes and statistics.
    """
    found = connection.execute(_NARROWEST, (schema, name)).fetchone()
    column = sql.SQL("({})").format(Identifier(found[0])) if found else sql.SQL("")
    cursor = connection.cursor()
    with cursor.copy(_COPY.format(Identifier(schema, name), column)) as copy:
        for _ in copy:
            pass
    return cursor.rowcount


def rows_by_query(connection: psycopg.Connection, schema: str, name: str) -> int:
    """The same, many times as fast, where nobody else gets in. Raises psycopg.Error.

    The owners' code ran with our rights already, when what it is in was restored. Where it keeps the table
    from being planned, as a function that needs a search_path does, COPY counts it.
    """
    try:
        row = connection.execute(_COUNT.format(Identifier(schema, name))).fetchone()
    except psycopg.OperationalError:
        raise
    except psycopg.Error:
        return rows(connection, schema, name)
    return int(row[0]) if row else 0


_COUNT = sql.SQL("select count(*) from only {}")
_COPY = sql.SQL("copy {} {} to stdout")
_NARROWEST = """
    select a.attname from pg_catalog.pg_attribute a
    join pg_catalog.pg_class c on c.oid = a.attrelid
    join pg_catalog.pg_namespace n on n.oid = c.relnamespace
    where n.nspname = %s and c.relname = %s and a.attnum > 0 and not a.attisdropped and a.attgenerated = ''
    order by a.attlen < 0, a.attlen, a.attnum limit 1"""


class Counter:
    """Counts tables in sessions that import the snapshot, beside the dump: a core that it leaves idle."""

    def __init__(self, connect: Connect, snapshot: str, tables: Sequence[Table]) -> None:
        self._connect, self._snapshot, self._left = connect, snapshot, list(reversed(tables))
        self._counts = Counts()
        self._connection: psycopg.Connection | None = None
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="counting", daemon=True)
        self._thread.start()

    def finish(self) -> Counts:
        """Wait for the last table."""
        self._thread.join()
        return self._counts

    def stop(self) -> None:
        """End the counting; where PostgreSQL does not answer, by hanging up."""
        self._stopping = True
        connection = self._connection
        if connection is not None and self._thread.is_alive():
            with contextlib.suppress(psycopg.Error):
                connection.cancel_safe(timeout=5)
            self._thread.join(timeout=5)
            if self._thread.is_alive():
                sessions.hang_up(connection)
        self._thread.join()

    def _run(self) -> None:
        problem = ""
        try:
            for _ in range(MOST_SESSIONS):
                problem = self._session()
                if not self._left or self._stopping:
                    return
        except Exception as error:
            problem = errors.one_line(error)
        self._counts.problems.update({table.quoted: problem for table in reversed(self._left)})

    def _session(self) -> str:
        """Count in one session until all is counted, or until it is lost, which the answer explains."""
        with self._connect() as self._connection:
            self._connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
            self._connection.read_only = True
            while self._left and not self._stopping:
                some = self._left[-TOGETHER:]
                if self._together(self._connection, some):
                    del self._left[-TOGETHER:]
                elif problem := self._apart(self._connection, len(some)):
                    return problem
        return ""

    def _together(self, connection: psycopg.Connection, tables: Sequence[Table]) -> bool:
        """Count tables in one transaction. Returns whether it could be done; it is not told why not."""
        if not all(shared_names.is_text(connection, table.quoted) for table in tables):
            return False
        try:
            with self._shared(connection):
                found = [rows(connection, table.schema, table.name) for table in tables]
                files = connection.execute(_FILES, ([table.quoted for table in tables],)).fetchall()
        except psycopg.Error:
            return False
        for table, count, (file,) in zip(tables, found, files, strict=True):
            self._keep(table, count, file)
        return True

    def _apart(self, connection: psycopg.Connection, count: int) -> str:
        """Count the last tables one by one. Returns why the session was lost, if it was."""
        for _ in range(count):
            if self._stopping:
                break
            table = self._left[-1]
            problem = self._one(connection, table)
            if connection.closed:
                return problem
            self._left.pop()
            if problem:
                self._counts.problems[table.quoted] = problem
        return ""

    def _one(self, connection: psycopg.Connection, table: Table) -> str:
        if not shared_names.is_text(connection, table.quoted):
            return _NO_TEXT
        try:
            with self._shared(connection):
                count = rows(connection, table.schema, table.name)
                ((file,),) = connection.execute(_FILES, ([table.quoted],)).fetchall()
        except _OTHERS:
            return _CHANGED
        except psycopg.Error as error:
            return errors.one_line(error)
        self._keep(table, count, file)
        return ""

    @contextlib.contextmanager
    def _shared(self, connection: psycopg.Connection) -> Iterator[None]:
        """A transaction in the snapshot of the dump. Raises Gone, psycopg.Error."""
        with connection.transaction():
            try:
                connection.execute(sql.SQL("set transaction snapshot {}").format(sql.Literal(self._snapshot)))
            except psycopg.Error as error:
                if connection.closed:
                    raise
                raise Gone(f"the snapshot is gone: {errors.one_line(error)}") from error
            yield

    def _keep(self, table: Table, count: int, file: int | None) -> None:
        if file == table.file:
            self._counts.rows[table.quoted] = count
        else:
            self._counts.problems[table.quoted] = _CHANGED


# By the name, and not of the snapshot, but of the tables that were just locked.
_FILES = """select pg_catalog.pg_relation_filenode(pg_catalog.to_regclass(name))::int8
            from pg_catalog.unnest(%s::text[]) with ordinality as given (name, number) order by number"""
