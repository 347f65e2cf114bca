"""The server that is restored into: its databases, who is in them, and what can be done with them."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import LiteralString

import psycopg
from psycopg import sql
from psycopg.rows import class_row

from pgbackstop_catalog.config.server import Server
from pgbackstop_runner.postgres import sessions as postgres

# PostgreSQL cuts longer names off, silently: NAMEDATALEN is 64.
LONGEST_NAME = 63


@dataclass(frozen=True, kw_only=True)
class Database:
    """A database of the server. ``connections`` are those of others, now; ``is_invalid``: half dropped."""

    name: str
    oid: int
    owner: str
    size_bytes: int
    connections: int
    prepared: int
    subscriptions: int
    slots: int
    is_template: bool
    is_invalid: bool = False


@dataclass(frozen=True, kw_only=True)
class Session:
    """A session in a database that somebody must end."""

    pid: int
    user: str
    application: str
    address: str

    def __str__(self) -> str:
        who = " ".join(each for each in (self.user, self.application, self.address) if each)
        return f"process {self.pid} ({who or 'nameless'})"


def is_too_long(name: str) -> bool:
    """Whether PostgreSQL would cut the name off."""
    return len(name.encode(errors="surrogateescape")) > LONGEST_NAME


def name_beside(database: str, word: str, short_id: str) -> str:
    """``shop__restore_5f3a9c``; a long name loses its end, so that ours fits."""
    suffix = f"__{word}_{short_id}"
    kept = database.encode()[: LONGEST_NAME - len(suffix)].decode(errors="ignore")
    return kept + suffix


@contextlib.contextmanager
def connect(server: Server, *, away_from: tuple[str, ...] = ()) -> Iterator[psycopg.Connection]:
    """A connection from which databases are made and renamed: to none of those. Raises ServerUnreachable."""
    with postgres.connect(server, statement_timeout=0, away_from=away_from) as connection:
        yield connection


def find(connection: psycopg.Connection, name: str) -> Database | None:
    """The database of that name."""
    with connection.cursor(row_factory=class_row(Database)) as cursor:
        return cursor.execute(_DATABASE, (name,)).fetchone()


_DATABASE = """
    select d.datname as name, d.oid::int8, pg_get_userbyid(d.datdba) as owner,
           pg_database_size(d.oid) as size_bytes, d.datistemplate as is_template,
           d.datconnlimit = -2 as is_invalid,
           (select count(*) from pg_stat_activity a
             where a.datid = d.oid and a.backend_type = 'client backend') as connections,
           (select count(*) from pg_prepared_xacts p where p.database = d.datname) as prepared,
           (select count(*) from pg_subscription s where s.subdbid = d.oid) as subscriptions,
           (select count(*) from pg_replication_slots s where s.database = d.datname) as slots
    from pg_database d where d.datname = %s"""


def is_being_changed(connection: psycopg.Connection, database: Database) -> bool:
    """Whether a session drops or renames it just now: that is what takes this lock."""
    row = connection.execute(
        """select exists (select from pg_locks where locktype = 'object' and mode = 'AccessExclusiveLock'
           and classid = 'pg_database'::regclass and objid = %s)""",
        (database.oid,),
    ).fetchone()
    return row is not None and bool(row[0])


def databases(connection: psycopg.Connection) -> tuple[str, ...]:
    """All databases."""
    return tuple(name for (name,) in connection.execute("select datname from pg_database order by 1"))


def superusers(connection: psycopg.Connection) -> frozenset[str]:
    """The roles whom nothing is refused."""
    return _stored(connection, "select rolname from pg_roles where rolsuper")


def current_role(connection: psycopg.Connection) -> str:
    """The role that the session acts as."""
    row = connection.execute("select current_user").fetchone()
    return str(row[0]) if row else ""


def owners_of_code(connection: psycopg.Connection) -> frozenset[str]:
    """The owners of functions and domains in the session's database."""
    return _stored(
        connection,
        """select pg_get_userbyid(owner) from (
             select proowner from pg_proc union select typowner from pg_type where typtype = 'd') o(owner)""",
    )


