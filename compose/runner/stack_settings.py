"""The settings of .env, the files that they name, and the files that setup writes.

By hand and not by pydantic-settings: of fourteen settings three are no text, and what is most often wrong is
a file: a folder where the named one is not there, or one that the stack's user may not read. Each wants a
sentence that says what to do, into which that library's errors would have to be translated.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

CONFIG = Path("/etc/pgbackstop")
SETUP = Path("/setup")
GIVEN = Path("/run/secrets")
BACKUPS = Path("/var/lib/pgbackstop")
# Readers in other images have a user of their own and this group; each volume has one reader.
FOR_GROUP = 0o640
FOR_OWNER = 0o600


class BadSetting(Exception):
    """A setting that cannot be used, in a sentence that says what to do."""


@dataclass(frozen=True, kw_only=True)
class Places:
    """Where setup reads and writes; tests have others."""

    config: Path = CONFIG
    setup: Path = SETUP
    given: Path = GIVEN
    backups: Path = BACKUPS

    @property
    def alertmanager(self) -> Path:
        return self.setup / "alertmanager"

    @property
    def exporter(self) -> Path:
        return self.setup / "exporter"


def given(places: Places, name: str, setting: str) -> str:
    """What stands in the file that the setting names; empty where it names none."""
    try:
        return (places.given / name).read_text(encoding="utf-8")
    except FileNotFoundError:
        return ""
    except IsADirectoryError:
        raise BadSetting(
            f"{setting} names a folder, or a file that is not there: correct it in .env."
        ) from None
    except PermissionError:
        raise BadSetting(
            f"{setting} names a file that the stack's user (uid 10001) may not read: `chmod 0644` it, and "
            "keep others out by `chmod 0700` of its folder; or `chown 10001` it."
        ) from None
    except UnicodeDecodeError:
        raise BadSetting(f"{setting} names a file that is no UTF-8 text.") from None


def number(settings: Mapping[str, str], name: str) -> int:
    try:
        return int(settings[name])
    except ValueError:
        raise BadSetting(f"{name} must be a number, not {settings[name]!r}: correct it in .env.") from None


def is_yes(settings: Mapping[str, str], name: str) -> bool:
    if settings[name] not in {"true", "false"}:
        raise BadSetting(f"{name} must be true or false, not {settings[name]!r}: correct it in .env.")
    return settings[name] == "true"


def keep_random(path: Path, mode: int = FOR_GROUP) -> None:
    if not path.exists():
        write(path, secrets.token_urlsafe(24), mode)


def write(path: Path, text: str, mode: int) -> None:
    """Replace the file, which never has more rights than ``mode``."""
    partial = path.with_name(path.name + ".partial")
    partial.unlink(missing_ok=True)
    with os.fdopen(
        os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w", encoding="utf-8"
    ) as file:
        file.write(text)
        os.fchmod(file.fileno(), mode)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)
