"""Connections to a server, as libpq's keywords; both programs connect the same way.

https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-PARAMKEYWORDS
"""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Mapping
from pathlib import Path

from pgbackstop_catalog import errors, regular_file
from pgbackstop_catalog.config import password_command, service_file
from pgbackstop_catalog.config.connection import Connection
from pgbackstop_catalog.config.server import Server

# A peer that vanished without a word is noticed in about a minute instead of the kernel's two hours.
_KEEPALIVES = {
    "keepalives": "1",
    "keepalives_idle": "30",
    "keepalives_interval": "10",
    "keepalives_count": "3",
}
# Whoever answers is told no password, whatever PGPASSWORD and ~/.pgpass have: that file cannot be there.
NO_PASSWORD = {"password": "", "passfile": "/dev/null/none"}


def keywords(server: Server, *, database: str | None = None, application_name: str) -> dict[str, str]:
    """libpq keywords without the password; ``database`` defaults to the maintenance database.

    Raises ConfigError where the server's service is not to be had.
    """
    if server.service is not None:
        service_file.settings(server.service)
    name = database if database is not None else server.maintenance_database
    return {
        **({"service": server.service} if server.service else {}),
        **of_database(server, name, application_name=application_name),
        **(NO_PASSWORD if server.is_thrown_away else {}),
    }


def of_database(connection: Connection, database: str, *, application_name: str) -> dict[str, str]:
    """libpq keywords of a connection to one database, without the password."""
    files = {
        "sslrootcert": connection.sslrootcert,
        "sslcert": connection.sslcert,
        "sslkey": connection.sslkey,
    }
    return {
        "host": connection.host,
        "port": str(connection.port),
        "user": connection.user,
        "dbname": database,
        "target_session_attrs": connection.target_session_attrs,
        "sslmode": connection.sslmode,
        "connect_timeout": str(max(2, round(connection.connect_timeout))),
        "application_name": application_name,
        **_KEEPALIVES,
        **{name: str(path) for name, path in files.items() if path is not None},
    }


def is_local(host: str) -> bool:
    """Whether a connection to ``host`` stays on this machine: a socket's folder, or loopback; lists, too."""
    return all(_is_local(each.strip()) for each in host.split(","))


def _is_local(host: str) -> bool:
    if not host or host.startswith(("/", "@")) or host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def required_methods(keywords: Mapping[str, str]) -> str:
    """What libpq is to require of whoever answers, for ``require_auth``; empty for anything.

    Without a certificate that was checked against the server's name nobody knows who answers. Then no
    password is told in clear text, whatever is asked for.
    """
    if keywords.get("sslmode") == "verify-full" or is_local(keywords.get("host", "")):
        return ""
    return "scram-sha-256,md5,gss,sspi,none"


def with_required_methods(keywords: Mapping[str, str], libpq: int) -> dict[str, str]:
    """The keywords for a libpq of that version (180006), which before 16 does not know the requirement."""
    methods = required_methods(keywords) if libpq >= 160000 else ""
    return {**keywords, "require_auth": methods} if methods else dict(keywords)


def password(server: Connection, *, seconds: float = password_command.SECONDS) -> str | None:
    """The password, or None where libpq shall look for it itself (~/.pgpass, peer, certificates).

    To be asked for each connection and each tool: what a command gives is good for some minutes, and may
    take ``seconds``. Raises ConfigError where the named file, variable or command does not give one.
    """
    if server.password_command is not None:
        return password_command.password(server.password_command, seconds=seconds)
    if server.password_file is not None:
        return _first_line(server.password_file)
    if server.password_env is not None:
        value = os.environ.get(server.password_env)
        if not value:
            raise errors.ConfigError(
                f"The environment variable {server.password_env} with the password is not set.",
                remedy="Set it for this process, or use password_file.",
            )
        return value
    return None


def _first_line(path: Path) -> str:
    try:
        line = regular_file.read(path, 100_000).decode().partition("\n")[0].rstrip("\r")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no UTF-8 text"
        raise errors.ConfigError(
            f"The password file {path} cannot be read: {reason}.", remedy="Check its name, owner and mode."
        ) from error
    if not line:
        raise errors.ConfigError(
            f"The password file {path} is empty.", remedy="Write the password into its first line."
        )
    return line
