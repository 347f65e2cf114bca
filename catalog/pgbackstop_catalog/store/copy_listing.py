"""Which storages hold copies of the backups of a list, without building whole records; see ``summary``."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

from pgbackstop_catalog import regular_file
from pgbackstop_catalog.store import listing
from pgbackstop_catalog.store.summary import BackupSummary

_MOST_BYTES = 2**20


def storages(root: Path, backups: Iterable[BackupSummary]) -> dict[str, list[str]]:
    """The storages with a whole copy that is kept, by the backup's id, in the order of their names.

    Raises CatalogError where the catalog cannot be read; a record that cannot be read is no copy.
    """
    plans = {each.id: each.plan for each in backups if each.state != "expired"}
    found: dict[str, list[str]] = defaultdict(list)
    for plan in set(plans.values()):
        for path in sorted(listing.newest_first(root, "copies", plan)):
            backup_id, _, storage = path.stem.partition("@")
            if plans.get(backup_id) == plan and _is_kept(path):
                found[backup_id].append(storage)
    return found


def _is_kept(path: Path) -> bool:
    try:
        record = json.loads(regular_file.read(path, _MOST_BYTES))
        return bool(record["status"] == "succeeded" and record["expired_at"] is None)
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return False