def lacking_roles(connection: psycopg.Connection, wanted: Iterable[str]) -> frozenset[str]:
    """Those of the roles that the server does not have."""
    return frozenset(wanted) - _stored(connection, "select rolname from pg_roles")


def may_not_act_for(connection: psycopg.Connection, owners: Collection[str]) -> tuple[str, ...]:
    """Those of the owners for whom the role may not act, quoted."""
    with as_stored(connection):
        return tuple(str(quoted) for name, quoted in connection.execute(_NOT_FOR) if name in owners)


# Until 15 who is a member may set a role; since 16 that is a right of its own.
_NOT_FOR = """
    select rolname, quote_ident(rolname) from pg_roles where not pg_has_role(oid,
      case when current_setting('server_version_num')::int < 160000 then 'member' else 'set' end)
    order by 2"""


def as_stored(connection: psycopg.Connection) -> AbstractContextManager[None]:
    """Names of roles go to and from the server with the bytes that it keeps of them.

    All databases share these, whatever their encodings: a dump's statements give the same bytes.
    """
    return encoded(connection, connection.info.parameter_status("server_encoding") or "UTF8")


@contextlib.contextmanager
def encoded(connection: psycopg.Connection, encoding: str) -> Iterator[None]:
    """What is sent and answered has that encoding."""
    before = connection.info.parameter_status("client_encoding") or "UTF8"
    connection.execute("select set_config('client_encoding', %s, false)", (encoding,))
    try:
        yield
    finally:
        connection.execute("select set_config('client_encoding', %s, false)", (before,))


def _stored(connection: psycopg.Connection, query: LiteralString) -> frozenset[str]:
    with as_stored(connection):
        return frozenset(str(name) for (name,) in connection.execute(query))


def extensions(connection: psycopg.Connection) -> frozenset[str]:
    """The extensions that the server could create."""
    return frozenset(name for (name,) in connection.execute("select name from pg_available_extensions"))


def bound_extensions(connection: psycopg.Connection, names: Iterable[str]) -> dict[str, str]:
    """The extensions among them that only one database may have, and the name that it must have."""
    return {
        name: str(row[0])
        for name, setting in _BOUND_TO_A_NAME.items()
        if name in names
        and (
            row := connection.execute(
                "select coalesce(current_setting(%s, true), 'postgres')", (setting,)
            ).fetchone()
        )
    }


_BOUND_TO_A_NAME = {"pg_cron": "cron.database_name"}


def tablespaces(connection: psycopg.Connection) -> frozenset[str]:
    """All tablespaces."""
    return frozenset(name for (name,) in connection.execute("select spcname from pg_tablespace"))


def run(connection: psycopg.Connection, statement: LiteralString, *databases: str) -> None:
    """Run a statement whose ``{}`` are names of databases."""
    parts = [sql.Identifier(name) for name in databases]
    connection.execute(sql.SQL(statement).format(*parts))


def drop(connection: psycopg.Connection, name: str, *, timeout: float = 300.0) -> None:
    """Drop a database, ending who is in it; quiet when it is gone.

    PostgreSQL waits for every process of the server to notice, so a frozen one would hold it for ever:
    after ``timeout`` seconds it is given up with psycopg.errors.QueryCanceled, and may be repeated.
    """
    connection.execute(f"set statement_timeout = {round(timeout * 1000)}".encode())
    found = find(connection, name)
    if found is not None and found.is_template:
        run(connection, "alter database {} is_template false", name)
    run(connection, "drop database if exists {} with (force)", name)


def sessions(connection: psycopg.Connection, oids: list[int]) -> tuple[Session, ...]:
    """Who is in the databases of those OIDs, us excluded."""
    rows = connection.execute(
        """select pid, coalesce(usename, ''), coalesce(application_name, ''), coalesce(host(client_addr), '')
           from pg_stat_activity where datid = any(%s) and pid <> pg_backend_pid() order by pid""",
        (oids,),
    ).fetchall()
    return tuple(
        Session(pid=pid, user=user, application=application, address=address)
        for pid, user, application, address in rows
    )
