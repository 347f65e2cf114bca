"""The schema of the catalog's database: made once, moved upward, refused where it is newer."""

import threading
from pathlib import Path

import pytest

from pgbackstop_catalog import errors
from pgbackstop_catalog.config.catalog_place import CatalogDatabase
from pgbackstop_catalog.store.postgres import connection, schema
from tests.support import ports
from tests.support.servers import Server

pytestmark = pytest.mark.integration


def test_numbers_of_migrations_are_each_given_once() -> None:
    numbers = [each.number for each in schema.migrations()]
    assert numbers == sorted(set(numbers))


def test_it_is_made_once(place: CatalogDatabase) -> None:
    with connection.opened(place) as opened:
        assert schema.version(opened) == 0
        with pytest.raises(errors.CatalogError, match="has no schema pgbackstop"):
            schema.require(opened)
        assert schema.migrate(opened) == schema.migrations()
        assert schema.migrate(opened) == ()
        assert schema.version(opened) == schema.migrations()[-1].number
        schema.require(opened)


def test_it_is_made_in_a_schema_that_is_there(place: CatalogDatabase) -> None:
    with connection.opened(place) as opened:
        opened.execute("create schema pgbackstop")
        assert schema.migrate(opened) == schema.migrations()


def test_hosts_that_begin_at_once_make_it_once(place: CatalogDatabase) -> None:
    applied: list[int] = []

    def make() -> None:
        with connection.opened(place) as opened:
            applied.append(len(schema.migrate(opened)))

    threads = [threading.Thread(target=make) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(applied) == [0, 0, 0, len(schema.migrations())]


def test_an_older_one_is_moved_up_by_what_it_lacks(
    place: CatalogDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    more = schema.Migration(
        number=schema.migrations()[-1].number + 1, name="more", sql="create table pgbackstop.more ()"
    )
    with connection.opened(place) as opened:
        schema.migrate(opened)
        opened.execute("create table pgbackstop.kept as select 1 as one")
        monkeypatch.setattr(schema, "migrations", lambda: (*_known, more))
        with pytest.raises(errors.CatalogError, match="of an older pgbackstop"):
            schema.require(opened)
        assert schema.migrate(opened) == (more,)
        assert opened.execute(
            "select one from pgbackstop.kept, pgbackstop.migrations where number > 1"
        ).rowcount


def test_one_that_lacks_an_earlier_one_gets_it(
    place: CatalogDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As from two changes of the program that were made side by side."""
    earlier = schema.Migration(number=1000, name="earlier", sql="create table pgbackstop.earlier ()")
    later = schema.Migration(number=1001, name="later", sql="create table pgbackstop.later ()")
    with connection.opened(place) as opened:
        monkeypatch.setattr(schema, "migrations", lambda: (*_known, later))
        schema.migrate(opened)
        monkeypatch.setattr(schema, "migrations", lambda: (*_known, earlier, later))
        with pytest.raises(errors.CatalogError, match=r"schema 1001; this one needs 1000 too"):
            schema.require(opened)
        assert schema.migrate(opened) == (earlier,)
        schema.require(opened)


_known = schema.migrations()


def test_a_migration_that_fails_leaves_nothing(
    place: CatalogDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad = schema.Migration(
        number=_known[-1].number + 1, name="bad", sql="create table pgbackstop.half (); select 1/0"
    )
    monkeypatch.setattr(schema, "migrations", lambda: (*_known, bad))
    with connection.opened(place) as opened:
        with pytest.raises(errors.CatalogError, match="division by zero"), connection.explained(place):
            schema.migrate(opened)
        assert schema.version(opened) == 0


def test_a_newer_one_is_refused_and_left_alone(place: CatalogDatabase) -> None:
    with connection.opened(place) as opened:
        schema.migrate(opened)
        opened.execute("insert into pgbackstop.migrations (number, name) values (9000, 'of_tomorrow')")
        for refused in (schema.migrate, schema.require):
            with pytest.raises(errors.NewerRecord, match=r"schema 9000; this one knows \d"):
                refused(opened)


def test_sessions_are_as_we_want_them_whatever_the_database_sets(
    place: CatalogDatabase, edge_server: Server
) -> None:
    for setting in ("search_path to evil", "synchronous_commit to off", "statement_timeout to 1"):
        edge_server.execute(f"alter database {place.database} set {setting}")
    with connection.opened(place) as opened:
        row = opened.execute(
            "select current_setting('search_path'), current_setting('synchronous_commit'),"
            " current_setting('statement_timeout'), current_setting('default_transaction_read_only')"
        ).fetchone()
    assert row == ("", "on", "1min", "off")
    with (
        pytest.raises(errors.CatalogError, match="cannot be written"),
        connection.opened(place, read_only=True) as opened,
    ):
        opened.execute("create table public.no ()")


def test_a_database_of_another_encoding_is_refused(place: CatalogDatabase, edge_server: Server) -> None:
    edge_server.execute("create database catalog_latin encoding 'LATIN1' locale 'C' template template0")
    try:
        with pytest.raises(errors.CatalogError, match="is in LATIN1, not in UTF8"):
            connection.connect(place.evolve(database="catalog_latin"))
    finally:
        edge_server.execute("drop database catalog_latin with (force)")


def test_one_that_does_not_answer_is_one_sentence(place: CatalogDatabase, tmp_path: Path) -> None:
    with pytest.raises(errors.CatalogError, match="does not answer"):
        connection.connect(place.evolve(port=ports.free()))
    with pytest.raises(
        errors.CatalogError, match=r"catalog's database .*: The password file .* cannot be read"
    ):
        connection.connect(place.evolve(password_file=tmp_path / "none"))
