"""Which file is the configuration, and where the catalog is, from that file alone.

What only reads the catalog needs one key of the file. It must answer even on the day when some other key
is wrong, and without the model, whose import takes longer than a list may.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import yaml

from pgbackstop_catalog import errors

ENVIRONMENT = "PGBACKSTOP_CONFIG"
PLACES = (Path("pgbackstop.yaml"), Path("/etc/pgbackstop/pgbackstop.yaml"))
# Any: the C loader exists only where libyaml does. Both are PyYAML's safe ones.
LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


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
        remedy=f"Name one with --config or ${ENVIRONMENT}; 'pgbackstop config example' prints one.",
    )


def text_of(file: Path) -> str:
    """What stands in the file. Raises ConfigError where it cannot be read."""
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no UTF-8 text"
        raise errors.ConfigError(
            f"The configuration {file} cannot be read: {reason}.",
            remedy="Check its name, owner and mode.",
        ) from error


def absolute(path: str, file: Path) -> Path:
    """Relative paths count from the folder of the file, wherever the program was started."""
    return file.parent.absolute() / Path(path).expanduser()


def catalog_folder(file: Path) -> Path:
    """The folder of the catalog that ``file`` names. Raises ConfigError where it names none."""
    folder = _plain_case(file)
    if folder is not None:
        return folder
    from pgbackstop_catalog import config_file  # noqa: PLC0415 - says what is wrong, with file, line and key

    return config_file.load(file).catalog_folder()


def _plain_case(file: Path) -> Path | None:
    """The folder, or None where the model shall judge."""
    try:
        document: Any = yaml.load(text_of(file), Loader=LOADER)  # noqa: S506 - a safe loader
    except yaml.YAMLError:
        return None
    if not isinstance(document, dict):
        return None
    named = document.get("catalog")
    if isinstance(named, str):
        return absolute(named, file)
    first = _first_folder(document.get("storages"))
    return absolute(first, file) / "catalog" if first is not None and named is None else None


def _first_folder(storages: Any) -> str | None:
    for storage in storages.values() if isinstance(storages, dict) else ():
        if isinstance(storage, dict) and storage.get("kind", "folder") == "folder":
            path = storage.get("path")
            return path if isinstance(path, str) else None
    return None
