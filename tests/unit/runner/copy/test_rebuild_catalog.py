"""The catalog comes back from a storage alone, and nothing from outside becomes a path unchecked."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from pgbackstop_catalog import errors
from pgbackstop_catalog.records import codec
from pgbackstop_catalog.records.attempt import Status
from pgbackstop_catalog.records.backup import Backup
from pgbackstop_catalog.store import layout
from pgbackstop_catalog.store.folder import FolderCatalog
from pgbackstop_runner.copy import rebuild_catalog, run
from pgbackstop_runner.storage import identity
from pgbackstop_runner.storage.identity import NotThere
from pgbackstop_runner.workspace import Workspace
from tests.support import factories, forks, keys
from tests.support.factories import NOW
from tests.unit.runner import places


@pytest.fixture
def opened(tmp_path: Path) -> Workspace:
    storages = {"second": {"kind": "folder", "path": tmp_path / "second"}}
    return places.workspace(tmp_path, copies=("second",), storages=storages, catalog=tmp_path / "catalog")


def folder(opened: Workspace) -> FolderCatalog:
    """The catalog as a folder of files."""
    return FolderCatalog(opened.state.root)


def records(opened: Workspace) -> list[bytes]:
    """The catalog's records, as they stand in their files."""
    return [path.read_bytes() for path in folder(opened).entries("backups")]


def lose(opened: Workspace) -> None:
    """Lose every record; what a person does before a rebuild is done."""
    shutil.rmtree(opened.state.root)
    with pytest.raises(NotThere, match="is in use already"):
        identity.create_catalog(opened)
    identity.create_catalog(opened, replace=True)


def rewrite(opened: Workspace, backup: Backup, **changes: Any) -> None:
    """Change the record that lies beside the bytes, as somebody with the storage's keys could."""
    path = places.folder_of(opened, backup) / layout.RECORD_NAME
    path.write_text(json.dumps({**json.loads(path.read_bytes()), **changes}))


def test_a_lost_catalog_comes_back_as_it_was(opened: Workspace) -> None:
    places.days(opened, 3)
    full = places.stored(opened, factories.physical(7, NOW))
    places.stored(opened, factories.physical(8, NOW, parent=full))
    places.stored(opened, factories.backup(9, NOW, database="a/b").evolve(
        location=f"backups/logical/main/a%2Fb/{factories.backup(9, NOW).id}"
    ))  # fmt: skip
    before = records(opened)
    lose(opened)
    outcome = rebuild_catalog.run(opened, "disk")
    assert (len(outcome.restored), outcome.known, outcome.garbage) == (6, 0, ())
    assert records(opened) == before
    assert rebuild_catalog.run(opened, "disk").known == 6


def test_it_comes_back_from_the_copies_too(opened: Workspace) -> None:
    backups = places.days(opened, 2)
    run.run(opened, "main-logical", sleep=lambda _seconds: None)
    lose(opened)
    outcome = rebuild_catalog.run(opened, "second")
    assert outcome.garbage == ()
    assert [each.id for each in opened.catalog.backups()] == [each.id for each in backups]
    assert {(each.backup, each.storage, each.status) for each in opened.catalog.copies()} == {
        (each.id, "second", Status.SUCCEEDED) for each in backups
    }
    assert rebuild_catalog.run(opened, "second").restored == ()


def test_a_list_beside_the_bytes_is_read(opened: Workspace) -> None:
    _whole, listless, changed, less = (
        places.stored_many(opened, factories.backup(number, NOW)) for number in range(4)
    )
    (places.folder_of(opened, listless) / layout.CHECKSUMS_NAME).unlink()
    (places.folder_of(opened, changed) / layout.CHECKSUMS_NAME).write_bytes(b"changed\n")
    (places.folder_of(opened, less) / "shop.dir" / "7.dat").unlink()
    before = records(opened)
    lose(opened)
    outcome = rebuild_catalog.run(opened, "disk")
    assert records(opened) == before
    said = (
        (listless, "SHA256SUMS, the list of its files, is not there"),
        (changed, "SHA256SUMS, the list of its files, is not the one that was stored"),
        (less, "shop.dir/7.dat is missing"),
    )
    assert set(outcome.garbage) == {
        f"{each.location}: Backup {each.id} is damaged: {words}" for each, words in said
    }


def test_what_the_catalog_knows_is_not_overwritten(opened: Workspace) -> None:
    """The record beside the bytes is of the day of the backup; verified and expired came later."""
    first, second, third = places.days(opened, 3)
    opened.catalog.put(first.evolve(verified_at=NOW))
    opened.catalog.put(second.evolve(expired_at=NOW))
    newer = folder(opened).path(third)
    newer.write_bytes(codec.encode(third).replace(b'"record_version": 1', b'"record_version": 2'))
    before = records(opened)
    assert rebuild_catalog.run(opened, "disk").restored == ()
    assert records(opened) == before


def test_garbage_in_the_catalog_is_replaced_by_the_truth(opened: Workspace) -> None:
    backup = places.days(opened, 1)[0]
    folder(opened).path(backup).write_text("{")
    assert len(rebuild_catalog.run(opened, "disk").restored) == 1
    assert next(opened.catalog.backups()) == backup


