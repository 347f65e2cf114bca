"""Copies go with their backups; what cannot be removed is said, and removed later."""

import hashlib
from pathlib import Path

import pytest

from pgbackstop_catalog.records.backup import StoredFile
from pgbackstop_runner.copy import run
from pgbackstop_runner.expire import run as expire_run
from pgbackstop_runner.workspace import Workspace
from tests.unit.catalog.builders import NOW
from tests.unit.runner import places


def test_retention_removes_the_copy_too(opened: Workspace, second: Path) -> None:
    backups = places.days(opened, 2)
    run.run(opened, "main-logical", sleep=places.no_sleep)
    assert expire_run.run(opened, "main-logical", now=NOW).problems == ()
    assert {each.name for each in (second / "backups/logical/main/shop").iterdir()} == {backups[0].id}
    gone = {each.backup: each.expired_at is not None for each in opened.catalog.copies()}
    assert gone == {backups[0].id: False, backups[1].id: True}


@pytest.mark.parametrize("mounted", [False, True], ids=["no folder", "an empty mount point"])
def test_a_copy_that_cannot_be_removed_is_said_and_tried_again(
    opened: Workspace, second: Path, mounted: bool
) -> None:
    backups = places.days(opened, 2)
    run.run(opened, "main-logical", sleep=places.no_sleep)
    away = second.with_name("unplugged")
    second.rename(away)
    if mounted:
        second.mkdir()
    (problem,) = expire_run.run(opened, "main-logical", now=NOW).problems
    assert f"The copy of {backups[1].id} in second cannot be removed" in problem
    if mounted:
        second.rmdir()
    away.rename(second)
    assert expire_run.run(opened, "main-logical", now=NOW).problems == ()
    assert not (second / str(backups[1].location)).exists()


def test_no_empty_folder_is_left_of_an_expired_copy(opened: Workspace, second: Path) -> None:
    """A dump in the directory format is a folder in the backup's folder."""
    new, old = places.days(opened, 2)
    content = b"table\n"
    file = StoredFile(
        path="shop.dir/toc.dat", size_bytes=len(content), sha256=hashlib.sha256(content).hexdigest()
    )
    (places.folder_of(opened, old) / "shop.dir").mkdir()
    (places.folder_of(opened, old) / file.path).write_bytes(content)
    opened.catalog.put(old.evolve(files=(*old.files, file)))
    run.run(opened, "main-logical", sleep=places.no_sleep)
    assert (second / str(old.location) / file.path).exists()
    assert expire_run.run(opened, "main-logical", now=NOW).problems == ()
    folders = [path for path in second.rglob("*") if path.is_dir()]
    assert (second / str(new.location)) in folders
    assert [path for path in folders if not any(path.iterdir())] == []
