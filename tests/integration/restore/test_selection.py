"""Single tables and schemas come back with all that hangs on them, and overwrite nothing."""

from pathlib import Path
from typing import Any

import pytest

from pgbackstop_catalog import errors
from tests.integration.restore import image, places
from tests.support.backups import Site
from tests.support.databases import Database
from tests.support.servers import Server

MORE = """
create schema "Old Stock";
create type "Old Stock".colour as enum ('red', 'green');
create table "Old Stock"."Left Over" (id serial primary key, colour "Old Stock".colour not null);
insert into "Old Stock"."Left Over" (colour) select 'red' from generate_series(1, 30);
create table days (at date not null, n int, primary key (at, n)) partition by range (at);
create table days_24 partition of days for values from ('2024-01-01') to ('2025-01-01');
create table days_25 partition of days for values from ('2025-01-01') to ('2026-01-01');
insert into days select date '2024-01-01' + n, n from generate_series(0, 600) n;
alter table orders enable row level security;
create policy mine on orders using (quantity > 0);
comment on column orders.quantity is 'how; many''';
select lo_from_bytea(0, 'large');
"""


@pytest.fixture(params=places.FORMATS)
def place(request: pytest.FixtureRequest, database: Database, tmp_path: Path) -> Site:
    database.execute(MORE)
    place = places.site(tmp_path, database.server, database.name, format=request.param)
    places.backup(place)
    return place


def restore(place: Site, *tables: str, **more: Any) -> tuple[str, ...]:
    """Restores the tables; returns the warnings."""
    return places.restore(place, tables=tables, **more).warnings


def test_a_lost_table_comes_back_whole(place: Site, database: Database) -> None:
    before = image.of(database.server, database.name)
    database.execute("drop table orders")
    assert image.of(database.server, database.name) != before

    assert restore(place, "public.orders") == ()

    assert image.of(database.server, database.name) == before
    assert not [name for name in places.databases(database.server) if "__restore_" in name]


def test_a_table_whose_rows_could_not_be_counted_comes_back_too(place: Site, database: Database) -> None:
    before, backup = image.of(database.server, database.name), place.newest()
    rest = {name: rows for name, rows in (backup.row_counts or {}).items() if name != "public.orders"}
    place.catalog.put(backup.evolve(row_counts=rest, uncounted=("public.orders",)))
    assert place.run("verify", backup.id).returncode == 0
    database.execute("drop table orders")
    assert restore(place, "public.orders") == ()
    assert image.of(database.server, database.name) == before


def test_a_partitioned_table_comes_with_its_partitions(place: Site, database: Database) -> None:
    before = image.of(database.server, database.name)
    database.execute("drop table days")
    restore(place, "public.days")
    assert image.of(database.server, database.name) == before


def test_a_table_that_exists_is_not_overwritten(place: Site, database: Database) -> None:
    database.execute("delete from orders where id > 10")
    before = image.of(database.server, database.name)
    with pytest.raises(errors.ValidationError, match="orders exists already"):
        restore(place, "public.orders")
    assert image.of(database.server, database.name) == before
    assert not [name for name in places.databases(database.server) if "__restore_" in name]


def test_beside_the_one_that_exists(place: Site, database: Database) -> None:
    database.execute("delete from orders where id > 10")
    warnings = restore(place, "public.orders", "public.days", into_schema="from backup")
    assert database.execute('select count(*) from "from backup".orders') == [(2000,)]
    assert database.execute('select count(*) from "from backup".days') == [(601,)]
    assert database.row_counts()["orders"] == 10
    assert len([text for text in warnings if "foreign key" in text]) == 2


def test_a_schema_into_another_database(place: Site, database: Database) -> None:
    database.server.execute("create database elsewhere")
    try:
        database.server.execute(
            'create schema "Old Stock"; create type "Old Stock".colour as enum (\'red\')', "elsewhere"
        )
        places.restore(place, schemas=("Old Stock",), into="elsewhere")
        count = database.server.execute('select count(*) from "Old Stock"."Left Over"', "elsewhere")
        assert count == [(30,)]
    finally:
        database.server.execute("drop database elsewhere with (force)")


def test_a_foreign_key_whose_rows_are_gone_is_told(place: Site, database: Database) -> None:
    database.execute("drop table orders; delete from customers where id = 7")
    (warning,) = restore(place, "public.orders")
    assert "Foreign key orders_customer_id_fkey of public.orders could not be restored" in warning
    assert "run: ALTER TABLE ONLY public.orders ADD CONSTRAINT orders_customer_id_fkey" in warning
    assert database.row_counts()["orders"] == 2000


def test_foreign_keys_of_other_tables_come_back_with_the_table(place: Site, database: Database) -> None:
    before = image.of(database.server, database.name)
    database.execute("drop table customers, products cascade")
    assert image.of(database.server, database.name) != before
    told = dict(places.lines(place, tables=("public.customers",)))
    assert told["table"] == "public.customers, 200 rows"
    assert told["foreign key"].startswith("orders_customer_id_fkey of public.orders points to it")

    assert restore(place, "public.customers", "public.products") == ()

    assert image.of(database.server, database.name) == before


def test_one_of_them_that_no_longer_fits_is_told(place: Site, database: Database) -> None:
    database.execute("drop table customers cascade; update orders set customer_id = 999 where id = 1")
    (warning,) = restore(place, "public.customers")
    assert "Foreign key orders_customer_id_fkey of public.orders could not be restored" in warning
    assert database.row_counts()["customers"] == 200


