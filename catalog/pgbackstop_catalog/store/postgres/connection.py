"""Sessions with the catalog's database: safe whatever the database or the role sets, and none that hangs."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any, Final, LiteralString

import psycopg

from pgbackstop_catalog import errors
from pgbackstop_catalog.config import conninfo
from pgbackstop_catalog.config.catalog_place import CatalogDatabase

APPLICATION_NAME: Final = "pgbackstop-catalog"
STATEMENT_SECONDS: Final = 60
_LOCK_SECONDS: Final = 30
# Options of a connection go over what ALTER DATABASE and ALTER ROLE set. Names are qualified in our SQL.
_SETTINGS: Final = {
    "search_path": "",
    "role": "none",
    "row_security": "on",
    "default_transaction_isolation": r"read\ committed",
    "default_transaction_deferrable": "off",
    "idle_session_timeout": "0",
    "idle_in_transaction_session_timeout": f"{STATEMENT_SECONDS}s",
    "statement_timeout": f"{STATEMENT_SECONDS}s",
    "lock_timeout": f"{_LOCK_SECONDS}s",
    "datestyle": "ISO,MDY",
    "bytea_output": "hex",
    "timezone": "UTC",
    "jit": "off",
}
# What was answered for must be on disk, whatever the database sets; a stronger setting stays.
_DURABLE: Final[LiteralString] = """
    select pg_catalog.set_config('synchronous_commit', 'on', false)
    where pg_catalog.current_setting('synchronous_commit') = 'off'"""


def connect(place: CatalogDatabase, *, read_only: bool = False) -> psycopg.Connection:
    """Open a session with the catalog's database, in autocommit; the caller closes it.

    Raises CatalogError where the database does not answer or let us in, or its password is not to be had.
    """
    try:
        given = arguments(place, default_transaction_read_only="on" if read_only else "off")
    except errors.ConfigError as error:
        # A command may give it a moment later: whoever waits for the catalog waits for that, too.
        raise errors.CatalogError(f"{_where(place)}: {error.problem}", remedy=error.remedy) from error
    with explained(place):
        connection = psycopg.connect(**given, autocommit=True)
        try:
            _prepare(connection, place)
        except BaseException:
            connection.close()
            raise
    return connection


def arguments(place: CatalogDatabase, **settings: str) -> dict[str, Any]:
    """Return psycopg's arguments of a session, with the password; ``settings`` go before our own.

    Raises ConfigError for the password.
    """
    keywords = conninfo.of_database(place, place.database, application_name=APPLICATION_NAME)
    options = " ".join(f"-c {name}={value}" for name, value in {**_SETTINGS, **settings}.items())
    return {
        **conninfo.with_required_methods(keywords, psycopg.pq.version()),
        "password": conninfo.password(place),
        "options": options,
        "client_encoding": "UTF8",
    }


@contextlib.contextmanager
def opened(place: CatalogDatabase, *, read_only: bool = False) -> Iterator[psycopg.Connection]:
    """The same, closed at the end; what PostgreSQL refuses within is raised as CatalogError."""
    connection = connect(place, read_only=read_only)
    with contextlib.closing(connection), explained(place):
        yield connection


@contextlib.contextmanager
def explained(place: CatalogDatabase) -> Iterator[None]:
    """Raise psycopg's errors as CatalogError, in one sentence."""
    try:
        yield
    except psycopg.Error as error:
        raise _sentence(place, error) from error


def _prepare(connection: psycopg.Connection, place: CatalogDatabase) -> None:
    encoding = connection.info.parameter_status("server_encoding")
    if encoding != "UTF8":
        raise errors.CatalogError(
            f"The catalog's database {place.database} at {place.address} is in {encoding}, not in UTF8.",
            remedy="Make it with: createdb --encoding=UTF8 --template=template0.",
        )
    connection.execute(_DURABLE)


def _where(place: CatalogDatabase) -> str:
    return f"The catalog's database {place.database} at {place.address}"


def _sentence(place: CatalogDatabase, error: psycopg.Error) -> errors.CatalogError:
    where = _where(place)
    words = errors.one_line(error).rstrip(".")
    if isinstance(error, psycopg.errors.InsufficientPrivilege):
        return errors.CatalogError(
            f"{where} does not let {place.user} do this: {words}.",
            remedy="Connect as the role that owns the schema pgbackstop; exporters need its read-only role.",
        )
    if isinstance(error, psycopg.errors.ReadOnlySqlTransaction):
        return errors.CatalogError(
            f"{where} cannot be written: {words}.",
            remedy="It is a standby: name the primary, or set target_session_attrs to read-write.",
        )
    if isinstance(error, psycopg.OperationalError):
        return errors.CatalogError(
            f"{where} does not answer: {words}.",
            remedy="Check that it runs, and host, port, role and password under catalog.postgres.",
        )
    return errors.CatalogError(f"{where} answered with an error: {words}.", remedy="Look at its log.")
