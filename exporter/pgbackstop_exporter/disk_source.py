"""The disks that hold backups: what statvfs says. It may hang: call it in a thread."""

from __future__ import annotations

import os
from pathlib import Path

from pgbackstop_catalog.config import Config, FolderStorage
from pgbackstop_exporter.facts import DiskFacts


def paths(config: Config) -> tuple[str, ...]:
    """The folders of storages, and the catalog's where it lies outside all of them."""
    folders = {each.path for each in config.storages.values() if isinstance(each, FolderStorage)}
    catalog = config.catalog_folder()
    if not any(catalog.is_relative_to(each) for each in folders):
        folders.add(catalog)
    return tuple(sorted(map(str, folders)))


def read(path: str) -> DiskFacts:
    """https://pubs.opengroup.org/onlinepubs/9699919799/functions/statvfs.html Raises OSError."""
    found = os.statvfs(Path(path))
    return DiskFacts(
        free=found.f_bavail * found.f_frsize,
        size=found.f_blocks * found.f_frsize,
        free_inodes=found.f_favail if found.f_files else None,
        is_readonly=bool(found.f_flag & os.ST_RDONLY),
    )
