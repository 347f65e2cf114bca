"""The folder catalog: what is put is found, what is none is reported, nothing is lost."""

from pathlib import Path

import pytest

from pgbackstop_catalog import errors
from pgbackstop_catalog.records.backup import Backup, Copy, Proof, Status, Totals
from pgbackstop_catalog.store.folder import FolderCatalog
from tests.unit.catalog import builders
from tests.unit.catalog.builders import DAY, NOW


@pytest.fixture
def garbage() -> list[errors.CatalogError]:
    return []


@pytest.fixture
def catalog(tmp_path: Path, garbage: list[errors.CatalogError]) -> FolderCatalog:
    return FolderCatalog(tmp_path / "catalog", on_invalid_record=garbage.append)


def put(catalog: FolderCatalog, count: int, plan: str = "main-logical", first: int = 0) -> list[Backup]:
    """Attempts of one plan, a day apart, the newest first."""
    made = [
        builders.backup(first + number, NOW - (first + number) * DAY, plan=plan) for number in range(count)
    ]
    for record in made:
        catalog.put(record)
    return made


def copy_of(backup: Backup, storage: str = "offsite") -> Copy:
    return Copy(
        backup=backup.id, plan=backup.plan, server="main", backup_type="logical", storage=storage,
        status=Status.SUCCEEDED, started_at=NOW,
    )  # fmt: skip


def proof_of(backup: Backup, number: int) -> Proof:
    return Proof(
        id=builders.backup(number, NOW).id, proof="drill", backup=backup.id, plan=backup.plan, server="main",
        backup_type="logical", status=Status.SUCCEEDED, started_at=NOW,
    )  # fmt: skip


def test_an_empty_one_has_nothing(catalog: FolderCatalog) -> None:
    assert list(catalog.backups()) == []
    assert list(catalog.copies("any")) == []
    assert catalog.plans() == ()
    assert catalog.totals("any") == Totals(plan="any")
    assert not catalog.root.exists()


def test_the_newest_first_over_all_plans(catalog: FolderCatalog) -> None:
    odd = put(catalog, 3, plan="b", first=10)
    even = put(catalog, 3, plan="a")
    assert list(catalog.backups()) == [*even, *odd]
    assert list(catalog.backups("b")) == odd
    assert catalog.plans() == ("a", "b")


def test_a_record_is_replaced(catalog: FolderCatalog) -> None:
    record = put(catalog, 1)[0]
    changed = record.evolve(message="changed")
    catalog.put(changed)
    assert list(catalog.backups()) == [changed]
    catalog.put_progress(record)
    assert list(catalog.backups()) == [record]


def test_by_the_beginning_of_an_id(catalog: FolderCatalog) -> None:
    one, other = put(catalog, 2)
    assert catalog.backup(one.id) == one
    assert catalog.backup(other.id[:8]) == other
    with pytest.raises(errors.NotFound, match="There is no backup 'x'"):
        catalog.backup("x")
    with pytest.raises(errors.NotFound, match="is the beginning of 2 backups") as raised:
        catalog.backup("2026")
    assert one.id in str(raised.value)


def test_copies_proofs_and_tallies(catalog: FolderCatalog) -> None:
    record = put(catalog, 1)[0]
    copy, proof, tally = copy_of(record), proof_of(record, 5), Totals(plan=record.plan, runs={"shop": 3})
    for each in (copy, proof, tally):
        catalog.put(each)
    assert list(catalog.copies()) == [copy]
    assert list(catalog.proofs(record.plan)) == [proof]
    assert catalog.totals(record.plan) == tally


def test_forgetting_one_takes_its_copies_and_proofs_and_no_others(catalog: FolderCatalog) -> None:
    one, other = put(catalog, 2)
    for number, record in enumerate((one, other)):
        catalog.put(copy_of(record))
        catalog.put(copy_of(record, "tape"))
        catalog.put(proof_of(record, number))
    (catalog.root / "proofs" / one.plan / "garbage.json").write_text("{")
    catalog.remove(one)
    catalog.remove(one)
    assert list(catalog.backups()) == [other]
    assert {each.backup for each in catalog.copies()} == {other.id}
    assert {each.backup for each in catalog.proofs()} == {other.id}
    assert (catalog.root / "proofs" / one.plan / "garbage.json").exists()


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


def test_a_newer_record_stops_everything(catalog: FolderCatalog) -> None:
    record = put(catalog, 2)[1]
    path = catalog.path(record)
    path.write_text(path.read_text().replace('"record_version": 1', '"record_version": 2'))
    with pytest.raises(errors.NewerRecord, match="newer pgbackstop"):
        list(catalog.backups())


def test_what_goes_while_it_is_read_is_gone(catalog: FolderCatalog) -> None:
    one, other = put(catalog, 2)
    reading = catalog.backups()
    assert next(reading) == one
    catalog.remove(other)
    assert list(reading) == []


def test_a_folder_where_a_record_should_be(catalog: FolderCatalog) -> None:
    put(catalog, 1)
    stray = catalog.root / "backups" / "main-logical" / "20990101T000000Z-000000.json"
    stray.mkdir()
    heard: list[errors.CatalogError] = []
    catalog.on_invalid_record = heard.append
    assert len(list(catalog.backups())) == 1
    assert [each.problem for each in heard] == [f"{stray} is no record of pgbackstop (it is a folder)."]


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
    assert list(catalog.root.iterdir()) == []