def test_what_is_no_backup_is_named_and_the_rest_goes_on(opened: Workspace) -> None:
    backups = places.days(opened, 5)
    folders = [places.folder_of(opened, each) for each in backups]
    (folders[0] / layout.RECORD_NAME).unlink()
    (folders[1] / layout.RECORD_NAME).write_text("garbage")
    (folders[2] / "shop.backup").write_bytes(b"short")
    (folders[3] / "shop.backup").unlink()
    (folders[4].with_name("x.partial")).mkdir()
    (folders[4].with_name("x.partial") / "shop.backup").touch()
    (folders[4].parent.parent / "stray").touch()
    lose(opened)
    outcome = rebuild_catalog.run(opened, "disk")
    assert {each.id for each in opened.catalog.backups()} == {each.id for each in backups[2:]}
    said = "\n".join(outcome.garbage)
    for text in (
        f"{backups[0].location} has no backup.json",
        f"{backups[1].location}/backup.json is no record of pgbackstop",
        f"{backups[2].location}/shop.backup has 5 bytes; its record says 10",
        f"{backups[3].location}/shop.backup is missing",
        "x.partial has no backup.json",
        "backups/logical/main has no backup.json",
    ):
        assert text in said
    assert len(outcome.garbage) == 6


@pytest.mark.parametrize(
    "changes",
    [
        {"plan": "../../outside"},
        {"id": "../../../outside"},
        {"server": "other"},
        {"database": "other"},
        {"backup_type": "physical"},
        {"location": "backups/logical/main/shop/../../../../outside"},
        {"location": "/etc"},
        {"location": "backups/logical/main/shop/20200101T000000Z-000000"},
        {"id": "20200101T000000Z-000000"},
        {"status": "failed"},
        {"files": [{"path": "../../outside", "size_bytes": 1, "sha256": "0" * 64}]},
        {"record_version": 2},
    ],
    ids=lambda changes: " ".join(map(str, changes.values()))[:50],
)
def test_a_tampered_record_is_refused(opened: Workspace, tmp_path: Path, changes: dict[str, Any]) -> None:
    """Fault 32."""
    good, bad = places.days(opened, 2)
    rewrite(opened, bad, **changes)
    lose(opened)
    before = {path for path in tmp_path.rglob("*") if opened.state.root not in path.parents}
    outcome = rebuild_catalog.run(opened, "disk")
    assert [each.id for each in opened.catalog.backups()] == [good.id]
    assert len(outcome.garbage) == 1
    after = {path for path in tmp_path.rglob("*") if opened.state.root not in path.parents}
    assert after - {opened.state.root} == before - {opened.state.root}


def test_links_are_not_followed(opened: Workspace, tmp_path: Path) -> None:
    real, linked = places.days(opened, 2)
    folder = places.folder_of(opened, linked)
    folder.rename(tmp_path / "outside")
    folder.symlink_to(tmp_path / "outside")
    mark = places.folder_of(opened, real) / layout.RECORD_NAME
    mark.rename(tmp_path / "mark")
    mark.symlink_to(tmp_path / "mark")
    lose(opened)
    outcome = rebuild_catalog.run(opened, "disk")
    assert outcome.restored == ()
    assert outcome.garbage == (
        f"{real.location} has no backup.json: it was never finished, or is none of ours",
    )


def test_an_empty_storage_is_asked_about(opened: Workspace) -> None:
    opened.config.folder("disk").path.joinpath(layout.STORAGE_MARK).unlink()
    with pytest.raises(NotThere, match=r"is not there: .* holds no storage.json"):
        rebuild_catalog.run(opened, "disk")


def test_an_unknown_storage(opened: Workspace) -> None:
    with pytest.raises(errors.NotFound, match="There is no storage 'tape'"):
        rebuild_catalog.run(opened, "tape")


def pgbackstop(opened: Workspace, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The program in a process of its own, because an operation takes over signals and logging."""
    return forks.run("--config", str(opened.file), *arguments)


def test_the_command_says_what_it_did(tmp_path: Path) -> None:
    opened = places.workspace(tmp_path)
    opened.file.write_text("servers: {main: {}}\nstorages: {disk: {path: store}}\n")
    first, second = places.days(opened, 2)
    lose(opened)
    (places.folder_of(opened, second) / layout.RECORD_NAME).unlink()
    done = pgbackstop(opened, "catalog", "rebuild")
    assert done.returncode == 1
    assert "disk: 1 records restored, 0 were there." in done.stdout
    assert f"{second.location} has no backup.json" in done.stderr
    again = json.loads(pgbackstop(opened, "catalog", "rebuild", "--storage", "disk", "--json").stdout)
    assert (again[0]["known"], again[0]["restored"], len(again[0]["garbage"])) == (1, [], 1)
    assert [each.id for each in opened.catalog.backups()] == [first.id]


def test_encrypted_copies_are_found_without_an_identity(tmp_path: Path) -> None:
    settings = keys.generated(tmp_path / "keys").settings(reads=False)
    second = {"kind": "folder", "path": tmp_path / "second", "encryption": settings}
    opened = places.workspace(
        tmp_path, copies=("second",), storages={"second": second}, catalog=tmp_path / "catalog"
    )
    (backup,) = places.days(opened, 1)
    run.run(opened, "main-logical")
    lose(opened)
    found = rebuild_catalog.run(opened, "second")
    assert found.garbage == ()
    assert opened.catalog.backup(backup.id) == backup
    (copy,) = opened.catalog.copies("main-logical")
    assert (copy.storage, copy.status) == ("second", Status.SUCCEEDED)
    (stored,) = (tmp_path / "second").rglob("*.age")
    stored.write_bytes(stored.read_bytes()[:-1])
    (told,) = rebuild_catalog.run(opened, "second").garbage
    assert "shop.backup has" in told
