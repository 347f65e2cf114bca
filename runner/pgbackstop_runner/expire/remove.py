"""Removing a backup's folder: by its record only, never outside its storage, never through a symlink.

<id>            → <id>.expired           one rename; from here on nothing takes it for a backup
<id>.expired    → nothing                file by file; what cannot be removed is left to the next time
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from pgbackstop_catalog.store import atomic

EXPIRED_SUFFIX = ".expired"


def leftovers(folder: Path) -> tuple[Path, ...]:
    """What is still there of a backup that is to be gone."""
    return tuple(path for path in (folder, _expired(folder)) if os.path.lexists(path))


def remove(folder: Path) -> tuple[str, ...]:
    """Remove a backup's folder; returns a sentence for each thing that could not be removed."""
    expired = _expired(folder)
    problems: list[str] = []
    try:
        if folder.is_symlink():
            return (f"{folder} is a symbolic link, and is left alone",)
        if folder.exists() and not os.path.lexists(expired):
            folder.rename(expired)
            atomic.sync_folder(folder.parent)
    except OSError as error:
        problems.append(_sentence(folder, error))
    for path in leftovers(folder):
        problems += _remove_tree(path)
    return tuple(problems)


def _remove_tree(path: Path) -> list[str]:
    if path.is_symlink():
        return [f"{path} is a symbolic link, and is left alone"]
    problems: list[str] = []

    def note(_function: object, name: str, info: tuple[type, BaseException, object]) -> None:
        # A folder that still holds something is no news: that something has been named.
        if isinstance(info[1], OSError) and not _is_full_folder(name):
            problems.append(_sentence(Path(name), info[1]))

    shutil.rmtree(path, onerror=note)
    return problems


def _is_full_folder(name: str) -> bool:
    try:
        return any(Path(name).iterdir())
    except OSError:
        return False


def _expired(folder: Path) -> Path:
    return folder.with_name(folder.name + EXPIRED_SUFFIX)


def _sentence(path: Path, error: OSError) -> str:
    return f"{path} cannot be removed: {error.strerror or error}"
