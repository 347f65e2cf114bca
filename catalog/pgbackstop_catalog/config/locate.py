"""The configuration's file: which one it is, what stands in it, and what its relative paths mean.

It does not import the model, which takes longer than a list may.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from pgbackstop_catalog import errors
from pgbackstop_catalog.config import yaml_file
from pgbackstop_catalog.config.yaml_file import Document

ENVIRONMENT = "PGBACKSTOP_CONFIG"
# Each server has one of each kind, by names like main-logical, where no plan is configured.
DEFAULT_PLANS = ("logical", "physical")
PLACES = (Path("pgbackstop.yaml"), Path("/etc/pgbackstop/pgbackstop.yaml"))


def find(given: Path | None) -> Path:
    """The file that was named, else the environment's, else the first of PLACES. Raises ConfigError."""
    named = given or (Path(os.environ[ENVIRONMENT]) if os.environ.get(ENVIRONMENT) else None)
    if named is not None:
        return named
    for place in PLACES:
        if place.exists():
            return place
    raise errors.ConfigError(
        f"There is no configuration: neither {PLACES[0]} here nor {PLACES[1]}.",
        remedy=f"Name one with --config or ${ENVIRONMENT}; 'pgbackstop init' writes one.",
    )


def document(file: Path) -> Document:
    """Read the file. Raises ConfigError where it cannot be read, BadConfig where it is no YAML."""
    return yaml_file.read(file, what="The configuration", remedy="Check its name, owner and mode.")


def absolute(path: str, file: Path) -> Path:
    """Relative paths count from the folder of the file, wherever the program was started.

    Raises ValueError for the home of a user who has none.
    """
    try:
        return file.parent.absolute() / Path(path).expanduser()
    except RuntimeError as error:
        msg = f"{path!r} names a home that does not exist; write the path from / on"
        raise ValueError(msg) from error


def plain_catalog(content: Mapping[str, Any], file: Path) -> Path | None:
    """The folder of the catalog that a file's content names; None where the model shall judge."""
    named, first = content.get("catalog"), _first_folder(content.get("storages"))
    with suppress(ValueError):
        if isinstance(named, str):
            return absolute(named, file)
        if first is not None and named is None:
            return absolute(first, file) / "catalog"
    return None


def plain_state(content: Mapping[str, Any], file: Path) -> Path | None:
    """The folder of the host's own state that it means; None where the model shall judge."""
    named, first = content.get("state_folder"), _first_folder(content.get("storages"))
    with suppress(ValueError):
        if isinstance(named, str):
            return absolute(named, file)
        if isinstance(content.get("catalog"), dict):  # in PostgreSQL
            return absolute(first, file) / "state" if first is not None else None
    return plain_catalog(content, file)


def _first_folder(storages: Any) -> str | None:
    for storage in storages.values() if isinstance(storages, dict) else ():
        if not isinstance(storage, dict) or storage.get("encryption") is not None:
            continue  # encrypted ones are for copies
        if storage.get("kind", "folder") == "folder":
            path = storage.get("path")
            return path if isinstance(path, str) else None
    return None
