"""Talking to PostgreSQL: connections that cannot hang, and facts about a server and its databases."""

from __future__ import annotations

import contextlib
import os
import re
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, LiteralString

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from pgbackstop_catalog import conninfo, errors, restores
from pgbackstop_catalog.config.plan import Plan
from pgbackstop_catalog.config.server import Server
from pgbackstop_catalog.records import DatabaseFacts, Extension, Reason, ServerFacts, Tablespace
from pgbackstop_runner.failure import AttemptFailed, DatabaseRefused

APPLICATION_NAME = "pgbackstop"
# PostgreSQL 15 is the oldest version that its community still mends.
OLDEST_MAJOR = 15


@contextlib.contextmanager
def connect(
    server: Server, database: str | None = None, *, statement_timeout: float = 60.0
) -> Iterator[psycopg.Connection]:
    """A connection in autocommit, closed at the end. ``statement_timeout`` is seconds; 0 is none.

    Raises ServerUnreachable with PostgreSQL's reason.
    """
    keywords = conninfo.keywords(server, database=database, application_name=APPLICATION_NAME)
    target = make_conninfo("", **keywords)
    # jit: compiling costs more than it saves on counts and on questions to the system's tables.
    options = f"-c statement_timeout={round(statement_timeout * 1000)} -c lock_timeout=60000 -c search_path="
    options += " -c jit=off"
    try:
        connection = psycopg.connect(
            target, autocommit=True, password=conninfo.password(server), options=options
        )
    except psycopg.OperationalError as error:
        raise unreachable(server, database, error) from error
    # A session of ours must be found by the character set that records are written in.
    with contextlib.closing(connection):
        connection.execute("set client_encoding = 'UTF8'")
        yield connection


def hang_up(connection: psycopg.Connection) -> None:
    """Wake a thread that waits for an answer on this connection: it sees the connection lost."""
    with (
        contextlib.suppress(OSError, psycopg.Error),
        socket.socket(fileno=os.dup(connection.fileno())) as wire,
    ):
        wire.shutdown(socket.SHUT_RDWR)


def unreachable(server: Server, database: str | None, error: Exception) -> errors.ServerUnreachable:
    """The sentence for a server that does not let us in, from the words of libpq."""
    words = " ".join(str(error).split())
    where = f"{server.host}:{server.port}"
    name = database or server.maintenance_database
    for pattern, reason, problem, remedy in _REFUSALS:
        if re.search(pattern, words):
            sentence = problem.format(where=where, user=server.user, database=name)
            if reason is None:
                return errors.ServerUnreachable(sentence, remedy=remedy)
            return DatabaseRefused(reason, sentence, remedy=remedy)
    return errors.ServerUnreachable(
        f"PostgreSQL at {where} cannot be reached: {words}",
        remedy="Check that it runs and that host and port are right.",
    )


def broken(error: psycopg.Error) -> AttemptFailed:
    """The sentence for a statement of ours that PostgreSQL did not carry out, or did not answer."""
    words = " ".join(str(error).split())
    if isinstance(error, psycopg.errors.InsufficientPrivilege):
        remedy = "Grant the role what it lacks: see docs/how-to/create-the-role.md."
        return AttemptFailed(Reason.RIGHTS, f"PostgreSQL refuses: {words}.", remedy=remedy)
    remedy = "Look at PostgreSQL's log."
    if isinstance(error, psycopg.OperationalError):
        return AttemptFailed(Reason.UNREACHABLE, f"The connection was lost: {words}.", remedy=remedy)
    return AttemptFailed(Reason.TOOL, f"PostgreSQL answered with an error: {words}.", remedy=remedy)


