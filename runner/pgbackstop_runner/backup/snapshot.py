"""A snapshot that pg_dump and the exact row counts share, and the tables that a dump must contain."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

import psycopg
from psycopg import sql

from pgbackstop_catalog.config.server import Server
from pgbackstop_runner.postgres import sessions

# Tables of extensions are made by CREATE EXTENSION; pg_dump has their rows only where the extension says so.
_TABLES = """
    select c.oid::int8, n.nspname, c.relname, quote_ident(n.nspname) || '.' || quote_ident(c.relname)
    from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where c.relkind = 'r' and c.relpersistence <> 't'
      and n.nspname <> 'information_schema' and n.nspname !~ '^pg_'
      and not exists (select from pg_depend d
                      where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype = 'e')
      and not exists (select from pg_depend d
                      where d.classid = 'pg_namespace'::regclass and d.objid = n.oid and d.deptype = 'e')
    order by 2, 3"""


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table with rows of its own: ordinary ones and partitions."""

    oid: int
    schema: str
    name: str
    quoted: str


@dataclass
class Snapshot:
    """An exported snapshot; it lives as long as its connection is in the transaction."""

    connection: psycopg.Connection
    name: str
    tables: tuple[Table, ...]
    counts: dict[str, int] = field(default_factory=dict)
    problem: str = ""
    thread: threading.Thread | None = None

    def start_counting(self) -> None:
        """Count every table's rows beside the dump: a core that pg_dump leaves idle does it for nothing."""
        self.thread = threading.Thread(target=self._count, name="counting", daemon=True)
        self.thread.start()

    def finish_counting(self) -> dict[str, int] | None:
        """Rows by quoted name; None where counting failed, which ``problem`` explains."""
        if self.thread is None:
            return None
        self.thread.join()
        return None if self.problem else self.counts

    def _count(self) -> None:
        try:
            for table in self.tables:
                query = sql.SQL("select count(*) from only {}").format(
                    sql.Identifier(table.schema, table.name)
                )
                row = self.connection.execute(query).fetchone()
                self.counts[table.quoted] = row[0] if row else 0
        except psycopg.Error as error:
            self.problem = " ".join(str(error).split())


def _stop(connection: psycopg.Connection, thread: threading.Thread) -> None:
    """End the counting; where PostgreSQL does not answer, by hanging up."""
    with contextlib.suppress(psycopg.Error):
        connection.cancel_safe(timeout=5)
    thread.join(timeout=5)
    if thread.is_alive():
        sessions.hang_up(connection)
        thread.join()


@contextlib.contextmanager
def exported(server: Server, database: str, *, lock_timeout: float) -> Iterator[Snapshot]:
    """Open the snapshot. Raises ServerUnreachable."""
    with sessions.connect(server, database, statement_timeout=0) as connection:
        connection.execute("begin isolation level repeatable read read only")
        connection.execute(
            sql.SQL("set local lock_timeout = {}").format(sql.Literal(f"{round(lock_timeout * 1000)}ms"))
        )
        # Counting what row security hides would be worse than an error: https://www.postgresql.org/docs/current/ddl-rowsecurity.html
        connection.execute("set local row_security = off")
        # One core is enough for counting beside a dump, which would wait for the others.
        connection.execute("set local max_parallel_workers_per_gather = 0")
        row = connection.execute("select pg_catalog.pg_export_snapshot()").fetchone()
        tables = tuple(
            Table(oid=oid, schema=schema, name=name, quoted=quoted)
            for oid, schema, name, quoted in connection.execute(_TABLES)
        )
        snapshot = Snapshot(connection=connection, name=row[0] if row else "", tables=tables)
        try:
            yield snapshot
        finally:
            if snapshot.thread is not None and snapshot.thread.is_alive():
                _stop(connection, snapshot.thread)
