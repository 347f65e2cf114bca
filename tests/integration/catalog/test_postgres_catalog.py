"""The catalog in PostgreSQL: the suite of all catalogs, and what only a database can do to it."""

import json
from collections.abc import Iterator

import pytest

from pgbackstop_catalog import errors
from pgbackstop_catalog.config.catalog_place import CatalogDatabase
from pgbackstop_catalog.records.attempt import Status
from pgbackstop_catalog.records.totals import Totals
from pgbackstop_catalog.store.postgres import connection, schema
from pgbackstop_catalog.store.postgres.catalog import PostgresCatalog
from tests.conformance.catalog import CatalogContract, proof_of, put
from tests.support.catalogs import place_on
from tests.support.fixtures import MakeServer
from tests.support.servers import Server

pytestmark = pytest.mark.integration


@pytest.fixture
def garbage() -> list[errors.CatalogError]:
    return []


@pytest.fixture
def catalog(place: CatalogDatabase, garbage: list[errors.CatalogError]) -> Iterator[PostgresCatalog]:
    found = PostgresCatalog(place, on_invalid_record=garbage.append)
    assert not found.is_there()
    assert found.create()
    yield found
    found.session.close()


class TestPostgresCatalog(CatalogContract):
    """The suite of all catalogs."""


def ask(place: CatalogDatabase, statement: str) -> list[tuple[object, ...]]:
    with connection.opened(place) as opened:
        cursor = opened.execute(statement.encode())
        return cursor.fetchall() if cursor.description else []


def test_rows_tell_a_person_what_the_records_are(catalog: PostgresCatalog) -> None:
    record = put(catalog, 1)[0]
    rows = ask(catalog.place, "select plan, server, database, status, started_at from pgbackstop.records")
    started = json.loads(record.model_dump_json())["started_at"]
    assert rows == [("main-logical", "main", "shop", "succeeded", started)]


def test_one_that_is_not_there_is_not_made_on_the_way(place: CatalogDatabase) -> None:
    empty = PostgresCatalog(place)
    with pytest.raises(errors.CatalogError, match="The catalog is not there"):
        put(empty, 1)
    with pytest.raises(errors.CatalogError, match="The catalog is not there"):
        list(empty.backups())
    assert not empty.is_there()
    empty.session.close()


def test_garbage_is_reported_and_passed_over(
    catalog: PostgresCatalog, garbage: list[errors.CatalogError]
) -> None:
    records = put(catalog, 2)
    tally = Totals(plan="main-logical", runs={"shop": 3})
    catalog.put(tally)
    ask(
        catalog.place,
        "insert into pgbackstop.records (kind, scope, name, document, bytes) values"
        " ('backup', 'main-logical', '20990101T000000Z-000000', '{\"plan\": 5}', 0)",
    )
    ask(catalog.place, "update pgbackstop.records set document = '[]' where kind = 'tally'")
    assert list(catalog.backups()) == records
    assert catalog.totals("main-logical") == Totals(plan="main-logical")
    assert ["the backup main-logical/20990101T000000Z-000000" in str(each) for each in garbage] == [
        True,
        False,
    ]
    assert not catalog.has(tally)


def test_a_record_of_a_newer_version_stops_reading(catalog: PostgresCatalog) -> None:
    one, other = put(catalog, 2)
    ask(
        catalog.place,
        "update pgbackstop.records set document = document || '{\"record_version\": 2}'"
        f" where name = '{other.id}'",
    )
    assert catalog.has(other)
    for read in (lambda: list(catalog.backups()), lambda: catalog.backup(other.id)):
        with pytest.raises(errors.NewerRecord, match="written by a newer pgbackstop"):
            read()
    assert catalog.backup(one.id) == one


def test_a_newer_schema_is_refused(catalog: PostgresCatalog) -> None:
    ask(catalog.place, "insert into pgbackstop.migrations (number, name) values (9000, 'of_tomorrow')")
    later = PostgresCatalog(catalog.place)
    for use in (later.check_writable, later.create, lambda: put(later, 1), lambda: list(later.copies())):
        with pytest.raises(errors.NewerRecord, match="made by a newer pgbackstop"):
            use()
    later.session.close()


def test_an_older_schema_is_not_upgraded_on_the_way(
    catalog: PostgresCatalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    more = schema.Migration(number=9000, name="more", sql="select 1")
    known = schema.migrations()
    monkeypatch.setattr(schema, "migrations", lambda: (*known, more))
    later = PostgresCatalog(catalog.place)
    for use in (later.create, later.plans):
        with pytest.raises(errors.CatalogError, match="pgbackstop catalog upgrade"):
            use()
    later.session.close()


def test_another_connection_is_made_where_one_was_ended(catalog: PostgresCatalog) -> None:
    records = put(catalog, 3)
    end = (
        "select pg_terminate_backend(pid, 60000) from pg_stat_activity"
        " where datname = current_database() and pid <> pg_backend_pid()"
    )
    ask(catalog.place, end)
    assert list(catalog.backups()) == records
    ask(catalog.place, end)
    catalog.put(proof_of(records[0], 1))
    assert len(list(catalog.proofs())) == 1


def test_an_outcome_outlives_a_restart_of_the_database(make_server: MakeServer) -> None:
    server = make_server(17)
    server.execute("create database fleet encoding 'UTF8' template template0")
    catalog = PostgresCatalog(place_on(server, "fleet"))
    catalog.create()
    record = put(catalog, 1)[0]
    server.stop()
    running = record.evolve(status=Status.RUNNING, finished_at=None)
    with pytest.raises(errors.CatalogError, match="does not answer"):
        catalog.put_progress(running)
    catalog.put_progress(running)  # without another try
    catalog.session.patience = _Restarting(server)  # in which nobody waits here
    for impatient in (running, record.evolve(status=Status.MISSED)):
        with pytest.raises(errors.CatalogError, match="does not answer"):
            catalog.put(impatient)
    with pytest.raises(errors.CatalogError, match="does not answer"):
        list(catalog.backups())
    catalog.session.patience = (0.01,)
    with pytest.raises(errors.CatalogError, match="does not answer"):
        catalog.put(record)

    catalog.session.patience = _Restarting(server)
    catalog.put(record.evolve(message="after all"))
    assert [each.message for each in catalog.backups()] == ["after all"]
    catalog.session.close()


class _Restarting(tuple[float, ...]):
    """Pauses in which the server comes back."""

    __slots__ = ()
    server: Server

    def __new__(cls, server: Server) -> "_Restarting":
        made = super().__new__(cls, (0.0, 0.0))
        cls.server = server
        return made

    def __iter__(self) -> Iterator[float]:
        yield 0.0
        self.server.start()
        yield 0.0


def test_nothing_is_put_into_a_standby_or_without_the_right(
    catalog: PostgresCatalog, edge_server: Server
) -> None:
    record = put(catalog, 1)[0]
    edge_server.execute(f"alter database {catalog.place.database} set default_transaction_read_only to on")
    edge_server.execute("drop role if exists stranger")
    edge_server.execute("create role stranger login password 'stranger'")
    edge_server.execute(f"alter role stranger password '{edge_server.password}'")
    stranger = PostgresCatalog(catalog.place.evolve(user="stranger"))
    for use in (lambda: stranger.put(record), lambda: list(stranger.backups()), stranger.check_writable):
        with pytest.raises(errors.CatalogError, match="does not let stranger do this"):
            use()
    stranger.session.close()
    catalog.put(record)
    edge_server.execute("drop role stranger")