_REFUSALS = (
    (
        r"password authentication failed|no password supplied|empty password",
        None,
        "PostgreSQL at {where} refuses the password of role {user}.",
        "Check user and password_file of the server.",
    ),
    (
        r"database \".*\" does not exist",
        Reason.CONFIGURATION,
        "There is no database {database!r} on the server at {where}.",
        "Correct databases of the plan, or maintenance_database of the server.",
    ),
    (
        r"permission denied for database",
        Reason.RIGHTS,
        "Role {user} may not connect to database {database!r} at {where}.",
        "Grant it: see docs/how-to/create-the-role.md; or list the database under exclude_databases.",
    ),
    (
        r"not currently accepting connections",
        Reason.CONFIGURATION,
        "Database {database!r} at {where} takes no connections.",
        "Run: alter database ... allow_connections true; or list it under exclude_databases.",
    ),
    (
        r"is not permitted to log in",
        None,
        "Role {user} may not log in at {where}.",
        "Run: alter role {user} login.",
    ),
    (
        r"too many clients|too many connections|remaining connection slots",
        None,
        "PostgreSQL at {where} has no free connection.",
        "Raise max_connections, or end sessions that are idle.",
    ),
    (
        r"the database system is",
        None,
        "PostgreSQL at {where} is starting, stopping or recovering.",
        "Wait until it is up, and look at its log.",
    ),
    (
        r"role \".*\" does not exist",
        None,
        "There is no role {user!r} on the server at {where}.",
        "Create it as docs/how-to/create-the-role.md shows, or correct user of the server.",
    ),
    (
        r"could not translate host name|Name or service not known|failed to resolve",
        None,
        "The host of {where} is unknown.",
        "Correct host of the server, or the name service of this machine.",
    ),
    (
        r"no pg_hba.conf entry",
        None,
        "PostgreSQL at {where} lets role {user} not into {database!r} from here.",
        "Add a line for it to pg_hba.conf and reload.",
    ),
    (
        r"Connection refused|No such file or directory",
        None,
        "Nothing answers at {where}.",
        "Check that PostgreSQL runs and that host and port of the server are right.",
    ),
    (
        r"timeout expired|timed out",
        None,
        "PostgreSQL at {where} does not answer in time.",
        "Check the network and the server; connect_timeout of the server sets the limit.",
    ),
)


@dataclass(frozen=True, kw_only=True)
class Rights:
    """What the role may do, as far as backups need to know."""

    superuser: bool
    replication: bool
    read_all_data: bool
    read_roles: bool
    bypass_rls: bool


def facts(connection: psycopg.Connection) -> ServerFacts:
    """Version, identity and tablespaces."""
    row = _row(
        connection,
        """select current_setting('server_version'), current_setting('server_version_num')::int,
                  (select system_identifier::text from pg_control_system()),
                  (select timeline_id from pg_control_checkpoint()),
                  (select bytes_per_wal_segment from pg_control_init()),
                  current_setting('data_checksums')::bool, version()""",
    )
    spaces = connection.execute(
        """select oid::int, spcname, pg_tablespace_location(oid) from pg_tablespace
           where spcname not in ('pg_default', 'pg_global') order by oid"""
    ).fetchall()
    return ServerFacts(
        version=str(row[0]),
        version_number=row[1],
        system_identifier=row[2],
        timeline=row[3],
        wal_segment_bytes=row[4],
        data_checksums=row[5],
        libc=str(row[6]),
        tablespaces=tuple(Tablespace(oid=oid, name=name, location=place) for oid, name, place in spaces),
    )


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


def databases(connection: psycopg.Connection, plan: Plan) -> tuple[str, ...]:
    """The databases that the plan means, in its order or by name.

    "all" is each that takes connections, but those that restores fill or have put aside.
    """
    if plan.databases != "all":
        return tuple(dict.fromkeys(name for name in plan.databases if name not in plan.exclude_databases))
    rows = connection.execute(
        "select datname from pg_database where datallowconn and not datistemplate order by datname"
    ).fetchall()
    return tuple(
        name for (name,) in rows if name not in plan.exclude_databases and not restores.is_beside(name)
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
