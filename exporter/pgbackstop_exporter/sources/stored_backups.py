"""Whether kept backups are where they were stored, by the names of their folders alone.

What lies in a folder is for ``pgbackstop verify``. Reading may hang: call it in a thread.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import cast

from pgbackstop_catalog.records.backup import BackupType
from pgbackstop_catalog.store import layout
from pgbackstop_exporter.snapshot import Snapshot

Kept = Mapping[PurePosixPath, frozenset[str]]


def kept(snapshot: Snapshot, path: str) -> Kept:
    """Ids of the backups that the catalog has as kept in the storage at ``path``, by their parent folder."""
    config = snapshot.settings.config
    plans = snapshot.catalog.plans if snapshot.catalog else {}
    found: dict[PurePosixPath, frozenset[str]] = {}
    for name, plan in config.plans.items():
        if name not in plans or str(config.folder(plan.storage).path) != path:
            continue
        for subject, ids in plans[name].kept.items():
            parent = layout.backup_folder(
                backup_type=cast(BackupType, subject.backup_type),
                server=subject.server,
                database=subject.database,
                backup_id="any",
            ).parent
            found[parent] = found.get(parent, frozenset()) | frozenset(ids)
    return found


def missing(root: Path, wanted: Kept) -> frozenset[str]:
    """Ids of those whose folder is gone, from a storage that is there.

    What lies in a folder that we may not read is not said to be gone.
    """
    gone: set[str] = set()
    for parent, ids in wanted.items():
        there = _names(root / parent)
        if there is not None:
            gone |= ids - there
    return frozenset(gone)


def _names(folder: Path) -> frozenset[str] | None:
    """Empty where the folder is gone, None where it cannot be read."""
    try:
        return frozenset(os.listdir(folder))  # noqa: PTH208 - names, not a Path for each
    except FileNotFoundError:
        return frozenset()
    except OSError:
        return None
