"""Which storage has a name, and had it before."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest

from pgbackstop_catalog.model import utc_now
from pgbackstop_catalog.records.storage import FormerStorage, StorageMark
from pgbackstop_catalog.store import layout
from pgbackstop_runner.storage import identity
from tests.unit.runner import places

MINUTE = timedelta(minutes=1)


@pytest.mark.parametrize("unmarked", [True, False], ids=["from before there were marks", "not known yet"])
def test_several_processes_adopt_one_storage_at_once(tmp_path: Path, *, unmarked: bool) -> None:
    opened = places.workspace(tmp_path)
    places.days(opened, 1)
    mark = tmp_path / "store" / layout.STORAGE_MARK
    known = opened.config.catalog_folder() / "storages" / "disk.json"
    several = 8
    together = threading.Barrier(several)

    def one(_number: int) -> None:
        together.wait()
        identity.require(opened, "disk")

    for _ in range(10):
        known.unlink()
        if unmarked:
            mark.unlink()
        with ThreadPoolExecutor(several) as pool:
            list(pool.map(one, range(several)))  # a mark that is not the known one would be refused
        identity.require(opened, "disk")


def test_each_moment_has_its_storage() -> None:
    now = utc_now()
    first, second = StorageMark.new("disk"), StorageMark.new("disk")
    gone = (
        FormerStorage(id=first.id, until=now - 2 * MINUTE),
        FormerStorage(id=second.id, until=now - MINUTE),
    )
    again = first.evolve(former=gone)
    assert again.replaced_at(now - 3 * MINUTE) is None
    assert again.replaced_at(now - 1.5 * MINUTE) == gone[1]
    assert again.replaced_at(now) is None
    assert StorageMark.new("disk").replaced_at(now) is None
