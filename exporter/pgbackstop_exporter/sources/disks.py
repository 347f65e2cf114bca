"""The disks that hold backups: how full they are, and which backups are gone.

A look may hang: call it in a thread.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Final

from pgbackstop_catalog import errors
from pgbackstop_catalog.config.configuration import Config
from pgbackstop_catalog.config.storage import FolderStorage
from pgbackstop_catalog.records import codec
from pgbackstop_catalog.records.ids import begun_at
from pgbackstop_catalog.records.storage import StorageMark
from pgbackstop_catalog.store import layout, listing
from pgbackstop_catalog.store.folder import FolderCatalog
from pgbackstop_exporter.snapshot import DiskFacts
from pgbackstop_exporter.sources.stored_backups import Kept, StoredBackups

_MOUNTS: Final = Path("/proc/self/mountinfo")
_NO_MARKS: Final[Mapping[str, StorageMark]] = {}
_OCTAL: Final = re.compile(r"\\([0-7]{3})")  # how a space stands in a path there


def paths(config: Config) -> tuple[str, ...]:
    """The folders of storages, and the catalog's or else the state's where it lies outside all of them."""
    folders = {each.path for each in config.storages.values() if isinstance(each, FolderStorage)}
    catalog = config.state_root() if config.catalog_database else config.catalog_folder()
    if not any(catalog.is_relative_to(each) for each in folders):
        folders.add(catalog)
    return tuple(sorted(map(str, folders)))


def read(path: str, stored: StoredBackups, kept: Kept) -> DiskFacts:
    """How full it is, and whether the backups that are ``kept`` there are whole. Raises OSError.

    https://pubs.opengroup.org/onlinepubs/9699919799/functions/statvfs.html
    """
    found = os.statvfs(Path(path))
    return DiskFacts(
        free=found.f_bavail * found.f_frsize,
        size=found.f_blocks * found.f_frsize,
        free_inodes=found.f_favail if found.f_files else None,
        is_readonly=_is_readonly(Path(path), bool(found.f_flag & os.ST_RDONLY)),
        missing=stored.missing(kept),
    )


def look(
    config: Config, path: str, stored: StoredBackups, kept: Kept, marks: Mapping[str, StorageMark] = _NO_MARKS
) -> DiskFacts:
    """The same of a storage or catalog that is mounted. Raises CatalogError where it is not there, OSError.

    The disk that holds its mount point says nothing of it. ``marks`` are the storages that a catalog in
    PostgreSQL knows.
    """
    known = _require(config, Path(path), marks)
    found = read(path, stored, kept)
    lost = {each for each in found.missing if known and all(_is_lost(mark, each) for mark in known)}
    return replace(found, lost=frozenset(lost))


def _is_lost(mark: StorageMark, backup_id: str) -> bool:
    """Whether another storage had the name when the backup began."""
    with suppress(ValueError):
        return mark.replaced_at(begun_at(backup_id)) is not None
    return False


def _require(config: Config, path: Path, marks: Mapping[str, StorageMark]) -> list[StorageMark]:
    """What the catalog knows of the storages of that path.

    Raises CatalogError where the storage of that path is not mounted, or another one is.
    """
    storages = config.storages.items()
    names = [name for name, each in storages if isinstance(each, FolderStorage) and each.path == path]
    if not names:
        listing.require_state(path)  # of the catalog
        return []
    place = path / layout.STORAGE_MARK
    try:
        found = codec.read(StorageMark, place)
    except FileNotFoundError:
        raise errors.CatalogError(
            f"The storage {names[0]} is not there: {path} holds no {place.name}.",
            remedy=f"Mount it; or, if it is a new one, run 'pgbackstop storage create {names[0]}'.",
        ) from None
    known_by = marks.get if config.catalog_database else FolderCatalog(config.catalog_folder()).storage
    known = [mark for mark in map(known_by, names) if mark is not None]
    for mark in known:
        if mark.id != found.id:
            raise errors.CatalogError(
                f"{path} is not the storage {mark.name}: it is {found.id}, and the catalog knows {mark.id}.",
                remedy="Mount the right one.",
            )
    return known


def _is_readonly(path: Path, mount: bool) -> bool:
    """Whether the file system itself is: the exporter may have a read-only mount of a writable one."""
    try:
        table = _MOUNTS.read_text()
    except OSError:
        return mount  # no Linux
    return mount and "ro" in super_options(table, path.resolve())


def super_options(table: str, path: Path) -> frozenset[str]:
    """Options of the file system that holds ``path``, by the last mount of the longest mount point above it.

    psutil tells those of the mount alone, as statvfs does. Here they are the last field of
    https://docs.kernel.org/filesystems/proc.html#proc-pid-mountinfo-information-about-mounts
    """
    found = (Path("/"), frozenset({"ro"}))
    for line in table.splitlines():
        mount, _, source = line.partition(" - ")
        point = Path(_OCTAL.sub(lambda code: chr(int(code[1], 8)), mount.split()[4]))
        if path.is_relative_to(point) and len(point.parts) >= len(found[0].parts):
            found = (point, frozenset(source.split()[-1].split(",")))
    return found[1]
