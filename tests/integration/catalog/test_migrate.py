"""Records move between a folder and PostgreSQL, either way, all of them or with a word about each."""

import json
from pathlib import Path

import pytest

from pgbackstop_catalog import errors
from pgbackstop_catalog.config.catalog_place import CatalogDatabase
from pgbackstop_catalog.records.storage import StorageMark
from pgbackstop_catalog.records.totals import Totals
from pgbackstop_catalog.store.folder import FolderCatalog
from pgbackstop_catalog.store.postgres.catalog import PostgresCatalog
from pgbackstop_catalog.store.protocol import AnyRecord, Catalog
from pgbackstop_runner.copy import migrate_catalog
from tests.conformance.catalog import proof_of, put, restore_of
from tests.support import storages
from tests.support.backups import Site, sentence
from tests.support.factories import copy_of

pytestmark = pytest.mark.integration


def filled(root: Path) -> FolderCatalog:
    """A folder with records of every kind."""
    catalog = storages.catalog(root)
    one, other = put(catalog, 2)
    put(catalog, 2, plan="removed", first=5)
    nul = other.evolve(message="a\0b")
    more: list[AnyRecord] = [nul, copy_of(one), proof_of(one, 9), restore_of(one, 8)]
    for each in (*more, Totals(plan="gone", runs={"shop": 3}), StorageMark.new("disk")):
        catalog.put(each)
    return catalog


def everything(catalog: Catalog) -> list[AnyRecord]:
    return list(migrate_catalog._records(catalog))


def test_there_and_back_again(place: CatalogDatabase, tmp_path: Path) -> None:
    folder, fleet = filled(tmp_path / "catalog"), PostgresCatalog(place)
    result = migrate_catalog.run(folder, fleet)
    assert result.written == {"backup": 4, "copy": 1, "proof": 1, "restore": 1, "tally": 1, "storage": 1}
    again = migrate_catalog.run(folder, fleet)
    assert (again.written.total(), again.known, again.total) == (0, result.written, result.written)
    back = FolderCatalog(tmp_path / "back")
    migrate_catalog.run(fleet, back)
    shown = [
        each.evolve(message="a\u2400b") if "\0" in getattr(each, "message", "") else each
        for each in everything(folder)
    ]
    assert everything(back) == shown
    fleet.session.close()


def test_what_was_interrupted_goes_on(place: CatalogDatabase, tmp_path: Path) -> None:
    folder, fleet = filled(tmp_path / "catalog"), PostgresCatalog(place)
    fleet.create()
    for each in everything(folder)[:4]:
        fleet.put(each)
    result = migrate_catalog.run(folder, fleet)
    assert (result.known.total(), result.written.total()) == (4, 5)
    fleet.session.close()


def test_a_catalog_with_other_records_is_refused(place: CatalogDatabase, tmp_path: Path) -> None:
    folder, fleet = filled(tmp_path / "catalog"), PostgresCatalog(place)
    fleet.create()
    (stranger,) = put(fleet, 1, plan="stranger", first=50)
    with pytest.raises(errors.ValidationError, match=r"has 1 record that .* has not"):
        migrate_catalog.run(folder, fleet)
    assert list(fleet.backups()) == [stranger]
    fleet.session.close()


def test_a_record_that_differs_is_replaced_when_asked(place: CatalogDatabase, tmp_path: Path) -> None:
    folder, fleet = filled(tmp_path / "catalog"), PostgresCatalog(place)
    migrate_catalog.run(folder, fleet)
    newest = next(folder.backups())
    fleet.put(newest.evolve(message="expired there"))
    with pytest.raises(errors.ValidationError, match=r"1 record that .* has otherwise"):
        migrate_catalog.run(folder, fleet)
    assert next(fleet.backups()).message == "expired there"
    assert migrate_catalog.run(folder, fleet, replace=True).written.total() == 1
    assert next(fleet.backups()) == newest
    fleet.session.close()


def test_the_command(site: Site, tmp_path: Path) -> None:
    site.run("backup", "fleet")
    assert site.run("catalog", "migrate").returncode == 2
    missing = site.run("catalog", "migrate", "--from", str(tmp_path / "none"))
    assert missing.returncode == 5
    assert "There is no catalog to migrate" in sentence(missing)
    out = tmp_path / "out"
    done = site.run("catalog", "migrate", "--to", str(out))
    assert done.returncode == 0, done.stderr
    assert list(FolderCatalog(out).backups()) == list(site.workspace.catalog.backups())
    (out / "backups" / "fleet" / "20990101T000000Z-000000.json").write_text("garbage")
    back = site.run("catalog", "migrate", "--from", str(out), "--json")
    assert back.returncode == 1
    assert "not migrated: " in back.stderr
    assert json.loads(back.stdout)["written"] == {}
