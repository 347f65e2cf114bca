"""What a storage does not let anybody delete yet, and whether that fits what is to be kept."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from pgbackstop_catalog.config.configuration import Config
from pgbackstop_catalog.config.storage import FolderStorage
from pgbackstop_catalog.decisions import locks
from tests.support.factories import DAY, NOW

LOCKED = FolderStorage(path=Path("/offsite"), locked_for=30 * 86400.0)


def test_a_lock_ends() -> None:
    assert locks.locked_until(LOCKED, NOW, NOW) == NOW + 30 * DAY
    assert locks.locked_until(LOCKED, NOW, NOW + 30 * DAY - timedelta(seconds=1)) == NOW + 30 * DAY
    assert locks.locked_until(LOCKED, NOW, NOW + 30 * DAY) is None
    assert locks.locked_until(LOCKED.evolve(locked_for=None), NOW, NOW) is None


@pytest.mark.parametrize(
    ("storage", "warns"),
    [
        ({"locked_for": "30d"}, True),  # the plan keeps seven, one a day
        ({"locked_for": "7d"}, False),
        ({"locked_for": "30d", "keep": {"daily": 40}}, False),
        ({"locked_for": "30d", "keep": {"within": "10d"}}, True),
        ({}, False),
    ],
)
def test_a_lock_that_is_longer_than_what_is_kept_is_told(storage: dict[str, Any], warns: bool) -> None:
    config = Config.model_validate(
        {
            "servers": {"main": {}},
            "plans": {"shop": {"server": "main", "backup_type": "logical", "copies": ["offsite"]}},
            "storages": {"local": {"path": "/backups"}, "offsite": {"path": "/offsite", **storage}},
        }
    )
    told = list(locks.contradictions(config, NOW))
    assert bool(told) == warns
    assert all("Copies of plan shop in offsite" in each and "30d" in each for each in told)
