"""The exporter on a catalog in PostgreSQL: the same facts as of a folder, as a role that can only read."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest

import pgbackstop_runner
from pgbackstop_catalog import errors
from pgbackstop_catalog.config.catalog_place import CatalogDatabase
from pgbackstop_catalog.records import codec
from pgbackstop_catalog.records.attempt import Status
from pgbackstop_catalog.records.storage import StorageMark
from pgbackstop_catalog.records.totals import Totals
from pgbackstop_catalog.store.folder import FolderCatalog
from pgbackstop_catalog.store.postgres import connection
from pgbackstop_catalog.store.postgres.catalog import PostgresCatalog
from pgbackstop_exporter.sources.catalog import CatalogSource
from pgbackstop_exporter.sources.record_database import DatabaseRecords
from pgbackstop_runner.copy import migrate_catalog
from tests.conformance.catalog import proof_of, put, restore_of
from tests.integration.exporter.running import Exporter
from tests.support import factories, storages
from tests.support.backups import Site, plan
from tests.support.catalogs import keys, place_on
from tests.support.factories import DAY, NOW
from tests.support.fixtures import MakeServer
from tests.support.servers import Server
from tests.unit.exporter.filled import put_state, wal_state

pytestmark = pytest.mark.integration

SCRIPT = Path(pgbackstop_runner.__file__).with_name("catalog-reader.sql")


@pytest.fixture
def fleet(place: CatalogDatabase) -> Iterator[PostgresCatalog]:
    catalog = PostgresCatalog(place)
    catalog.create()
    yield catalog
    catalog.session.close()


@pytest.fixture
def source(fleet: PostgresCatalog, tmp_path: Path) -> CatalogSource:
    return CatalogSource(DatabaseRecords(fleet.place), tmp_path)


def fill(catalog: PostgresCatalog | FolderCatalog) -> None:
    for number in range(40):
        record = factories.backup(number, NOW - number * DAY)
        catalog.put(record)
        catalog.put(factories.copy_of(record))
        catalog.put(proof_of(record, number))
    catalog.put(factories.failed())
    catalog.put(restore_of(record, 3))
    catalog.put(Totals(plan="main-logical", runs={"shop": 7}))
    catalog.put(Totals(plan="gone", runs={"shop": 7}))


def test_it_sees_what_it_sees_in_a_folder(
    fleet: PostgresCatalog, source: CatalogSource, tmp_path: Path
) -> None:
    folder = storages.catalog(tmp_path / "catalog")
    fill(folder)
    migrate_catalog.run(folder, fleet)
    assert replace(source.refresh(), fleet=None) == CatalogSource.of_folder(folder.root).refresh()


def test_it_sees_every_change_and_reads_nothing_else(fleet: PostgresCatalog, source: CatalogSource) -> None:
    fill(fleet)
    before = source.refresh()
    looked_at = source.looked_at
    assert source.refresh() == before
    assert source.looked_at == looked_at
    new = factories.backup(90, NOW + DAY)
    running = new.evolve(status=Status.RUNNING, finished_at=None)
    for record, runs in ((running, 0), (new, 1)):
        fleet.put_progress(record)
        counted = [each.counts.runs for each in source.refresh().plans["main-logical"].histories.values()]
        assert max(counted) >= runs
    assert source.refresh() != before
    assert source.looked_at < 3 * looked_at
    kept = source.refresh().plans["main-logical"].kept
    assert new.id in {name for ids in kept.values() for name in ids}
    fleet.remove(new)
    fleet.put(Totals(plan="main-logical", runs={"shop": 8}))
    kept = source.refresh().plans["main-logical"].kept
    assert new.id not in {name for ids in kept.values() for name in ids}


def test_a_transaction_that_ends_late_is_seen(fleet: PostgresCatalog, source: CatalogSource) -> None:
    """Its id is smaller than one that was seen before."""
    early, late = factories.backup(1, NOW), factories.backup(2, NOW - DAY)
    fleet.put(late)
    with connection.opened(fleet.place) as slow, slow.transaction():
        slow.execute('update pgbackstop.records set document = document || \'{"message": "late"}\'')
        fleet.put(early)
        seen = source.refresh().plans["main-logical"]
        assert max(each.counts.runs for each in seen.histories.values()) == 2
        slow.execute(
            'update pgbackstop.records set document = document || \'{"status": "failed"}\' where name = %s',
            (late.id,),
        )
    seen = source.refresh().plans["main-logical"]
    assert max(sum(each.counts.failures.values()) for each in seen.histories.values()) == 1


def test_backups_that_are_given_to_another_plan_are_those_of_that_plan(
    fleet: PostgresCatalog, source: CatalogSource
) -> None:
    records = put(fleet, 2)
    fleet.put(Totals(plan="main-logical", runs={"shop": 2}))
    assert source.refresh().plans["main-logical"].kept
    for record in records:
        fleet.reassign(record, "main-logical", "new")
    plans = source.refresh().plans
    kept = {name: {each for ids in plan.kept.values() for each in ids} for name, plan in plans.items()}
    assert kept == {"main-logical": set(), "new": {record.id for record in records}}


def test_rows_that_are_no_records_are_counted(fleet: PostgresCatalog, source: CatalogSource) -> None:
    put(fleet, 2)
    with connection.opened(fleet.place) as opened:
        opened.execute(
            "update pgbackstop.records set document = document || '{\"record_version\": 2}'"
            " where name = (select max(name) from pgbackstop.records)"
        )
    facts = source.refresh()
    assert facts.unreadable == 1
    assert "main-logical" in facts.plans


def test_it_serves_what_it_knew_while_the_database_is_down(make_server: MakeServer, tmp_path: Path) -> None:
    server = make_server(17)
    server.execute("create database fleet encoding 'UTF8' template template0")
    catalog = PostgresCatalog(place_on(server, "fleet"))
    source = CatalogSource(DatabaseRecords(catalog.place), tmp_path)
    with pytest.raises(errors.CatalogError, match="has no schema pgbackstop"):
        source.refresh()
    catalog.create()
    fill(catalog)
    before = source.refresh()
    server.stop()
    (tmp_path / "outbox").mkdir()
    (tmp_path / "outbox" / "waiting.json").write_text("{}")
    with pytest.raises(errors.CatalogError, match="does not answer"):
        source.refresh()
    assert source.facts == replace(before, pending=1)  # this host's own state is seen
    server.start()
    assert source.refresh() == replace(before, pending=1)
    catalog.session.close()


def test_the_reader_reads_and_writes_nothing(
    fleet: PostgresCatalog, edge_server: Server, tmp_path: Path
) -> None:
    fill(fleet)
    script = SCRIPT.read_text()
    for _again in range(2):
        edge_server.execute(script, fleet.place.database)
    edge_server.execute(f"alter role pgbackstop_reader password '{edge_server.password}'")
    reader = fleet.place.evolve(user="pgbackstop_reader")
    try:
        source = CatalogSource(DatabaseRecords(reader), tmp_path)
        assert "main-logical" in source.refresh().plans
        with connection.opened(fleet.place) as owner:
            owner.execute("create table pgbackstop.of_a_later_migration ()")
        with connection.opened(reader) as opened:
            opened.execute("select from pgbackstop.of_a_later_migration")
            for statement in (
                "insert into pgbackstop.migrations (number, name) values (9000, 'mine')",
                "update pgbackstop.records set bytes = 1",
                "delete from pgbackstop.records",
                "create table pgbackstop.mine ()",
                "delete from pgbackstop.migrations",
            ):
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    opened.execute(statement.encode())
    finally:
        edge_server.execute("drop owned by pgbackstop_reader", fleet.place.database)
        edge_server.execute("drop role pgbackstop_reader")


def test_what_the_receiver_of_another_host_knows_is_seen_where_it_is_newer(
    fleet: PostgresCatalog, edge_server: Server, tmp_path: Path
) -> None:
    source = CatalogSource(DatabaseRecords(fleet.place), tmp_path / "catalog")
    here, there = (wal_state(updated_at=NOW + each * timedelta(seconds=1)) for each in (0, 1))
    told = f"'{codec.encode(there).decode()}'"
    for server, state in (("main", told), ("of_a_later_version", "'{}'"), ("silent", "null")):
        edge_server.execute(
            f"insert into pgbackstop.wal_lease values ('{server}', 'a', now(), now(), {state})",
            fleet.place.database,
        )
    assert source.refresh().wal == {"main": there}
    newest = there.evolve(updated_at=NOW + timedelta(seconds=2))
    for ours, known in ((here, there), (newest, newest)):
        put_state(tmp_path, "state/wal/main.json", ours)
        assert source.refresh().wal == {"main": known}


def test_storages_that_it_knows_are_those_of_the_catalog(
    fleet: PostgresCatalog, source: CatalogSource
) -> None:
    mark = StorageMark.new("disk")
    fleet.put(mark)
    put(fleet, 1)
    assert source.refresh().storages == {"disk": mark.evolve(created_at=next(fleet.storages()).created_at)}


def test_the_process_tells_that_its_catalog_is_away_and_goes_on(
    pg17: Server, make_server: MakeServer, tmp_path: Path
) -> None:
    server = make_server(17)
    server.execute("create database fleet encoding 'UTF8' template template0")
    more = {"catalog": keys(place_on(server, "fleet"))}
    site = Site(folder=tmp_path, server=pg17, plans={"dumps": plan(databases=["postgres"])}, more=more)
    record = site.make("dumps")[0]
    assert record.finished_at is not None
    with Exporter(site.file) as exporter:
        page = exporter.until_page(lambda page: bool(page.values("backup_last_success_time")))
        seen = page.value("backup_last_success_time")
        assert seen == pytest.approx(record.finished_at.timestamp())
        server.stop()
        page = exporter.until_page(lambda page: page.value("backup_source_up", source="catalog") == 0)
        assert page.value("backup_last_success_time") == seen
        assert page.value("backup_collector_success", collector="catalog") == 0
        disk = f"disk:{site.store}"
        page = exporter.until_page(lambda page: page.value("backup_collector_success", collector=disk) == 1)
        server.start()
        exporter.until_page(lambda page: page.value("backup_source_up", source="catalog") == 1)
