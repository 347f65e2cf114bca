"""The catalog's place, and the names of the plans, from the configuration's file alone.

What only reads the catalog needs one key of the file. It must answer even on the day when some other key
is wrong, and without the model, whose import takes longer than a list may.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pgbackstop_catalog.config import expand, locate

if TYPE_CHECKING:
    from pgbackstop_catalog.config.catalog_place import CatalogDatabase


def named_by(file: Path) -> Path | CatalogDatabase:
    """The folder or the database of the catalog, as ``file`` has it. Raises ConfigError where it has none."""
    folder = _plain_case(file)
    if folder is not None:
        return folder
    from pgbackstop_catalog.config import load  # noqa: PLC0415 - says what is wrong, with file, line and key

    return load.catalog_database(file) or load.load(file).catalog_place()


def plans(file: Path) -> frozenset[str] | None:
    """The names of the plans that ``file`` configures; None where they are not written as they should be.

    Raises ConfigError where the file cannot be read.
    """
    document = locate.document(file).value
    if not isinstance(document, dict):
        return None
    written = expand.expand(document).value
    named, servers = written.get("plans"), written.get("servers")
    if named is None and isinstance(servers, dict):
        return frozenset(f"{server}-{kind}" for server in servers for kind in locate.DEFAULT_PLANS)
    return frozenset(map(str, named)) if isinstance(named, dict) else None


def _plain_case(file: Path) -> Path | None:
    """The folder, or None where the model shall judge."""
    document = locate.document(file).value
    if not isinstance(document, dict):
        return None
    named = document.get("catalog")
    first = _first_folder(document.get("storages"))
    with suppress(ValueError):
        if isinstance(named, str):
            return locate.absolute(named, file)
        if first is not None and named is None:
            return locate.absolute(first, file) / "catalog"
    return None


def _first_folder(storages: Any) -> str | None:
    for storage in storages.values() if isinstance(storages, dict) else ():
        if not isinstance(storage, dict) or storage.get("encryption") is not None:
            continue  # encrypted ones are for copies
        if storage.get("kind", "folder") == "folder":
            path = storage.get("path")
            return path if isinstance(path, str) else None
    return None
