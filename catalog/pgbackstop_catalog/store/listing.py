"""The files of a folder catalog, unread. Imports nothing slow, so that a list can start from it."""

from __future__ import annotations

import errno
import heapq
import os
import time
from collections.abc import Iterator
from pathlib import Path

from pgbackstop_catalog import errors
from pgbackstop_catalog.text import is_name

SUFFIX = ".json"
MARK = "catalog.json"
STATE_MARK = "state.json"
_YOUNG_NS = 2_000_000_000  # as git takes it for its "racy" index


def is_there(root: Path) -> bool:
    """Whether a catalog is in the folder: one with its mark, or with records from before there were marks.

    An empty folder is the mount point of a disk that is not mounted, and no catalog. Raises CatalogError.
    """
    try:
        return (root / MARK).is_file() or any(path.suffix == SUFFIX for path in root.glob("backups/*/*"))
    except OSError as error:
        raise unreadable(root, error) from error


def require(root: Path) -> None:
    """Raises CatalogError where no catalog is in the folder."""
    if not is_there(root):
        raise errors.CatalogError(
            f"The catalog is not there: {root} holds no {MARK}.",
            remedy="Mount its disk; or, if it is a new one, run 'pgbackstop storage create'.",
        )


def require_state(root: Path) -> None:
    """Raises CatalogError where neither a state folder nor a catalog, which has the state in it, is there."""
    if not ((root / STATE_MARK).is_file() or is_there(root)):
        raise errors.CatalogError(
            f"The catalog is not there, or this host's state: {root} holds neither {MARK} nor {STATE_MARK}.",
            remedy="Mount its disk; or, if it is a new one, run 'pgbackstop storage create'.",
        )


def newest_first(root: Path, kind: str, plan: str | None = None) -> Iterator[Path]:
    """The record files of a kind (``backups``, ``copies``, ``proofs``); their names sort by time.

    Raises CatalogError where a folder cannot be read. A folder that does not exist has no records.
    """
    found = (_names(each) for each in folders(root, kind, plan))
    return (folder / name for name, folder in heapq.merge(*found, reverse=True))


def folders(root: Path, kind: str, plan: str | None = None) -> list[Path]:
    """The folder of each plan that has records of that kind, or of the one that is named.

    What else lies there, like ``lost+found``, ``.snapshot`` or ``@eaDir``, has no plan's name and is skipped.
    Raises CatalogError where it cannot be known which there are: nothing is read as empty that is away.
    """
    parent = root / kind
    try:
        with os.scandir(parent) as entries:  # for one plan, too: it is refused where the folder is away
            names = [entry.name for entry in entries] if plan is None else [plan]
        found = [path for each in names if is_name(each) and is_folder(path := parent / each)]
    except FileNotFoundError as error:
        if parent.is_symlink():  # to a disk that is not mounted
            raise unreadable(parent, error) from error
        found = []
    except OSError as error:
        raise unreadable(parent, error) from error
    if not found:
        require(root)
    return found


def is_folder(path: Path) -> bool:
    """Whether it is one, or a link to one; a link in a circle is none.

    Raises CatalogError for a link to a disk that is not mounted.
    """
    if path.is_dir():
        return True
    if path.is_symlink():
        try:
            path.stat()
        except FileNotFoundError as error:
            raise unreadable(path, error) from error
        except OSError:
            return False
    return False


def matching(root: Path, backup_id: str) -> list[Path]:
    """The records of attempts whose id begins like this, the newest first. Raises CatalogError."""
    every = (each for folder in folders(root, "backups") for each in _names(folder))
    # A Path for each record of the catalog would take longer than to list them all.
    found = sorted((each for each in every if each[0].startswith(backup_id)), reverse=True)
    return [folder / name for name, folder in found]


def costs_itself(error: OSError) -> bool:
    """Whether a record cannot be read for a reason of its own: its mode, a damaged sector, a stale handle."""
    return error.errno in {errno.EACCES, errno.EPERM, errno.EIO, errno.ESTALE}


def unreadable(path: Path, error: OSError) -> errors.CatalogError:
    """The sentence for a catalog that cannot be read."""
    return errors.CatalogError(
        f"The catalog cannot be read: {path}: {error.strerror}.",
        remedy="Check the folder's owner, mode and mount.",
    )


def names(folder: Path) -> list[str]:
    """The names of a folder's record files, in no order. Raises CatalogError where it cannot be read."""
    try:
        # Many thousand: no Path and no call for each.
        return [each for each in os.listdir(folder) if each.endswith(SUFFIX) and each[0] != "."]  # noqa: PTH208
    except OSError as error:
        raise unreadable(folder, error) from error


def _names(folder: Path) -> list[tuple[str, Path]]:
    """Names of record files with their folder, the newest first."""
    return [(name, folder) for name in sorted(names(folder), reverse=True)]


def is_young(changed_ns: int) -> bool:
    """Whether a change after the look may leave that time as it is: a file system's clock ticks coarsely."""
    return time.time_ns() - changed_ns < _YOUNG_NS


def is_record_name(name: str) -> bool:
    """Whether a file of that name is a record of ours: nothing hidden, nothing of another ending."""
    return name.endswith(SUFFIX) and not name.startswith(".")
