"""Where a recovered server goes: folders that are empty, big enough, and nobody else's."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from pgbackstop_catalog import errors, units
from pgbackstop_catalog.records.backup import Backup
from pgbackstop_catalog.records.source import Tablespace
from pgbackstop_runner.workspace import Workspace

UNFINISHED = "pgbackstop-unfinished"


@dataclass(frozen=True, kw_only=True)
class DataDirectory:
    """Where the recovered server goes; ``tablespaces`` by OID. All empty or not there yet."""

    data: Path
    tablespaces: Mapping[int, Path]

    def folders(self) -> tuple[Path, ...]:
        """Every folder that will be filled."""
        return (self.data, *self.tablespaces.values())


def check(place: DataDirectory, workspace: Workspace, backup: Backup) -> None:
    """Raises ValidationError where something would be overwritten, or a tablespace has no place."""
    _check_tablespaces(place, backup)
    _check_apart(place)
    for folder in place.folders():
        try:
            _check_folder(folder, workspace)
        except OSError as error:
            raise errors.ValidationError(
                f"{folder} cannot be used: {error.strerror}.", remedy="Choose another one."
            ) from error


def check_room(place: DataDirectory, backup: Backup, wal_bytes: int) -> None:
    """Raises ValidationError where the disks have no room; what is not known is not judged."""
    spaces = {space.oid: space.size_bytes for space in tablespaces(backup)}
    whole = backup.source_size_bytes or 0
    wanted = {place.data: max(0, whole - sum(spaces.values())) + wal_bytes}
    wanted |= {folder: spaces.get(oid, 0) for oid, folder in place.tablespaces.items()}
    by_disk: dict[int, int] = {}
    for folder, size in wanted.items():
        there = _existing(folder)
        disk = there.stat().st_dev
        by_disk[disk] = by_disk.get(disk, 0) + size
        status = os.statvfs(there)
        free = status.f_bavail * status.f_frsize
        if by_disk[disk] > free:
            raise errors.ValidationError(
                f"The disk of {folder} is too small: {units.format_size(by_disk[disk])} are needed, "
                f"{units.format_size(free)} are free.",
                remedy="Choose another place, or make room; nothing was touched.",
            )


def tablespaces(backup: Backup) -> tuple[Tablespace, ...]:
    """Those of the server, and those that only a file tells of: made while the backup ran."""
    known = backup.server_facts.tablespaces if backup.server_facts else ()
    bases = (stored.path.partition(".tar") for stored in backup.files)
    stored = {int(base) for base, dot, _ in bases if dot and base.isdecimal()}
    more = stored - {space.oid for space in known}
    return (*known, *(Tablespace(oid=oid, name=str(oid), location="") for oid in sorted(more)))


def _check_tablespaces(place: DataDirectory, backup: Backup) -> None:
    spaces = tablespaces(backup)
    missing = [space for space in spaces if space.oid not in place.tablespaces]
    if missing:
        wanted = " ".join(f"--tablespace {space.oid}=/new/folder" for space in missing)
        names = ", ".join(
            f"{space.name} (was in {space.location or 'an unknown place'})" for space in missing
        )
        raise errors.ValidationError(
            f"The backup has tablespaces that need a place: {names}.", remedy=f"Add {wanted}."
        )
    unknown = set(place.tablespaces) - {space.oid for space in spaces}
    if unknown:
        there = ", ".join(str(space.oid) for space in spaces) or "none"
        raise errors.ValidationError(
            f"The backup has no tablespace {min(unknown)}.", remedy=f"There are: {there}."
        )


def _check_apart(place: DataDirectory) -> None:
    """One folder inside another would be filled by both."""
    resolved = [_real(folder) for folder in place.folders()]
    for number, folder in enumerate(resolved):
        others = (*resolved[:number], *resolved[number + 1 :])
        inside = next((other for other in others if folder.is_relative_to(other)), None)
        if inside is not None:
            raise errors.ValidationError(
                f"{folder} and {inside} are not apart.", remedy="Give each tablespace a folder of its own."
            )


def _check_folder(folder: Path, workspace: Workspace) -> None:
    """Raises ValidationError, and OSError where it may not be looked at."""
    if (folder / "postmaster.pid").exists():
        raise errors.ValidationError(
            f"{folder} is the data directory of a running server.",
            remedy="Choose an empty one; nothing was touched.",
        )
    if (folder / UNFINISHED).exists():
        raise errors.ValidationError(
            f"{folder} holds a recovery that did not finish.",
            remedy=f"Unless another one is filling it now, empty it and run this again: "
            f"find {folder} -mindepth 1 -delete",
        )
    if os.path.lexists(folder) and any(folder.iterdir()):
        raise errors.ValidationError(
            f"{folder} is not empty.", remedy="Choose an empty one; nothing was touched."
        )
    _check_surroundings(folder, workspace)


def _real(folder: Path) -> Path:
    """Without links, as far as it is there; Path.resolve raises RuntimeError for a circle of them."""
    return Path(os.path.realpath(folder))


def _check_surroundings(folder: Path, workspace: Workspace) -> None:
    for parent in _real(folder).parents:
        if (parent / "PG_VERSION").exists():
            raise errors.ValidationError(
                f"{folder} is inside {parent}, which is a data directory.",
                remedy="Choose a place outside of it.",
            )
    if _real(folder).is_relative_to(_real(workspace.config.drill_root())):
        return  # in a storage, perhaps, but no backup is ever written there
    for name, root in _storages(workspace):
        if _real(folder).is_relative_to(_real(root)):
            raise errors.ValidationError(
                f"{folder} is inside the storage {name}.", remedy="Choose a place outside of it."
            )


def _storages(workspace: Workspace) -> Iterator[tuple[str, Path]]:
    for name, storage in workspace.config.storages.items():
        root = getattr(storage, "path", None)
        if root is not None:
            yield name, Path(root)


def _existing(folder: Path) -> Path:
    return next(each for each in (folder, *folder.parents) if each.exists())
