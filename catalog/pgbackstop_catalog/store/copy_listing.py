"""Which storages hold copies of the backups of a list, whole or damaged, read without whole records."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from pgbackstop_catalog import regular_file
from pgbackstop_catalog.store import listing
from pgbackstop_catalog.store.summary import BackupSummary

_MOST_BYTES = 2**20


class Copies(NamedTuple):
    """The storages that keep a whole copy of a backup, and those that have a damaged one, by name."""

    kept: list[str]
    damaged: list[str]


def storages(root: Path, backups: Iterable[BackupSummary]) -> dict[str, Copies]:
    """Where each backup has copies, by its id.

    Raises CatalogError where the catalog cannot be read; a record that cannot be read is no copy.
    """
    plans = {each.id: each.plan for each in backups}
    found: dict[str, Copies] = defaultdict(lambda: Copies([], []))
    for plan in set(plans.values()):
        for path in sorted(listing.newest_first(root, "copies", plan)):
            backup_id, _, storage = path.stem.partition("@")
            if plans.get(backup_id) == plan:
                is_kept, is_damaged = _state(path)
                found[backup_id].kept.extend([storage] * is_kept)
                found[backup_id].damaged.extend([storage] * is_damaged)
    return found


def _state(path: Path) -> tuple[bool, bool]:
    """Whether it is whole, and whether it is damaged. A record of an earlier version has no damage."""
    try:
        record = json.loads(regular_file.read(path, _MOST_BYTES))
        there = record["expired_at"] is None
        return there and record["status"] == "succeeded", there and record.get("damaged_at") is not None
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return False, False
