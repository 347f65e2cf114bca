"""What lies open to others though the documents ask for it to be closed. Warnings: nothing fails of it."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pgbackstop_catalog.config import conninfo
from pgbackstop_catalog.config.configuration import Config
from pgbackstop_catalog.config.connection import Connection
from pgbackstop_catalog.config.server import Server
from pgbackstop_catalog.config.storage import FolderStorage

# Of the files that the configuration names, those that anybody may know.
_PUBLIC = frozenset({"ca_file", "known_hosts_file", "recipients_file"})
_UNVERIFIED = frozenset({"disable", "allow", "prefer"})


def warnings(config: Config) -> Iterator[str]:
    """Everything that is open, a sentence each with what to do."""
    yield from _connections(config)
    yield from _secrets(config.model_dump())
    for storage in config.storages.values():
        if isinstance(storage, FolderStorage):
            yield from _folder(storage.path)


def _connections(config: Config) -> Iterator[str]:
    """Of the servers of a group that are open alike, the first stands for all."""
    alike: dict[tuple[str, str], list[str]] = {}
    for name, server in config.servers.items():
        for sentence in of_connection(name, server):
            alike.setdefault((server.group or f"/{name}", server.sslmode), []).append(sentence)
    place = config.catalog_database
    if place is not None and _is_open(place):
        yield (
            f"the catalog: with sslmode {place.sslmode} whoever stands between here and {place.host} can "
            "read its records and answer in its place; set sslmode: verify-full, and sslrootcert"
        )
    for (group, _), (first, *others) in alike.items():
        yield f"{first}; the same of {len(others)} more of group {group}" if others else first


def of_connection(name: str, server: Server) -> Iterator[str]:
    """What whoever stands between us and the server may do."""
    if _is_open(server):
        yield (
            f"server {name}: with sslmode {server.sslmode} whoever stands between here and {server.host} can "
            "read the backups and answer in its place; set sslmode: verify-full, and sslrootcert"
        )


def _is_open(connection: Connection) -> bool:
    return connection.sslmode in _UNVERIFIED and not conninfo.is_local(connection.host)


def _secrets(document: Any, key: str = "") -> Iterator[str]:
    if isinstance(document, dict):
        for name, value in document.items():
            yield from _secrets(value, str(name))
    elif isinstance(document, list | tuple):
        for value in document:
            yield from _secrets(value, key)
    elif isinstance(document, Path) and _is_secret(key):
        yield from _file(document)


def _is_secret(key: str) -> bool:
    return (key.endswith(("_file", "_files")) and key not in _PUBLIC) or key == "sslkey"


def _file(path: Path) -> Iterator[str]:
    mode = _mode(path)
    if mode & (stat.S_IROTH | stat.S_IWOTH | stat.S_IWGRP):
        yield f"{path} holds a secret and is open to others (mode {mode:04o}); run: chmod 600 {path}"


def _folder(path: Path) -> Iterator[str]:
    mode = _mode(path)
    if mode & stat.S_IWOTH:
        yield f"the storage {path} may be written to by everybody (mode {mode:04o}); run: chmod o-w {path}"


def _mode(path: Path) -> int:
    try:
        return stat.S_IMODE(path.stat().st_mode)
    except OSError:
        return 0  # that it is not there is told elsewhere
