"""A snapshot that pg_dump and the exact row counts share, and the tables that a dump must contain."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

import psycopg
from psycopg import sql

from pgbackstop_catalog import errors
from pgbackstop_catalog.config.plan import Plan
from pgbackstop_catalog.config.server import Server
from pgbackstop_catalog.records.attempt import Reason
from pgbackstop_runner.failures import AttemptFailed
from pgbackstop_runner.postgres import error_messages, left_out, sessions, validity
from pgbackstop_runner.postgres.left_out import LeftOut
from pgbackstop_runner.postgres.row_counts import Counter, Counts, Table

# By hash: a name may be no text in this database.
_ROLES = "select oid::text || ' ' || pg_catalog.hashname(rolname) from pg_catalog.pg_roles"
# Tables of extensions are made by CREATE EXTENSION; pg_dump has their rows only where the extension says so
# (see postgres/undumped.py), and of unlogged ones a standby has none. Others in a schema of an extension are
# dumped like any table.
_TABLES = """
    select c.oid::int8, n.nspname, c.relname, quote_ident(n.nspname) || '.' || quote_ident(c.relname),
           c.relfilenode::int8
    from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where c.relkind = 'r' and c.relpersistence <> 't'
      and not (c.relpersistence = 'u' and pg_catalog.pg_is_in_recovery())
      and n.nspname <> 'information_schema' and n.nspname !~ '^pg_'
      and not exists (select from pg_depend d
                      where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype = 'e')
    order by 2, 3"""


@dataclass(kw_only=True)
class Snapshot:
    """An exported snapshot. It lives as long as the session that exported it, which does nothing else."""

    server: Server
    database: str
    lock_timeout: float
    name: str
    tables: tuple[Table, ...]
    roles: frozenset[str]  # what tells each from any other
    not_valid: tuple[tuple[str, str], ...]
    invalid_indexes: tuple[str, ...]
    left_out: LeftOut
    counter: Counter | None = None

    def start_counting(self) -> None:
        """Count every table's rows beside the dump, unless that has begun."""
        if self.counter is None:
            self.counter = Counter(self._session, self.name, self.tables)

    def counts(self) -> Counts:
        """The rows of every table, once they are counted."""
        self.start_counting()
        assert self.counter is not None  # noqa: S101 - just started
        return self.counter.finish()

    @contextlib.contextmanager
    def _session(self) -> Iterator[psycopg.Connection]:
        with sessions.connect(self.server, self.database, statement_timeout=0) as connection:
            wait = sql.Literal(f"{round(self.lock_timeout * 1000)}ms")
            connection.execute(sql.SQL("set lock_timeout = {}").format(wait))
            # COPY of what row security hides would be a query, which runs policies, and counts too little: https://www.postgresql.org/docs/current/ddl-rowsecurity.html
            connection.execute("set row_security = off")
            yield connection


@contextlib.contextmanager
def exported(server: Server, database: str, plan: Plan) -> Iterator[Snapshot]:
    """Open the snapshot. Raises ServerUnreachable; AttemptFailed where it was lost meanwhile."""
    with sessions.connect(server, database, statement_timeout=0) as connection:
        connection.execute("begin isolation level repeatable read read only")
        row = connection.execute("select pg_catalog.pg_export_snapshot()").fetchone()
        omitted = left_out.of(connection, plan)
        without_rows = omitted.oids
        tables = tuple(
            Table(oid=oid, schema=schema, name=name, quoted=quoted, file=file)
            for oid, schema, name, quoted, file in connection.execute(_TABLES)
            if oid not in without_rows
        )
        snapshot = Snapshot(
            server=server,
            database=database,
            lock_timeout=plan.lock_timeout,
            name=row[0] if row else "",
            tables=tables,
            roles=frozenset(str(role) for (role,) in connection.execute(_ROLES)),
            not_valid=tuple(validity.constraints(connection)),
            invalid_indexes=tuple(validity.indexes(connection)),
            left_out=omitted,
        )
        try:
            yield snapshot
        except AttemptFailed as error:
            # Another reason is told as it is, and the network that it speaks of may keep an answer from us.
            if error.reason is Reason.TOOL and (lost := _lost(connection)) is not None:
                raise lost from error
            raise
        finally:
            if snapshot.counter is not None:
                snapshot.counter.stop()


def _lost(connection: psycopg.Connection) -> AttemptFailed | None:
    """Why the session that held the snapshot is over, where it is: of a tool that then finds none."""
    try:
        connection.execute("select")
    except psycopg.Error as error:
        reason, remedy = error_messages.diagnosis(str(error))
        problem = f"The session that held the dump's snapshot ended: {errors.one_line(error)}."
        return AttemptFailed(reason, problem, remedy=remedy)
    return None
