"""A PostgreSQL server as a source: one connection, kept, with every timeout below the scrape's."""

from __future__ import annotations

import asyncio
import contextlib
import time
from functools import partial
from typing import Any, Final

import psycopg
from psycopg.conninfo import make_conninfo
from psycopg.types.string import TextLoader

from pgbackstop_catalog import errors, refusal_state
from pgbackstop_catalog.config import conninfo, maintenance
from pgbackstop_catalog.config.plan import PROVIDERS_OWN
from pgbackstop_catalog.config.server import Server
from pgbackstop_catalog.records import restore
from pgbackstop_exporter import threads, unreachable
from pgbackstop_exporter.snapshot import ServerHealth
from pgbackstop_exporter.unreachable import Unreachable

APPLICATION_NAME: Final = "pgbackstop-exporter"
# Prometheus gives a scrape 10 s by default; a read that takes longer than this tells of a sick server.
TIMEOUT_SECONDS: Final = 5.0
_CONNECT_SECONDS: Final = "3"
_PASSWORD_SECONDS: Final = 4.0  # below the limit of all, so that it is the command that is named
_OPTIONS: Final = (
    "-c search_path= -c default_transaction_read_only=on -c statement_timeout=3000 -c lock_timeout=1000"
)
_WAL: Final = """
    select (case when pg_is_in_recovery() then pg_last_wal_receive_lsn() else pg_current_wal_lsn() end
            - '0/0')::bigint"""
_SLOT: Final = """
    select active, ((case when pg_is_in_recovery() then pg_last_wal_receive_lsn()
                          else pg_current_wal_lsn() end) - restart_lsn)::bigint
      from pg_replication_slots where slot_name = %s and slot_type = 'physical'"""
_ARCHIVER: Final = """
    select coalesce(extract(epoch from last_archived_time), 0)::float8,
           coalesce(extract(epoch from last_failed_time), 0)::float8
      from pg_stat_archiver"""
_MAY_LIST: Final = "select has_function_privilege('pg_ls_archive_statusdir()', 'execute')"
_READY: Final = r"select count(*) from pg_ls_archive_statusdir() where name like '%.ready'"
_DATABASES: Final = """
    select datname from pg_database where datallowconn and not datistemplate and datconnlimit <> -2"""

_CLOCK: Final = "select extract(epoch from clock_timestamp())::float8"


class _Names(TextLoader):
    """Names of databases as the runner tells them: what is no text in this one, with its bytes."""

    def load(self, data: Any) -> str:
        return bytes(data).decode(errors="backslashreplace")


Connection = psycopg.AsyncConnection[tuple[Any, ...]]


class PostgresSource:
    """Asks one server. For one task at a time."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._connection: Connection | None = None
        self._first_seen: dict[str, float] = {}

    async def read(self) -> ServerHealth:
        """What the server says now. Raises Unreachable or ConfigError; the next call connects anew."""
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                return await self._ask(await self._connected())
        except TimeoutError as error:
            await self.close()
            raise self._unreachable(f"no answer within {TIMEOUT_SECONDS:g} s", unreachable.LATE) from error
        except psycopg.Error as error:
            await self.close()
            raise self._unreachable(str(error).strip(), await self._reason(error)) from error
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """Give the connection up, whatever its state."""
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()

    async def _connected(self) -> Connection:
        if self._connection is None or self._connection.closed:
            self._connection = await self._connect()
        return self._connection

    async def _connect(self) -> Connection:
        """To the maintenance database, or to the next that exists: the template can tell."""
        try:
            return await self._open(None)
        except psycopg.OperationalError as error:
            if not maintenance.is_missing(self._server.maintenance_database, str(error)):
                raise
        async with await self._open(maintenance.TEMPLATE) as template:
            rows = await (await template.execute(maintenance.DATABASES)).fetchall()
        return await self._open(maintenance.another(str(name) for (name,) in rows))

    async def _open(self, database: str | None) -> Connection:
        keywords = await self._keywords(database)
        connection = await psycopg.AsyncConnection.connect(**keywords, autocommit=True)
        connection.adapters.register_loader("name", _Names)
        if connection.info.parameter_status("server_encoding") == "SQL_ASCII":
            await connection.execute("set client_encoding to 'SQL_ASCII'")  # which has any bytes
        return connection

    async def _keywords(self, database: str | None) -> dict[str, Any]:
        return {
            **conninfo.with_required_methods(
                conninfo.keywords(self._server, database=database, application_name=APPLICATION_NAME),
                psycopg.pq.version(),
            ),
            "password": await threads.run(self._password, name="password"),
            "connect_timeout": _CONNECT_SECONDS,
            # From the first byte on: who owns the database may have put functions into its search_path.
            "options": _OPTIONS,
            "client_encoding": "UTF8",
        }

    def _password(self) -> str | None:
        return conninfo.password(self._server, seconds=_PASSWORD_SECONDS)

    async def _ask(self, connection: Connection) -> ServerHealth:
        lsn = await _row(connection, _WAL)
        slot = await _row(connection, _SLOT, self._server.wal.slot)
        archiver = await _row(connection, _ARCHIVER)
        may_list = await _row(connection, _MAY_LIST)
        ready = await _row(connection, _READY) if may_list and may_list[0] else None
        databases = await (await connection.execute(_DATABASES)).fetchall()
        return ServerHealth(
            lsn=lsn[0] if lsn else None,
            databases=self._seen(
                {str(name) for (name,) in databases if not restore.is_beside(str(name))} - PROVIDERS_OWN
            ),
            slot_active=bool(slot and slot[0]),
            slot_retained=slot[1] if slot else None,
            ready_segments=ready[0] if ready else None,
            last_archived=archiver[0] if archiver else 0.0,
            last_failed=archiver[1] if archiver else 0.0,
            clock_offset=await _clock_offset(connection),
        )

    def _seen(self, names: set[str]) -> dict[str, float]:
        now = time.time()
        self._first_seen = {name: self._first_seen.get(name, now) for name in sorted(names)}
        return self._first_seen

    async def _reason(self, error: psycopg.Error) -> str:
        """By SQLSTATE, by what libpq says, or by the SQLSTATE of another attempt."""
        if found := unreachable.of_state(error.sqlstate) or unreachable.of_words(str(error)):
            return found
        state = None
        if refusal_state.is_answer(str(error)):
            with contextlib.suppress(errors.PgbackstopError):  # password_command may have less luck now
                target = make_conninfo(**await self._keywords(None))
                ask = partial(refusal_state.ask, target, seconds=float(_CONNECT_SECONDS))
                state = await threads.run(ask, name="refusal")
        return unreachable.of_state(state) or unreachable.OTHER

    def _unreachable(self, why: str, reason: str) -> Unreachable:
        return Unreachable(
            f"PostgreSQL at {self._server.address} did not answer: {errors.one_line(why).rstrip('.?')}.",
            reason=reason,
            remedy="Check that it runs, and host, port, role and password in the configuration.",
        )


async def _clock_offset(connection: Connection) -> float | None:
    """Seconds that the server's clock is ahead of ours: half of the time that the answer took is its way."""
    before = time.time()
    row = await _row(connection, _CLOCK)
    return round(row[0] - (before + time.time()) / 2, 1) if row else None


async def _row(connection: Connection, query: str, *parameters: str) -> tuple[Any, ...] | None:
    # Any of our queries is a constant of this module; psycopg's type for it asks for a literal.
    cursor = await connection.execute(query.encode(), parameters or None)
    return await cursor.fetchone()
