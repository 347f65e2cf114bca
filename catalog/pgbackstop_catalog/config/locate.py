"""Which file is the configuration, what stands in it, and what its relative paths mean.

It does not import the model, which takes longer than a list may.
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
