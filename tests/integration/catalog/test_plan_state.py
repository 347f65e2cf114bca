"""What lists and overviews ask of a catalog in PostgreSQL: the same as a folder tells, from fewer records."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from pgbackstop_catalog.records.attempt import Status
from pgbackstop_catalog.store.backup_filter import EVERY, BackupFilter
from pgbackstop_catalog.store.backup_list import FolderBackupList
from pgbackstop_catalog.store.folder import FolderCatalog
from pgbackstop_catalog.store.postgres import plan_state
from pgbackstop_catalog.store.postgres.backup_list import PostgresBackupList
from pgbackstop_catalog.store.postgres.catalog import PostgresCatalog
from pgbackstop_runner.copy import migrate_catalog
from pgbackstop_runner.overview import newest_runs, plan_records
from tests.support import factories, storages
from tests.support.backups import Site
from tests.support.catalogs import keys, place_on
from tests.support.factories import DAY, NOW, copy_of, proof_of
from tests.support.servers import Server

pytestmark = pytest.mark.integration

PLAN = "main-logical"


@pytest.fixture
def folder(tmp_path: Path) -> FolderCatalog:
    """Ten attempts of one plan: kept, expired, failed, running; one of another plan and database."""
    made = storages.catalog(tmp_path / "folder")
    for number in range(10):
        expired = NOW if number >= 3 else None
        made.put(factories.backup(number, NOW - number * DAY, scheduled_for=NOW, expired_at=expired))
    newest = factories.backup(0, NOW, scheduled_for=NOW)
    made.put(factories.backup(20, NOW - 20 * DAY, status=Status.FAILED))
    made.put(factories.backup(21, NOW + DAY, status=Status.RUNNING, finished_at=None))
    made.put(factories.backup(22, NOW, plan="other", database="orders"))
    made.put(copy_of(newest, damaged_at=NOW))
    made.put(copy_of(newest, storage="elsewhere"))
    made.put(proof_of(newest))
    made.put(proof_of(newest, id="20261122T130000Z-000001", proof="verify"))
    return made


@pytest.fixture
def site(pg17: Server, tmp_path: Path, folder: FolderCatalog) -> Iterator[Site]:
    """A runner whose catalog is in PostgreSQL, with the same records."""
    pg17.execute("create database plan_state encoding 'UTF8' template template0")
    place = place_on(pg17, "plan_state")
    catalog = PostgresCatalog(place)
    migrate_catalog.run(folder, catalog)
    catalog.session.close()
    plans = {PLAN: {"server": "main", "backup_type": "logical", "databases": ["shop"]}}
    yield Site(folder=tmp_path, server=pg17, plans=plans, more={"catalog": keys(place)})
    pg17.execute("drop database plan_state with (force)")


def test_lists_are_those_of_a_folder(site: Site, folder: FolderCatalog) -> None:
    place = site.workspace.config.catalog_database
    assert place is not None
    own, theirs = PostgresBackupList(place, print), FolderBackupList(folder.root, print)
    states = ("available", "expired", "succeeded", "failed", "running", "missed")
    filters = [BackupFilter(states=frozenset({state})) for state in states]
    filters += [BackupFilter(states=frozenset({"failed", "available"})), BackupFilter(database="orders")]
    filters += [EVERY, BackupFilter(states=frozenset({"succeeded"}), database="shop")]
    found = 0
    for wanted in filters:
        for plan in (None, PLAN, "nobody"):
            listed, every = own.newest(plan, wanted, 4)
            expected, number = theirs.newest(plan, wanted, 4)
            assert [each.id for each in listed] == [each.id for each in expected]
            assert every == number
            found += every
            before = expected[-1].id if expected else ""
            assert [each.id for each in own.summaries(plan, before=before, wanted=wanted)] == [
                each.id for each in theirs.summaries(plan, before=before, wanted=wanted)
            ]
    assert found > len(filters)


def test_an_overview_has_the_sums_of_a_folder(
    site: Site, folder: FolderCatalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = site.workspace
    of_database = dict(plan_records.read(opened))[PLAN]
    drilled = newest_runs.drills(opened, PLAN, ["shop"])
    attempts = newest_runs.attempts(opened, PLAN, DAY.total_seconds())
    monkeypatch.setattr(type(opened.config), "catalog_place", lambda _config: folder.root)
    assert of_database == dict(plan_records.read(opened))[PLAN]
    assert len(of_database.kept["shop"]) == 3
    assert of_database.damaged_copies == {"shop": 1}
    assert drilled["shop"].success == of_database.drilled["shop"]
    assert [each.id for each in attempts] == [each.id for each in folder.backups(PLAN)][: len(attempts)]


def test_of_what_is_expired_only_the_newest_are_read(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    catalog = site.workspace.catalog
    monkeypatch.setattr(plan_state, "NEWEST", 5)
    read = [each.id[-1:] for each in plan_state.attempts(catalog, PLAN)]
    # Running, three that are kept, two that are not, and the failed one of long ago.
    assert read == ["5", "0", "1", "2", "3", "4", "4"]
