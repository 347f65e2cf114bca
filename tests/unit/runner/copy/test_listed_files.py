"""A backup of many files, whose list stands beside them, is copied like any other."""

import shutil
from pathlib import Path

import pytest

from pgbackstop_catalog.records.attempt import Status
from pgbackstop_catalog.store import layout
from pgbackstop_runner.copy import rebuild_catalog, run
from pgbackstop_runner.workspace import Workspace
from tests.support import factories
from tests.support.factories import NOW
from tests.unit.runner import places


@pytest.mark.parametrize("is_sealed", [False, True])
def test_a_dump_whose_list_is_beside_it_is_copied(
    request: pytest.FixtureRequest, second: Path, is_sealed: bool
) -> None:
    opened = request.getfixturevalue("sealed" if is_sealed else "opened")
    backup = places.stored_many(opened, factories.backup(1, NOW))
    (made,) = run.run(opened, "main-logical", sleep=places.no_sleep)
    assert made.status is Status.SUCCEEDED, made.message
    copied = places.content(second / str(backup.location))
    assert len([path for path in copied if path.startswith("shop.dir/")]) == 150
    original = places.folder_of(opened, backup) / layout.CHECKSUMS_NAME
    assert copied[layout.CHECKSUMS_NAME] == original.read_bytes()
    shutil.rmtree(opened.config.catalog_folder() / "backups")
    outcome = rebuild_catalog.run(opened, "second")
    assert outcome.garbage == ()
    assert list(opened.catalog.backups()) == [backup]


@pytest.mark.parametrize("damage", ["gone", "changed", "a file less"])
def test_a_damaged_list_makes_no_copy(opened: Workspace, second: Path, damage: str) -> None:
    backup = places.stored_many(opened, factories.backup(1, NOW))
    folder = places.folder_of(opened, backup)
    if damage == "changed":
        (folder / layout.CHECKSUMS_NAME).write_bytes(b"changed\n")
    else:
        (folder / (layout.CHECKSUMS_NAME if damage == "gone" else "shop.dir/7.dat")).unlink()
    (failed,) = run.run(opened, "main-logical", sleep=places.no_sleep)
    assert (failed.status, failed.attempts) == (Status.FAILED, 1)
    assert f"Backup {backup.id} is damaged: " in failed.message
    assert not list(second.rglob(layout.RECORD_NAME))
