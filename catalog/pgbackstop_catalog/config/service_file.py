"""libpq's connection service file, read as libpq reads it.

https://www.postgresql.org/docs/current/libpq-pgservice.html. A folder that was compiled into libpq is not
looked at: that of psycopg is another than that of the tools.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from pgbackstop_catalog import errors, regular_file
from pgbackstop_catalog.config.server import Server

# What is ours to know, under its name in the configuration; libpq reads the rest by itself.
_OURS = {
    "host": "host",
    "port": "port",
    "user": "user",
    "dbname": "maintenance_database",
    "target_session_attrs": "target_session_attrs",
    "sslmode": "sslmode",
    "sslrootcert": "sslrootcert",
    "sslcert": "sslcert",
    "sslkey": "sslkey",
    "connect_timeout": "connect_timeout",
}
_NAME = "pg_service.conf"
_MOST_BYTES = 1_000_000


def resolved(server: Server) -> Server:
    """The server, as just read, with what its service says; what is given beside it counts more.

    A file that is not there, or not for this account, is told when a connection needs it, and not before:
    nothing else does. Raises pydantic's ValidationError for values that are none.
    """
    if server.service is None:
        return server
    try:
        found = settings(server.service)
    except errors.ConfigError:
        return server
    said = {_OURS[name]: value for name, value in found.items() if name in _OURS}
    if "connect_timeout" in said:
        said["connect_timeout"] += "s"
    given = {name: getattr(server, name) for name in server.model_fields_set}
    return Server.model_validate({**said, **given})


def settings(service: str) -> dict[str, str]:
    """libpq's keywords of the service. Raises ConfigError where no file that can be read has it."""
    looked_at = list(_files())
    for path in looked_at:
        try:
            found = _section(regular_file.read(path, _MOST_BYTES).decode(), service)
        except FileNotFoundError:
            continue
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is no UTF-8 text"
            raise errors.ConfigError(
                f"The service file {path} cannot be read: {reason}.", remedy="Check its name, owner and mode."
            ) from error
        if found is not None:
            return found
    raise errors.ConfigError(
        f"There is no service {service!r} in {' or '.join(map(str, looked_at))}.",
        remedy="Correct service of the server, or name the file in PGSERVICEFILE of this process.",
    )


def _files() -> Iterator[Path]:
    named = os.environ.get("PGSERVICEFILE")
    yield Path(named) if named else Path("~").expanduser() / f".{_NAME}"
    if folder := os.environ.get("PGSYSCONFDIR"):
        yield Path(folder) / _NAME


def _section(text: str, service: str) -> dict[str, str] | None:
    """The first section of that name; the first value of a keyword counts, as parseServiceFile has it."""
    lines = iter(text.splitlines())
    if not any(line.strip() == f"[{service}]" for line in lines):
        return None
    found: dict[str, str] = {}
    for line in map(str.strip, lines):
        if line.startswith("["):
            break
        name, is_setting, value = line.partition("=")
        if is_setting and not line.startswith("#"):
            found.setdefault(name, value)
    return found