def test_one_whose_table_is_gone_too_is_told(place: Site, database: Database) -> None:
    database.execute("drop table customers, orders cascade")
    (warning,) = restore(place, "public.customers")
    assert warning == "Foreign key orders_customer_id_fkey is left out: its table public.orders is not there."


def test_in_another_database_no_other_table_is_touched(place: Site, database: Database) -> None:
    database.server.execute("create database elsewhere")
    try:
        database.server.execute("create table orders (customer_id bigint)", "elsewhere")
        assert restore(place, "public.customers", into="elsewhere") == ()
        keys = "select count(*) from pg_constraint where contype = 'f'"
        assert database.server.execute(keys, "elsewhere") == [(0,)]
    finally:
        database.server.execute("drop database elsewhere with (force)")


def test_a_table_that_the_backup_does_not_have(place: Site) -> None:
    with pytest.raises(errors.NotFound, match=r"has no table public\.ordres"):
        places.lines(place, tables=("public.ordres",))
    assert places.restores(place) == []  # nothing was begun


DEPENDENT = """
create view "The Best" as select o.id from orders o where o.quantity > 5;
create view better as select count(*) as "public.n" from "The Best";
create materialized view totals as select customer_id, sum(quantity) from orders group by 1;
create view of_customers as select 'public.orders' as text, c.id from customers c;
create function how_many() returns bigint language sql begin atomic select count(*) from orders; end;
create function says() returns text language sql as 'select $$public.orders$$';
alter table customers enable row level security;
create policy with_orders on customers
  using (exists (select from orders o where o.customer_id = customers.id));
create policy of_their_own on orders using (exists (select from customers));
create publication news for table orders, customers;
create table late_orders (reason text) inherits (orders);
create index on late_orders (reason);
create function total(o orders) returns numeric language sql as 'select o.quantity::numeric';
create function total(c customers) returns numeric language sql as 'select 1::numeric';
create function last_of(orders, orders) returns orders language sql as 'select $2';
create aggregate last_order(orders) (sfunc = last_of, stype = orders);
create rule keep as on delete to customers do also delete from orders where customer_id = old.id;
create type parcel as (weight int, content orders);
create table sent (at date, numbered int default 7, what orders[]);
create table numbers (n bigint default nextval('orders_id_seq'));
create unique index on totals (customer_id);
create function into_best() returns trigger language plpgsql as 'begin return null; end';
create trigger instead instead of insert on "The Best" for each row execute function into_best();
create rule nothing as on delete to "The Best" do instead nothing;
comment on view "The Best" is 'of more than 5';
grant select on "The Best" to public;
"""
TAKEN = [
    *('"The Best"', "better", "totals", "how_many", "late_orders", "public.total", "last_of", "last_order"),
    *("with_orders of public.customers", "news of public.orders", "keep of public.customers"),
    *("content of public.parcel", "what of public.sent", "n of public.numbers"),
]


@pytest.mark.parametrize("kind", places.FORMATS)
def test_what_cascade_took_is_named_with_its_statement(kind: str, database: Database, tmp_path: Path) -> None:
    """Run as they are told, the statements bring everything back."""
    taken_and_back(kind, database, tmp_path)


def test_what_cascade_took_on_every_major(server: Server, database: Database, tmp_path: Path) -> None:
    taken_and_back("custom", database, tmp_path)


def taken_and_back(kind: str, database: Database, tmp_path: Path) -> None:
    database.execute(DEPENDENT)
    place = places.site(tmp_path, database.server, database.name, format=kind)
    places.backup(place)
    before = image.of(database.server, database.name)
    told = [how for what, how in places.lines(place, tables=("public.orders",)) if "make it again" in how]
    assert len(told) == len(TAKEN)
    database.execute("drop table orders cascade")

    warnings = restore(place, "public.orders")

    assert [name for name in TAKEN if any(f"{name} is gone" in each for each in warnings)] == TAKEN
    assert len(warnings) == len(TAKEN)
    for warning in warnings:
        database.execute(warning.partition("To have it back, run: ")[2])
    assert image.of(database.server, database.name) == before


CHILDREN = """
create table late_orders (reason text, primary key (id)) inherits (orders);
insert into late_orders select o.*, 'snow' from only orders o where o.id < 4;
"""


@pytest.mark.parametrize(
    "times",
    [[("public.orders", "public.late_orders")], [("public.orders",), ("public.late_orders",)]],
    ids=["together", "after it"],
)
def test_children_come_back_with_their_rows(
    times: list[tuple[str, ...]], database: Database, tmp_path: Path
) -> None:
    """With their parent in one go, or after it."""
    database.execute(CHILDREN)
    place = places.site(tmp_path, database.server, database.name)
    places.backup(place)
    before = image.of(database.server, database.name)
    database.execute("drop table orders cascade")
    warnings = [text for tables in times for text in restore(place, *tables)]
    told = [text for text in warnings if "The table public.late_orders is gone" in text]
    assert len(told) == len(times) - 1
    assert all("rows and all, which 'restore --table' brings back" in text for text in told)
    assert image.of(database.server, database.name) == before
    assert database.execute("select count(*) from late_orders") == [(3,)]


def test_what_is_still_there_is_not_named(database: Database, tmp_path: Path) -> None:
    """A table that is restored beside takes nothing away."""
    database.execute(DEPENDENT)
    place = places.site(tmp_path, database.server, database.name)
    places.backup(place)
    assert not [text for text in restore(place, "public.orders", into_schema="old") if "CASCADE" in text]
