"""The folder catalog: what is put is found, what is none is reported, nothing is lost."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pgbackstop_catalog import errors, regular_file
from pgbackstop_catalog.records import codec
from pgbackstop_catalog.records.storage import StorageMark
from pgbackstop_catalog.records.totals import Totals
from pgbackstop_catalog.store import listing, summary
from pgbackstop_catalog.store.folder import FolderCatalog
from tests.conformance.catalog import CatalogContract, proof_of, put
from tests.support import factories
from tests.support.factories import NOW


@pytest.fixture
def garbage() -> list[errors.CatalogError]:
    return []


@pytest.fixture
def catalog(tmp_path: Path, garbage: list[errors.CatalogError]) -> FolderCatalog:
    found = FolderCatalog(tmp_path / "catalog", on_invalid_record=garbage.append)
    found.create()
    return found


class TestFolderCatalog(CatalogContract):
    """The suite of all catalogs."""


def test_reading_makes_nothing(catalog: FolderCatalog) -> None:
    assert list(catalog.backups()) == []
    assert [path.name for path in catalog.root.iterdir()] == [listing.MARK]


def test_forgetting_one_leaves_what_cannot_be_read(catalog: FolderCatalog) -> None:
    one = put(catalog, 1)[0]
    catalog.put(proof_of(one, 1))
    garbage = catalog.root / "proofs" / one.plan / "garbage.json"
    garbage.write_text("{")
    catalog.remove(one)
    assert list(catalog.root.joinpath("proofs", one.plan).iterdir()) == [garbage]


def test_garbage_is_reported_and_passed_over(
    catalog: FolderCatalog, garbage: list[errors.CatalogError]
) -> None:
    records = put(catalog, 2)
    folder = catalog.root / "backups" / "main-logical"
    (folder / "20990101T000000Z-000000.json").write_text("garbage")
    (folder / ".hidden.json").write_text("garbage")
    (folder / "notes.txt").write_text("garbage")
    (catalog.root / "backups" / "a file").write_text("garbage")
    assert list(catalog.backups()) == records
    assert [("20990101T000000Z-000000.json" in str(error)) for error in garbage] == [True]
    assert (folder / "20990101T000000Z-000000.json").read_text() == "garbage"


def test_another_hears_of_garbage_among_physical_backups_until_it_is_mended(
    catalog: FolderCatalog, garbage: list[errors.CatalogError]
) -> None:
    record = factories.physical(1, factories.NOW)
    catalog.put(record)
    path = catalog.path(record)
    path.write_text("garbage")
    mine: list[errors.CatalogError] = []
    for _ in range(2):
        assert catalog.telling(mine.append).physical_backups("main") == []
    assert [str(path) in str(each) for each in mine] == [True, True]
    path.write_bytes(codec.encode(record))
    assert catalog.telling(mine.append).physical_backups("main") == [record]
    assert (len(mine), garbage) == (2, [])


@pytest.mark.parametrize("number", [errno.EIO, errno.ESTALE], ids=["sector", "stale"])
def test_a_record_on_a_damaged_sector_hides_no_other(
    catalog: FolderCatalog,
    garbage: list[errors.CatalogError],
    monkeypatch: pytest.MonkeyPatch,
    number: int,
) -> None:
    """No disk of a test has such a sector: what reads files says it of one."""
    damaged, other = put(catalog, 2)
    read = regular_file.read

    def failing(path: Path | str, most: int) -> bytes:
        if Path(path) == catalog.path(damaged):
            raise OSError(number, os.strerror(number))
        return read(path, most)

    monkeypatch.setattr(regular_file, "read", failing)
    fresh = FolderCatalog(catalog.root, on_invalid_record=garbage.append)
    assert list(fresh.backups()) == [other]
    assert [each.id for each in summary.read(fresh.entries("backups"), garbage.append)] == [other.id]
    assert len(garbage) == 2
    assert not fresh.has(damaged)  # so that it can be made anew
    number = errno.EMFILE  # not of the record, but of all
    with pytest.raises(errors.CatalogError, match="Too many open files"):
        list(fresh.backups())


def test_a_newer_record_stops_everything(catalog: FolderCatalog) -> None:
    record = put(catalog, 2)[1]
    path = catalog.path(record)
    path.write_text(path.read_text().replace('"record_version": 1', '"record_version": 2'))
    with pytest.raises(errors.NewerRecord, match="newer pgbackstop"):
        list(catalog.backups())


def test_a_folder_where_a_record_should_be(catalog: FolderCatalog) -> None:
    put(catalog, 1)
    stray = catalog.root / "backups" / "main-logical" / "20990101T000000Z-000000.json"
    stray.mkdir()
    heard: list[errors.CatalogError] = []
    catalog.on_invalid_record = heard.append
    assert len(list(catalog.backups())) == 1
    assert [each.problem for each in heard] == [f"{stray} is no record of pgbackstop (it is a folder)."]


def test_what_a_killed_process_left_half_written_is_swept(catalog: FolderCatalog) -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as gone:
        gone.wait()
    for record in (factories.backup(0, factories.NOW), StorageMark.new("disk"), Totals(plan="main-logical")):
        path = catalog.path(record)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.with_name(f".{path.name}.{gone.pid}.0123456789abcdef.tmp").write_text("{")
    catalog.sweep("main-logical")
    assert list(catalog.root.rglob(".*")) == []


def test_a_mount_point_is_no_catalog(tmp_path: Path) -> None:
    """Neither read as an empty one nor begun anew."""
    catalog = FolderCatalog(tmp_path)
    record = factories.backup(1, NOW)
    for act in (
        lambda: list(catalog.backups()),
        lambda: list(catalog.backups("main-logical")),
        lambda: list(catalog.restores()),
        catalog.plans,
        lambda: catalog.totals("main-logical"),
        lambda: catalog.put(record),
        lambda: catalog.put_progress(record),
        lambda: catalog.sweep("main-logical"),
        catalog.check_writable,
    ):
        with pytest.raises(errors.CatalogError, match="is not there"):
            act()
    assert not catalog.is_there()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("target", ["not-mounted", "backups", "catalog.json"], ids=["away", "circle", "file"])
def test_records_that_are_away_are_not_taken_for_none(catalog: FolderCatalog, target: str) -> None:
    put(catalog, 1)
    folder = catalog.root / "backups"
    folder.rename(catalog.root / "elsewhere")
    folder.symlink_to(target)
    for plan in (None, "main-logical"):
        with pytest.raises(errors.CatalogError, match=r"The catalog cannot be read: .*/backups: "):
            list(catalog.backups(plan))
    folder.unlink()
    (catalog.root / "elsewhere").rename(folder)
    assert list(catalog.backups("nothing")) == []


def test_a_plan_whose_records_are_away_is_not_taken_for_one_without(catalog: FolderCatalog) -> None:
    put(catalog, 1)
    folder = catalog.root / "backups" / "main-logical"
    folder.rename(catalog.root / "elsewhere")
    folder.symlink_to("not-mounted")
    for plan in (None, "main-logical"):
        with pytest.raises(errors.CatalogError, match=r"The catalog cannot be read: .*/main-logical: "):
            list(catalog.backups(plan))
    with pytest.raises(errors.CatalogError, match="cannot be read"):
        catalog.plans()
    assert list(catalog.backups("nothing")) == []
    folder.unlink()
    folder.symlink_to(catalog.root / "elsewhere")
    assert len(list(catalog.backups("main-logical"))) == 1


def test_one_with_records_from_before_there_were_marks_is_there(catalog: FolderCatalog) -> None:
    records = put(catalog, 1)
    (catalog.root / listing.MARK).unlink()
    assert catalog.is_there()
    assert list(catalog.backups()) == records
    assert list(catalog.copies()) == []
    catalog.put(records[0].evolve(message="changed"))
    assert catalog.create()
    assert not catalog.create()


def test_a_catalog_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    catalog = FolderCatalog(tmp_path / "file")
    for action in (catalog.check_writable, lambda: put(catalog, 1), lambda: list(catalog.backups())):
        with pytest.raises(errors.CatalogError) as raised:
            action()
        assert str(tmp_path / "file") in raised.value.problem
        assert raised.value.remedy


def test_a_writable_one_is_left_clean(catalog: FolderCatalog) -> None:
    catalog.check_writable()
    assert [path.name for path in catalog.root.iterdir()] == [listing.MARK]
