"""What sessions of ours and of PostgreSQL's tools are like, whatever a server, database or role sets.

Options of a connection go over ALTER SYSTEM, ALTER DATABASE and ALTER ROLE. What a role may not set, or a
version does not know, would refuse the whole connection: the first session asks, later ones are told all.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from pgbackstop_catalog.config import conninfo
from pgbackstop_catalog.config.server import Server
from pgbackstop_runner.postgres import refusals

if TYPE_CHECKING:
    import psycopg

Place = tuple[str, str, str]  # host, port and role

# Everybody's to set since 15 or before. Time zone and locale stay: what a restore computes needs them.
ORDINARY = {
    "role": "none",
    "search_path": "",
    "statement_timeout": "0",
    "lock_timeout": "0",
    "idle_in_transaction_session_timeout": "0",
    "idle_session_timeout": "0",
    "default_transaction_read_only": "off",
    "default_transaction_isolation": "read committed",
    "default_transaction_deferrable": "off",
    "row_security": "on",
    "datestyle": "ISO,MDY",
    "intervalstyle": "postgres",
    "bytea_output": "hex",
    "standard_conforming_strings": "on",
    "quote_all_identifiers": "off",
    "array_nulls": "on",
    "transform_null_equals": "off",
    "exit_on_error": "off",
    "local_preload_libraries": "",
}
# Not everybody's to set, or not known to every version.
PRIVILEGED = {
    "transaction_timeout": "0",
    "event_triggers": "off",
    "session_replication_role": "origin",
    "session_preload_libraries": "",
    "lc_messages": "C",  # we and error_messages read what PostgreSQL says
    "temp_file_limit": "-1",  # an index that is built sorts in files
    # Damaged pages are an error: read as empty, rows would be missing from a dump that is called good.
    "zero_damaged_pages": "off",
    "ignore_checksum_failure": "off",
}
# Of 17 and later, and of versions before.
_SUPERUSERS = (frozenset(PRIVILEGED), frozenset(PRIVILEGED) - {"transaction_timeout", "event_triggers"})
_GUESSES = (frozenset({"transaction_timeout"}), *_SUPERUSERS)
_MAY_SET = """
    select name from pg_catalog.pg_settings
    where name = any(%s) and (context = 'user' or pg_catalog.has_parameter_privilege(name, 'set'))"""
_allowed: dict[Place, frozenset[str]] = {}


def options(keywords: Mapping[str, str], **settings: str) -> str:
    """libpq's ``options`` for a connection by these keywords; ``settings`` go over ours."""
    return _options(_allowed.get(_place(keywords), frozenset()), settings)


def _options(allowed: frozenset[str], settings: Mapping[str, str]) -> str:
    privileged = {name: value for name, value in PRIVILEGED.items() if name in allowed}
    wanted = {**ORDINARY, **privileged, **settings}
    return " ".join(f"-c {name}={_escaped(value)}" for name, value in wanted.items())


def connection_string(server: Server, database: str | None, application_name: str) -> str:
    """libpq's conninfo for ``--dbname`` of a tool; without the password."""
    return told(conninfo.keywords(server, database=database, application_name=application_name))


def told(keywords: Mapping[str, str]) -> str:
    """The same for a server that is not in the configuration."""
    return _conninfo(**keywords, options=options(keywords))


def replication_string(server: Server, application_name: str) -> str:
    """The same for a replication connection, which no setting of a database or role reaches."""
    keywords = conninfo.keywords(server, application_name=application_name)
    if "lc_messages" in _allowed.get(_place(keywords), frozenset()):
        keywords |= {"options": "-c lc_messages=C"}
    return _conninfo(**keywords)


def connect(
    keywords: Mapping[str, str],
    *,
    password: str | None = None,
    as_superuser: bool = False,
    **settings: str,
) -> psycopg.Connection:
    """A connection in autocommit. Raises psycopg's errors.

    ``as_superuser`` is for a role that is likely one: told all at once, it loads no library that a database
    or role names.
    """
    import psycopg  # noqa: PLC0415 - 100 ms that only operations pay

    known = _allowed.get(_place(keywords))
    if known is not None:
        try:
            return _connect(keywords, password, settings, known)
        except psycopg.OperationalError as error:
            if not refusals.is_of_options(str(error), error.sqlstate):
                raise
            # Another version answers there by now, or a right was revoked.
            del _allowed[_place(keywords)]
    if as_superuser:
        for guess in _SUPERUSERS:
            try:
                return _learning(keywords, password, settings, guess)
            except psycopg.OperationalError as error:
                if not refusals.is_of_options(str(error), error.sqlstate):
                    raise
    return _first(keywords, password, settings)


def _first(
    keywords: Mapping[str, str], password: str | None, settings: Mapping[str, str]
) -> psycopg.Connection:
    """A session that learns what the role may set there, so that the others are told.

    What is not told yet may end it; then it is told what everybody may set, or a superuser, by version.
    """
    import psycopg  # noqa: PLC0415

    try:
        return _learning(keywords, password, settings, frozenset())
    except psycopg.Error as error:
        if not refusals.is_by_settings(str(error), error.sqlstate):
            raise
        for guess in _GUESSES:
            with contextlib.suppress(psycopg.Error):
                return _learning(keywords, password, settings, guess)
        raise


def _learning(
    keywords: Mapping[str, str], password: str | None, settings: Mapping[str, str], guess: frozenset[str]
) -> psycopg.Connection:
    connection = _connect(keywords, password, settings, guess)
    try:
        names = frozenset(str(name) for (name,) in connection.execute(_MAY_SET, (list(PRIVILEGED),)))
        for name in names:
            connection.execute("select pg_catalog.set_config(%s, %s, false)", (name, PRIVILEGED[name]))
    except BaseException:
        connection.close()
        raise
    _allowed[_place(keywords)] = names
    return connection


def _connect(
    keywords: Mapping[str, str], password: str | None, settings: Mapping[str, str], allowed: frozenset[str]
) -> psycopg.Connection:
    import psycopg  # noqa: PLC0415

    # They import psycopg.
    from pgbackstop_runner.postgres import refusal_states, shared_names  # noqa: PLC0415

    # jit: compiling costs more than it saves on counts and on questions to the system's tables.
    told = _options(allowed, {"jit": "off", **settings})
    # UTF8: a session of ours must be found by the character set that records are written in.
    safe = conninfo.with_required_methods(keywords, psycopg.pq.version())
    target = _conninfo(**safe, options=told, client_encoding="UTF8")
    connection = refusal_states.connect(target, password)
    shared_names.let_pass(connection)
    return connection


def _conninfo(**keywords: str) -> str:
    from psycopg.conninfo import make_conninfo  # noqa: PLC0415

    return make_conninfo("", **keywords)


def _place(keywords: Mapping[str, str]) -> Place:
    return keywords["host"], keywords["port"], keywords["user"]


def _escaped(value: str) -> str:
    """https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNECT-OPTIONS"""
    return re.sub(r"([\\\s])", r"\\\1", value)
