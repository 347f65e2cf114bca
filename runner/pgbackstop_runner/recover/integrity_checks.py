"""Whether a recovered server is sound: questions to every database of it. Row counts have no model here."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import psycopg
from psycopg import sql

from pgbackstop_catalog import errors
from pgbackstop_catalog.records.proof import CheckResult
from pgbackstop_runner.failures import AttemptFailed
from pgbackstop_runner.postgres import client_process, shared_names, tool_output, validity
from pgbackstop_runner.postgres.private_server import PrivateServer
from pgbackstop_runner.postgres.shared_names import Names
from pgbackstop_runner.system import phrases

_NOTHING_READ = "no relations to check"


def run(recovered: PrivateServer, *, thorough: bool, install: bool = False) -> tuple[CheckResult, ...]:
    """Indexes always; every page of every table by pg_amcheck where it is wanted and can be had.

    ``install`` creates the extension that it needs where it lacks: for a server that is thrown away.
    """
    try:
        results = [_indexes(recovered)]
    except psycopg.Error as error:
        results = [
            CheckResult(name="indexes", ok=False, detail=f"could not be asked: {errors.one_line(error)}")
        ]
    if thorough:
        results.append(_pages(recovered, install=install))
    return tuple(results)


def _databases(recovered: PrivateServer) -> Names:
    with contextlib.closing(recovered.connect()) as connection:
        return shared_names.of(
            connection, "select datname from pg_database where datallowconn and datconnlimit <> -2 order by 1"
        )


def _indexes(recovered: PrivateServer) -> CheckResult:
    """Whether pg_index can be read everywhere, and what it says.

    No recovery makes an index invalid: pg_index is replayed like any table, so one that is was so on the
    live server at that moment, by a CREATE INDEX CONCURRENTLY that failed or that ran.
    """
    databases, others = _databases(recovered)
    found = [f"{database}.{name}" for database in databases for name in _invalid(recovered, database)]
    note = f"; not valid, as at the source: {phrases.some(found)}" if found else ""
    passed = f", not in {phrases.some(others)}, whose name is no text there" if others else ""
    return CheckResult(name="indexes", ok=True, detail=f"asked in {len(databases)} databases{passed}{note}")


def _invalid(recovered: PrivateServer, database: str) -> Iterator[str]:
    with contextlib.closing(recovered.connect(database)) as connection:
        yield from validity.indexes(connection)


def _pages(recovered: PrivateServer, *, install: bool) -> CheckResult:
    """What pg_amcheck finds; where it could look, and where not."""
    if not recovered.programs.has("pg_amcheck"):
        return CheckResult(name="pages", ok=True, detail="not checked: there is no pg_amcheck")
    try:
        databases = _databases(recovered).said
        locked = [name for database in databases for name in _locked(recovered, database)]
        if install:
            for database in databases:
                _let_install(recovered, database)
    except psycopg.Error as error:
        return CheckResult(name="pages", ok=False, detail=f"could not be asked: {errors.one_line(error)}")
    result = _amcheck(recovered, install=install, without=locked)
    if not locked:
        return result
    names = phrases.some(locked)
    left_out = f"without {names}, which a prepared transaction (or the replay) locks"
    return result.evolve(detail=f"{result.detail}; {left_out}")


def _locked(recovered: PrivateServer, database: str) -> Iterator[str]:
    """Relations that nobody can read until a person ends a transaction: waiting for them is for ever."""
    with contextlib.closing(recovered.connect(database)) as connection:
        rows = connection.execute(
            """select distinct quote_ident(current_database()) || '.' || quote_ident(n.nspname) || '.' ||
                      quote_ident(c.relname)
               from pg_locks l join pg_class c on c.oid = l.relation
               join pg_namespace n on n.oid = c.relnamespace
               join pg_database d on d.datname = current_database() and d.oid = l.database
               where l.mode = 'AccessExclusiveLock' and l.granted and (l.pid is null or pg_is_in_recovery())
               order by 1"""
        ).fetchall()
    yield from (name for (name,) in rows)


def _let_install(recovered: PrivateServer, database: str) -> None:
    """Disable event triggers, which may forbid CREATE EXTENSION; before 17 no session can leave them out."""
    with contextlib.closing(recovered.connect(database)) as connection:
        rows = connection.execute("select evtname from pg_event_trigger where evtenabled <> 'D'").fetchall()
        for (name,) in rows:
            connection.execute(sql.SQL("alter event trigger {} disable").format(sql.Identifier(name)))


def _amcheck(recovered: PrivateServer, *, install: bool, without: list[str]) -> CheckResult:
    """pg_amcheck passes over databases without the extension amcheck; its output has what is corrupt.

    That some were passed over says nothing of the others.
    """
    argv = [
        recovered.programs.path("pg_amcheck"),
        "--all",
        "--heapallindexed",
        *(["--install-missing"] if install else []),
        *(f"--exclude-relation={name}" for name in without),
        f"--maintenance-db={recovered.connection_string}",
    ]
    corrupt: list[str] = []
    try:
        with client_process.start(
            "pg_amcheck", argv, pipe_output=True, cell=recovered.programs.cell()
        ) as tool:
            for line in tool_output.lines(tool):
                if len(corrupt) < phrases.SHOWN:
                    corrupt.append(errors.one_line(line.decode(errors="replace")))
            said = tool.finish()
    except AttemptFailed as error:
        if corrupt:
            return CheckResult(name="pages", ok=False, detail=" / ".join(corrupt))
        none = _NOTHING_READ in error.problem
        detail = "not checked: no database has the extension amcheck" if none else error.problem
        return CheckResult(name="pages", ok=none, detail=detail)
    skipped = " where the extension amcheck is installed" if "not installed" in said else ""
    return CheckResult(name="pages", ok=True, detail=f"pg_amcheck found nothing{skipped}")
