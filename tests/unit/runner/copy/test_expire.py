"""Copies go with their backups; what cannot be removed is said, and removed later."""

import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pgbackstop_catalog import errors
from pgbackstop_catalog.records.attempt import Reason, Status
from pgbackstop_catalog.records.backup import Backup, StoredFile
from pgbackstop_catalog.records.vanished import Acknowledgement
from pgbackstop_runner.copy import run
from pgbackstop_runner.expire import run as expire_run
from pgbackstop_runner.storage.folder import FolderStore
from pgbackstop_runner.storage.protocol import StoreError
from pgbackstop_runner.workspace import Workspace
from tests.support.factories import DAY, NOW, physical
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


def copies(opened: Workspace, second: Path, plan: str) -> tuple[list[str], list[str]]:
    """The ids of what is on record as copied, and of what lies there; the newest first."""
    known = sorted((each.backup for each in opened.catalog.copies(plan) if each.is_available), reverse=True)
    marks = sorted((path.parent.name for path in second.rglob("backup.json")), reverse=True)
    return known, marks


def test_a_file_that_cannot_be_removed_keeps_no_other(
    opened: Workspace, second: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the copy, nor another copy; the commit mark is the first to go."""
    *_, old, older = places.days(opened, 3)
    run.run(opened, "main-logical", sleep=places.no_sleep)
    remove, stuck = FolderStore.remove, str(Path(str(old.location), "shop.backup"))

    def removing(store: FolderStore, paths: Any) -> None:
        wanted = list(paths)
        if stuck in wanted:
            raise StoreError(f"{stuck}: Operation not permitted.")
        remove(store, wanted)

    with monkeypatch.context() as patched:
        patched.setattr(FolderStore, "remove", removing)
        (problem,) = expire_run.run(opened, "main-logical", now=NOW).problems
    assert f"The copy of {old.id} in second cannot be removed: {stuck}" in problem
    assert [path.name for path in (second / str(old.location)).iterdir()] == ["shop.backup"]
    assert not (second / str(older.location)).exists()
    assert old.id in copies(opened, second, "main-logical")[0]
    assert expire_run.run(opened, "main-logical", now=NOW).problems == ()
    assert not (second / str(old.location)).exists()


def test_of_two_runners_one_expires(opened: Workspace, second: Path) -> None:
    """The other says who does, and touches nothing."""
    backups = places.days(opened, 2)
    run.run(opened, "main-logical", sleep=places.no_sleep)
    with opened.state.held(expire_run.lock_name("main-logical"), "Expire"):
        with pytest.raises(errors.Busy, match="Expire of plan main-logical is already running"):
            expire_run.run(opened, "main-logical", now=NOW)
        assert copies(opened, second, "main-logical") == ([each.id for each in backups],) * 2
    assert expire_run.run(opened, "main-logical", now=NOW).problems == ()
    assert copies(opened, second, "main-logical") == ([backups[0].id],) * 2


@pytest.mark.parametrize("catalog", [True, False], ids=["catalog elsewhere", "catalog in it"])
def test_while_the_own_storage_is_away_no_copy_goes(tmp_path: Path, catalog: bool) -> None:
    second = tmp_path / "second"
    elsewhere: dict[str, Any] = {"catalog": tmp_path / "catalog"} if catalog else {}
    storages = {"second": {"kind": "folder", "path": second}}
    opened = places.workspace(tmp_path, copies=("second",), storages=storages, **elsewhere)
    backups = places.days(opened, 2)
    run.run(opened, "main-logical", sleep=places.no_sleep)
    own = opened.config.folder("disk").path
    own.rename(tmp_path / "unplugged")
    if catalog:
        outcome = expire_run.run(opened, "main-logical", now=NOW)
        assert "Nothing of it was judged" in outcome.problems[0]
    else:
        with pytest.raises(errors.CatalogError):
            expire_run.run(opened, "main-logical", now=NOW)
    (tmp_path / "unplugged").rename(own)
    assert copies(opened, second, "main-logical") == ([each.id for each in backups],) * 2


def chain(opened: Workspace) -> tuple[Backup, Backup]:
    """A full backup and an incremental on it, both copied; the first was found damaged here."""
    full = places.stored(opened, physical(2, NOW - 2 * DAY))
    child = places.stored(opened, physical(1, NOW - DAY, parent=full))
    run.run(opened, "main-physical", sleep=places.no_sleep)
    return full, child


def test_a_copy_stays_while_an_incremental_there_is_built_on_it(opened: Workspace, second: Path) -> None:
    """Its original is damaged and given up: the chain is whole in the second storage alone."""
    full, child = chain(opened)
    note = Acknowledgement(at=NOW, operator="dba", host="here")
    opened.catalog.put(
        full.evolve(status=Status.FAILED, reason=Reason.CORRUPT, verification="failed", acknowledged=note)
    )
    for _ in range(2):
        assert expire_run.run(opened, "main-physical", now=NOW).problems == ()
    assert opened.catalog.backup(full.id).expired_at is not None
    assert copies(opened, second, "main-physical") == ([child.id, full.id],) * 2
    opened.catalog.put(child.evolve(expired_at=NOW))
    assert expire_run.run(opened, "main-physical", now=NOW).problems == ()
    assert copies(opened, second, "main-physical") == ([], [])


@pytest.mark.parametrize("spoil", [Path.unlink, lambda path: path.write_text("{")], ids=["gone", "damaged"])
@pytest.mark.parametrize("folder", ["backups", "copies"])
def test_where_a_record_cannot_be_read_no_copy_goes_that_it_may_need(
    tmp_path: Path, folder: str, spoil: Callable[[Path], object]
) -> None:
    """The incremental and its parent are in the second storage alone."""
    second = tmp_path / "second"
    storage = {"kind": "folder", "path": second, "keep": {"last": 1, "minimum": 1}}
    opened = places.workspace(tmp_path, copies=("second",), storages={"second": storage})
    full, child = chain(opened)
    assert copies(opened, second, "main-physical") == ([child.id, full.id],) * 2
    newest = places.stored(opened, physical(0, NOW))
    for each in (full, child):
        shutil.rmtree(places.folder_of(opened, each))
        opened.catalog.put(each.evolve(expired_at=NOW))
    (path,) = (opened.config.catalog_folder() / folder / child.plan).glob(f"{child.id}*.json")
    before = path.read_bytes()
    spoil(path)
    run.run(opened, "main-physical", sleep=places.no_sleep)
    outcome = expire_run.run(opened, "main-physical", now=NOW)
    assert f"Backup {child.id} in second is not in the catalog" in outcome.problems[0]
    assert copies(opened, second, "main-physical")[1] == [newest.id, child.id, full.id]
    path.write_bytes(before)
    assert expire_run.run(opened, "main-physical", now=NOW).problems == ()
    assert copies(opened, second, "main-physical") == ([newest.id],) * 2
