"""The demo's data: a shop of about 50 MB, made by the server itself in a few seconds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from psycopg import sql
from psycopg.rows import dict_row

if TYPE_CHECKING:
    import psycopg

DATABASE = "shop"
OWNER = "shop"
CUSTOMERS = 20_000
PRODUCTS = 2_000
ORDERS = 100_000

# Numbers that look random and are the same in every demo come from md5 and remainders, so that two people
# talk of the same shop. One order has one to four items.
_TABLES = """
create table customers (
    id bigint generated always as identity primary key,
    email text not null unique,
    name text not null,
    address jsonb not null,
    joined_at timestamptz not null
);
create table products (
    id bigint generated always as identity primary key,
    name text not null,
    description text not null,
    attributes jsonb not null,
    price numeric(10, 2) not null check (price > 0)
);
create table orders (
    id bigint generated always as identity primary key,
    customer_id bigint not null references customers (id),
    status text not null check (status in ('paid', 'sent', 'returned')),
    note text,
    ordered_at timestamptz not null default now()
);
create table order_items (
    order_id bigint not null references orders (id),
    line smallint not null,
    product_id bigint not null references products (id),
    quantity integer not null check (quantity > 0),
    price numeric(10, 2) not null,
    primary key (order_id, line)
);
"""
_ROWS = f"""
insert into customers (email, name, address, joined_at)
select 'customer' || n || '@shop.example', 'Customer ' || n,
       jsonb_build_object('street', left(md5(n::text), 12), 'number', n % 200, 'city', 'City ' || n % 97),
       now() - n * interval '35 minutes'
from generate_series(1, {CUSTOMERS}) as n;

insert into products (name, description, attributes, price)
select 'Product ' || n,
       (select string_agg(md5((n * 31 + w)::text), ' ') from generate_series(1, 12) as w),
       jsonb_build_object('colour', (array['red', 'green', 'blue'])[1 + n % 3], 'weight', n % 50 + 0.5),
       1 + n % 900 + 0.95
from generate_series(1, {PRODUCTS}) as n;

insert into orders (customer_id, status, note, ordered_at)
select 1 + n::bigint * 7919 % {CUSTOMERS}, (array['sent', 'sent', 'paid', 'returned'])[1 + n % 4],
       case when n % 5 = 0 then 'Please leave it with ' || md5(n::text) end,
       now() - ({ORDERS} - n) * interval '7 minutes'
from generate_series(1, {ORDERS}) as n;

insert into order_items (order_id, line, product_id, quantity, price)
select o.id, line, p.id, 1 + o.id % 3, p.price
from orders as o
cross join lateral generate_series(1, 1 + o.id % 4) as line
join products as p on p.id = 1 + (o.id * 31 + line * 17) % {PRODUCTS};
"""  # noqa: S608 - the numbers above
_INDEXES = """
create index customers_address on customers using gin (address jsonb_path_ops);
create index orders_customer on orders (customer_id);
create index orders_ordered_at on orders (ordered_at desc);
create index order_items_product on order_items (product_id);
analyze;
"""
_NEW_ORDER = f"""
with bought as (
    insert into orders (customer_id, status)
    select 1 + floor(random() * {CUSTOMERS})::bigint, 'paid' returning id
)
insert into order_items (order_id, line, product_id, quantity, price)
select bought.id, line, p.id, 1 + floor(random() * 3)::int, p.price
from bought
cross join lateral (
    select line, 1 + floor(random() * {PRODUCTS})::bigint as product from generate_series(1, 3) as line
) as chosen
join products as p on p.id = coalesce(case when line = 1 then %s::bigint end, chosen.product)
returning order_id
"""  # noqa: S608 - the numbers above
_PRODUCTS = "select id, name, attributes ->> 'colour' as colour, price from products order by id limit 6"
_NEWEST = """
select o.id, c.name as customer, o.status, o.ordered_at, sum(i.quantity * i.price) as total
from (select * from orders order by id desc limit 8) as o
join customers as c on c.id = o.customer_id
join order_items as i on i.order_id = o.id
group by o.id, c.name, o.status, o.ordered_at order by o.id desc
"""


def create(superuser: psycopg.Connection, password: str) -> None:
    """Make the owner and its empty database, where they are not there yet."""
    owner, database = sql.Identifier(OWNER), sql.Identifier(DATABASE)
    if not _has(superuser, sql.SQL("select from pg_roles where rolname = {}").format(OWNER)):
        superuser.execute(sql.SQL("create role {} login").format(owner))
    set_password(superuser, OWNER, password)
    if not _has(superuser, sql.SQL("select from pg_database where datname = {}").format(DATABASE)):
        superuser.execute(sql.SQL("create database {} owner {}").format(database, owner))


def is_filled(owner: psycopg.Connection) -> bool:
    """Whether the tables and their rows are there: they are made all or nothing."""
    return owner.execute("select to_regclass('public.order_items')").fetchone() != (None,)


def fill(owner: psycopg.Connection) -> None:
    """Make the tables and their rows in one transaction."""
    with owner.transaction():
        for script in (_TABLES, _ROWS, _INDEXES):
            owner.execute(script)


def place_order(owner: psycopg.Connection, product: int | None = None) -> int:
    """A new order of three items, one of them ``product`` where that is named; returns its number."""
    row = owner.execute(_NEW_ORDER, [product]).fetchone()
    return int(row[0]) if row else 0


def products(owner: psycopg.Connection) -> list[dict[str, object]]:
    """The first few, as the shop's page offers them."""
    with owner.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(_PRODUCTS).fetchall()


def newest_orders(owner: psycopg.Connection) -> list[dict[str, object]]:
    """The last few orders, the newest first."""
    with owner.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(_NEWEST).fetchall()


def count(owner: psycopg.Connection) -> int:
    """How many orders there are."""
    row = owner.execute("select count(*) from orders").fetchone()
    return int(row[0]) if row else 0


def set_password(superuser: psycopg.Connection, role: str, password: str) -> None:
    """Set a role's password without sending it: PostgreSQL gets, and logs at worst, its SCRAM verifier."""
    verifier = superuser.pgconn.encrypt_password(password.encode(), role.encode(), b"scram-sha-256")
    superuser.execute(sql.SQL("alter role {} password {}").format(sql.Identifier(role), verifier.decode()))


def _has(connection: psycopg.Connection, query: sql.Composed) -> bool:
    return connection.execute(query).fetchone() is not None
