"""Which libraries a server of ours loads: of what came with a backup none, of what this host has those named.

A library is code that runs as the server's account before anybody asks it to.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from pgbackstop_catalog import errors
from pgbackstop_runner.postgres.client_programs import Binaries

_OAUTH_SINCE = 18
_PLAIN_NAME = re.compile(r"(?:\$libdir/)?([A-Za-z0-9_][A-Za-z0-9_.-]*)")
# Every server brings it, so the folder that has it is the one that $libdir stands for.
_LANDMARK = "libpqwalreceiver.so"
_FOLDERS = ("lib", "lib/postgresql", "lib64", "lib64/postgresql", "lib64/pgsql")


@dataclass(frozen=True, kw_only=True)
class Preloads:
    """Libraries of ``shared_preload_libraries`` in their order: those that this host has, and the others."""

    here: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()


def none_at_all(major: int) -> dict[str, str]:
    """Settings by which a server of that version loads nothing but what $libdir has and a function names."""
    settings = {
        "shared_preload_libraries": "",
        "session_preload_libraries": "",
        "local_preload_libraries": "",
        "dynamic_library_path": "$libdir",
        "jit_provider": "llvmjit",
        "archive_library": "",
    }
    if major >= _OAUTH_SINCE:
        settings |= {"oauth_validator_libraries": "", "extension_control_path": "$system"}
    return settings


def named(setting: str) -> tuple[str, ...]:
    """The names of a setting like ``shared_preload_libraries``, without quotes around them."""
    return tuple(name for each in setting.split(",") if (name := each.strip().strip('"')))


def preloads(names: Iterable[str], programs: Binaries) -> Preloads:
    """Which of them lie in the host's own $libdir. A path is never here: it could lead into the backup."""
    folder = _libdir(programs.folder)
    found = {name: _file(name, folder) for name in dict.fromkeys(names)}
    return Preloads(
        here=tuple(name for name, file in found.items() if file),
        missing=tuple(name for name, file in found.items() if not file),
    )


def require(names: Iterable[str], programs: Binaries) -> None:
    """Raises ValidationError where a library is not here without which the server does not start.

    One with a relative path lies in the backup.
    """
    missing = preloads(names, programs).missing
    absent = [each for each in missing if "/" not in each or (each[0] == "/" and not Path(each).exists())]
    if absent:
        raise errors.ValidationError(
            f"The live server preloads what this host does not have: {', '.join(absent)}.",
            remedy="Install the extensions' packages, or leave --as-live out: then nothing is preloaded.",
        )


def _file(name: str, libdir: Path | None) -> bool:
    plain = _PLAIN_NAME.fullmatch(name)
    if plain is None or libdir is None:
        return False
    return any((libdir / each).is_file() for each in (plain[1], f"{plain[1]}.so"))


def _libdir(programs: Path) -> Path | None:
    prefixes = dict.fromkeys((programs.parent, programs.resolve().parent))
    places = (prefix / name for prefix in prefixes for name in _FOLDERS)
    return next((each for each in places if (each / _LANDMARK).is_file()), None)
