"""The catalog's place, and the names of the plans, from the configuration's file alone.

What only reads the catalog needs one key of the file. It must answer even on the day when some other key
is wrong, and without the model, whose import takes longer than a list may.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pgbackstop_catalog.config import discovered, expand, locate

if TYPE_CHECKING:
    from pgbackstop_catalog.config.catalog_place import CatalogDatabase


def named_by(file: Path) -> Path | CatalogDatabase:
    """The folder or the database of the catalog, as ``file`` has it. Raises ConfigError where it has none."""
    document = locate.document(file).value
    folder = locate.plain_catalog(document, file) if isinstance(document, dict) else None
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
    written = expand.expand(document, discovered.servers(document, file)).value
    named, servers = written.get("plans"), written.get("servers")
    if not named and isinstance(servers, dict):  # as the model takes it
        return frozenset(f"{server}-{kind}" for server in servers for kind in locate.DEFAULT_PLANS)
    return frozenset(map(str, named)) if isinstance(named, dict) else None
