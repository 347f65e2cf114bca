"""Files with keys and passwords of storages. What stands in them is in no message."""

from __future__ import annotations

from pathlib import Path

from pgbackstop_catalog import errors, regular_file

_MOST_BYTES = 10**6


def text(path: Path) -> str:
    """All of a file. Raises ConfigError where it cannot be read."""
    try:
        return regular_file.read(path, _MOST_BYTES).decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no UTF-8 text"
        raise errors.ConfigError(
            f"The key file {path} cannot be read: {reason}.", remedy="Check its name, owner and mode."
        ) from error


def first_line(path: Path) -> str:
    """The first line of a file. Raises ConfigError where it is empty, or the file cannot be read."""
    line = text(path).partition("\n")[0].rstrip("\r")
    if not line:
        raise errors.ConfigError(f"The first line of {path} is empty.", remedy="Write the password into it.")
    return line
