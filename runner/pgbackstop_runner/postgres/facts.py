"""Facts about a server and its databases, asked in a session of ours."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, LiteralString

import psycopg
from psycopg import errors as pg
from psycopg import sql

from pgbackstop_catalog.records.source import DatabaseFacts, Extension, ServerFacts, Tablespace
from pgbackstop_runner.postgres import clock, loaded_libraries


@dataclass(frozen=True, kw_only=True)
class Rights:
    """What the role may do, as far as backups need to know."""

    superuser: bool
    replication: bool
    read_all_data: bool
    read_roles: bool
    bypass_rls: bool


def facts(connection: psycopg.Connection) -> ServerFacts:
    """Version, identity, clock, tablespaces and preloaded libraries, as far as the role may know."""
    row = _row(
        connection,
        """select current_setting('server_version'), current_setting('server_version_num')::int,
                  current_setting('data_checksums')::bool, version(),
                  (select setting from pg_settings where name = 'shared_preload_libraries')""",
    )
    identifier, timeline, segment_bytes = _control(connection)
    spaces = connection.execute(
        """select oid::int, spcname, pg_tablespace_location(oid) from pg_tablespace
           where spcname not in ('pg_default', 'pg_global') order by oid"""
    ).fetchall()
    return ServerFacts(
        version=str(row[0]),
        version_number=row[1],
        system_identifier=identifier,
        timeline=timeline,
        wal_segment_bytes=segment_bytes,
        data_checksums=row[2],
        libc=str(row[3]),
        tablespaces=tuple(Tablespace(oid=oid, name=name, location=place) for oid, name, place in spaces),
        clock_offset_seconds=clock.offset(connection),
        preload_libraries=loaded_libraries.named(row[4] or ""),
    )


def system_identifier(connection: psycopg.Connection) -> str:
    """What the server was given by initdb; empty where a provider lets nobody ask."""
    return _control(connection)[0]


def _control(connection: psycopg.Connection) -> tuple[str, int | None, int | None]:
    """System identifier, timeline and bytes of a segment; unknown where a provider lets nobody ask."""
    try:
        row = _row(connection, _CONTROL)
    except (pg.InsufficientPrivilege, pg.FeatureNotSupported):
        return "", None, None
    return str(row[0]), row[1], row[2]


_CONTROL = """
    select (select system_identifier::text from pg_control_system()),
           case when pg_is_in_recovery() then (select timeline_id from pg_control_checkpoint())
                else ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::bigint end,
           (select bytes_per_wal_segment from pg_control_init())"""


def major(connection: psycopg.Connection) -> int:
    """17 for any 17.x."""
    return connection.info.server_version // 10000


def rights(connection: psycopg.Connection) -> Rights:
    """The role's rights."""
    row = _row(
        connection,
        """select rolsuper, rolreplication, rolbypassrls,
                  pg_has_role(current_user, 'pg_read_all_data', 'usage'),
                  has_table_privilege('pg_catalog.pg_authid', 'select')
           from pg_roles where rolname = current_user""",
    )
    superuser = bool(row[0])
    return Rights(
        superuser=superuser,
        replication=superuser or row[1],
        bypass_rls=superuser or row[2],
        read_all_data=superuser or row[3],
        read_roles=superuser or row[4],
    )


def database_facts(connection: psycopg.Connection) -> DatabaseFacts:
    """Encoding, collation, owner and extensions of the database that is connected to."""
    version = major(connection)
    provider = "case datlocprovider when 'c' then 'libc' when 'i' then 'icu' when 'b' then 'builtin' end"
    # 17 renamed daticulocale: https://www.postgresql.org/docs/17/catalog-pg-database.html
    locale = "datlocale" if version >= 17 else "daticulocale"
    row = _row(
        connection,
        sql.SQL(
            """select pg_encoding_to_char(encoding), datcollate, datctype, {provider}, {locale},
                      datcollversion, pg_get_userbyid(datdba)
               from pg_database where datname = current_database()"""
        ).format(provider=sql.SQL(provider), locale=sql.SQL(locale)),
    )
    extensions = connection.execute(
        "select extname, extversion from pg_extension order by extname"
    ).fetchall()
    return DatabaseFacts(
        encoding=row[0],
        collate=row[1],
        ctype=row[2],
        locale_provider=row[3],
        locale=row[4] or "",
        collation_version=row[5] or "",
        owner=row[6],
        extensions=tuple(Extension(name=name, version=number) for name, number in extensions),
    )


def database_size(connection: psycopg.Connection) -> int:
    """Bytes of the database that is connected to."""
    return int(_row(connection, "select pg_database_size(current_database())")[0])


def server_size(connection: psycopg.Connection) -> int:
    """Bytes of all databases together, as far as the role may know."""
    return int(_row(connection, _SERVER_SIZE)[0])


# Of a database that the role may not connect to, PostgreSQL does not tell it the size.
_SERVER_SIZE = """
    select coalesce(sum(pg_database_size(oid)), 0)::bigint from pg_database
    where has_database_privilege(oid, 'connect') or pg_has_role('pg_read_all_stats', 'usage')"""


def setting(connection: psycopg.Connection, name: str, *, default: str) -> str:
    """A setting of the server; ``default`` where its version does not know it."""
    value = _row(connection, sql.SQL("select current_setting({}, true)").format(sql.Literal(name)))[0]
    return default if value is None else str(value)


def _row(connection: psycopg.Connection, query: LiteralString | sql.Composed) -> tuple[Any, ...]:
    row = connection.execute(query).fetchone()
    assert row is not None  # noqa: S101 - each of these queries gives one row
    return row
