"""Whether kept backups are where they were stored, with every file of the size on record.

Names of folders are compared at every look, sizes of files some at a time: a stat each; of a dump whose list
of files is beside them, that list as well. What is in the files is for ``pgbackstop verify``. Reading may
hang: call it in a thread.
"""

from __future__ import annotations

import contextlib
import os
from collections import defaultdict
from collections.abc import Generator, Iterator, Mapping
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import Final, cast

from pgbackstop_catalog import errors, regular_file
from pgbackstop_catalog.config.catalog_place import CatalogDatabase
from pgbackstop_catalog.config.storage import FolderStorage
from pgbackstop_catalog.records import codec, file_list
from pgbackstop_catalog.records.attempt import BackupType
from pgbackstop_catalog.records.backup import Backup
from pgbackstop_catalog.store import layout
from pgbackstop_catalog.store.postgres.catalog import PostgresCatalog
from pgbackstop_catalog.store.postgres.rows import Key
from pgbackstop_exporter.snapshot import Snapshot

# By the parent of their folders, the ids of backups and the plan of each.
Kept = Mapping[PurePosixPath, Mapping[str, str]]

# At each look, every few seconds: a stat on a network file system may take milliseconds.
FILES_AT_ONCE: Final = 100


def kept(snapshot: Snapshot, path: str) -> Kept:
    """The backups that the catalog has as kept in the storage at ``path``."""
    config = snapshot.settings.config
    plans = snapshot.catalog.plans if snapshot.catalog else {}
    here = {
        name
        for name, each in config.storages.items()
        if isinstance(each, FolderStorage) and str(each.path) == path
    }
    found: defaultdict[PurePosixPath, dict[str, str]] = defaultdict(dict)
    for name, plan in config.plans.items():
        for subject, ids in plans[name].kept.items() if name in plans else ():
            parent = layout.backup_folder(
                backup_type=cast(BackupType, subject.backup_type),
                server=subject.server,
                database=subject.database,
                backup_id="any",
            ).parent
            for backup_id, backup in ids.items():
                if (backup.storage or plan.storage or config.first_folder) in here:
                    found[parent][backup_id] = name
    return dict(found)


class StoredBackups:
    """The backups of one storage; ``catalog`` is the catalog's folder or database."""

    def __init__(self, root: Path, catalog: Path | CatalogDatabase) -> None:
        self._root = root
        self._catalog = catalog if isinstance(catalog, Path) else PostgresCatalog(catalog, read_only=True)
        self._round: Iterator[None] = iter(())
        self._damaged: set[str] = set()

    def missing(self, wanted: Kept) -> frozenset[str]:
        """Ids of those whose folder is gone, or that have a file less or one of another size.

        The storage is there. What lies in a folder that we may not read is not said to be gone.
        """
        self._compare_some(wanted)
        self._damaged.intersection_update(*[set().union(*wanted.values())])
        gone = set(self._damaged)
        for parent, ids in wanted.items():
            there = _names(self._root / parent)
            if there is not None:
                gone |= ids.keys() - there
        return frozenset(gone)

    def _compare_some(self, wanted: Kept) -> None:
        """Go on with the round through all of them, or begin the next."""
        looked_at = sum(1 for _ in islice(self._round, FILES_AT_ONCE))
        if looked_at < FILES_AT_ONCE:
            self._round = self._compare(wanted)
            for _ in islice(self._round, FILES_AT_ONCE - looked_at):
                pass

    def _compare(self, wanted: Kept) -> Iterator[None]:
        """One round, the newest first; it yields after each file."""
        every = [(backup_id, parent) for parent, ids in wanted.items() for backup_id in ids]
        for backup_id, parent in sorted(every, reverse=True):
            record = self._record(wanted[parent][backup_id], backup_id)
            wrong = False
            if record is not None:
                wrong = yield from _is_wrong(record, self._root / parent / backup_id)
            (self._damaged.add if wrong else self._damaged.discard)(backup_id)

    def _record(self, plan: str, backup_id: str) -> Backup | None:
        """Of an available backup; None where it cannot be read, as the catalog's collector tells."""
        try:
            record: Backup | None
            if isinstance(self._catalog, Path):
                record = codec.read(Backup, self._catalog / "backups" / plan / f"{backup_id}.json")
            else:
                record = self._catalog.get(Backup, Key("backup", plan, backup_id))
        except (OSError, errors.CatalogError):
            return None
        return record if record is not None and record.is_available else None


def _is_wrong(record: Backup, folder: Path) -> Generator[None, None, bool]:
    """Compare its files one by one; it yields after each."""
    try:
        wanted = _sizes(record, folder)
    except (file_list.DamagedFiles, regular_file.Unusual):
        return True
    except OSError:  # not allowed, or a disk in trouble: that is no answer
        return False
    wrong = False
    total: int | None = 0
    for path, size in wanted.items():
        try:
            there = (folder / path).stat().st_size
        except (FileNotFoundError, NotADirectoryError):
            wrong = True
        except OSError:
            total = None
        else:
            wrong |= size is not None and there != size
            total = None if total is None else total + there
        yield
    return wrong or (record.file_list is not None and total not in {None, record.size_bytes})


def _sizes(record: Backup, folder: Path) -> Mapping[str, int | None]:
    """The size of each file as the record has it; None in a list, whose sizes are right if their sum is."""
    if record.file_list is None:
        return {each.path: each.size_bytes for each in record.files}
    content = None
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        content = regular_file.read(folder / layout.CHECKSUMS_NAME, codec.MOST_BYTES)
    return dict.fromkeys(file_list.digests_in(record, content))


def _names(folder: Path) -> frozenset[str] | None:
    """Empty where the folder is gone, None where it cannot be read."""
    try:
        return frozenset(os.listdir(folder))  # noqa: PTH208 - names, not a Path for each
    except FileNotFoundError:
        return frozenset()
    except OSError:
        return None
