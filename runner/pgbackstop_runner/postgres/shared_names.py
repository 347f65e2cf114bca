"""Names of roles and databases: all databases of a server share them, whatever encoding each of them has.

PostgreSQL keeps the bytes that the name had where it was given, and not their encoding. What was given in a
database of LATIN1 is no text in one of UTF8: nobody can say it there, and PostgreSQL's tools cannot ask for
it.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

import psycopg
from psycopg import sql
from psycopg.abc import AdaptContext
from psycopg.types.string import TextLoader

from pgbackstop_catalog.records.attempt import Reason
from pgbackstop_runner.failures import AttemptFailed

RENAME = "Rename it in a database of the encoding in which it was made"
_ROLES = "select rolname from pg_catalog.pg_roles"
_NAMES = """
    select pg_catalog.string_agg(name, '') from (
        select nspname::text as name from pg_catalog.pg_namespace
        union all select relname from pg_catalog.pg_class
        union all select attname from pg_catalog.pg_attribute
        union all select conname from pg_catalog.pg_constraint
        union all select rolname from pg_catalog.pg_roles
        union all select datname from pg_catalog.pg_database
    ) as each_name where name ~ '[^ -~]'"""
_OF_SINGLE_BYTES = """
    select datname from pg_catalog.pg_database
    where datallowconn and datconnlimit not in (-2, 0) and pg_catalog.pg_encoding_max_length(encoding) = 1
      and pg_catalog.has_database_privilege(oid, 'connect')
    order by encoding = pg_catalog.pg_char_to_encoding('SQL_ASCII'), datistemplate, datname"""


def told(raw: bytes) -> str:
    """A name as sessions of ours read it: what is no text with its bytes, ``gr\\xf6\\xdfe``."""
    return raw.decode(errors="backslashreplace")


class Identifier(sql.Composable):
    """A quoted name, or several with dots between them, in the bytes that the session read of it.

    psycopg's own refuses what is not ASCII where a session has no encoding, as ``let_pass`` makes it.
    """

    def __init__(self, *names: str) -> None:
        super().__init__(names)

    def as_bytes(self, context: AdaptContext | None = None) -> bytes:
        """As psycopg's own."""
        connection = context.connection if context else None
        encoding = connection.info.encoding if connection else "utf-8"
        return b".".join(b'"' + _sent(each, encoding).replace(b'"', b'""') + b'"' for each in self._obj)


_BYTE = re.compile(rb"\\x([89a-f][0-9a-f])")


def is_text(connection: psycopg.Connection, name: str) -> bool:
    """Whether a name that the session read is told as it is."""
    return connection.info.encoding != _NONE or _BYTE.search(name.encode()) is None


def _sent(name: str, encoding: str) -> bytes:
    if encoding != _NONE:
        return name.encode(encoding)
    return _BYTE.sub(lambda match: bytes([int(match[1], 16)]), name.encode())


_NONE = "ascii"  # psycopg's word for SQL_ASCII


class _Loader(TextLoader):
    def load(self, data: Any) -> str:
        return told(bytes(data))


class Names(NamedTuple):
    """``said`` are those that are text, ``others`` are told with their bytes: ``gr\\xf6\\xdfe``."""

    said: tuple[str, ...]
    others: tuple[str, ...]


def let_pass(connection: psycopg.Connection) -> None:
    """Read what is no text as ``Names.others`` are, where psycopg would raise UnicodeDecodeError.

    A database of SQL_ASCII has any bytes, and refuses to say in UTF8 what is none; then we are told all as it
    is, which has its price: psycopg sends no identifier that is not ASCII in that encoding.
    """
    if connection.info.parameter_status("server_encoding") == "SQL_ASCII":
        try:
            connection.execute(_NAMES)
        except psycopg.errors.CharacterNotInRepertoire:
            connection.execute("set client_encoding to 'SQL_ASCII'")
    for kind in (0, "text", "name", "varchar"):  # 0: every type that psycopg does not know
        connection.adapters.register_loader(kind, _Loader)


def of(connection: psycopg.Connection, query: str) -> Names:
    """The names that a query of one column finds. Raises psycopg's errors."""
    said, others = list[str](), list[str]()
    cursor = connection.execute(query.encode())
    for row, (name,) in enumerate(cursor.fetchall()):
        raw = cursor.pgresult.get_value(row, 0) if cursor.pgresult else None
        (said if raw == str(name).encode() else others).append(str(name))
    return Names(tuple(said), tuple(others))


def database_of_roles(connection: psycopg.Connection) -> str:
    """A database where pg_dumpall can ask for each role: the session's, or one in which any byte is a letter.

    Raises AttemptFailed where there is none.
    """
    there = connection.info.dbname
    try:
        others = of(connection, _ROLES).others
    except (psycopg.errors.CharacterNotInRepertoire, psycopg.errors.UntranslatableCharacter) as error:
        others = (str(error).partition("\n")[0],)
    if not others:
        return there
    for name in of(connection, _OF_SINGLE_BYTES).said:
        return name
    raise AttemptFailed(
        Reason.TOOL,
        f"The name of a role, {others[0]}, is no text in the encoding of the database {there}, so that "
        "pg_dumpall cannot ask for it.",
        remedy=f"{RENAME}; CREATE DATABASE … ENCODING 'LATIN1' TEMPLATE template0 LOCALE 'C' makes one.",
    )
