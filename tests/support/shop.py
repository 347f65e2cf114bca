"""The small shop that tests back up: three tables, foreign keys, indexes, awkward values.

Awkward on purpose: a name that needs quoting, umlauts, an empty string beside NULL, bytes, JSON.
"""

CUSTOMERS = 200
PRODUCTS = 50
ORDERS = 2000

ROW_COUNTS = {"customers": CUSTOMERS, "products": PRODUCTS, "orders": ORDERS}

SQL = f"""
CREATE TABLE customers (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    email text NOT NULL UNIQUE,
    "Full Name" text NOT NULL,
    note text,
    joined_at timestamptz NOT NULL
);
CREATE TABLE products (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL,
    price numeric(10, 2) NOT NULL CHECK (price > 0),
    attributes jsonb NOT NULL,
    picture bytea
);
CREATE TABLE orders (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    customer_id bigint NOT NULL REFERENCES customers (id),
    product_id bigint NOT NULL REFERENCES products (id),
    quantity integer NOT NULL CHECK (quantity > 0),
    ordered_at timestamptz NOT NULL
);
CREATE INDEX orders_customer ON orders (customer_id);
CREATE INDEX orders_product ON orders (product_id);
CREATE INDEX orders_ordered_at ON orders (ordered_at DESC);

INSERT INTO customers (email, "Full Name", note, joined_at)
SELECT 'customer' || n || '@shop.example', 'Jürgen O''Neil ' || n,
       CASE n % 3 WHEN 0 THEN NULL WHEN 1 THEN '' ELSE E'two\\nlines' END,
       timestamptz '2024-01-01 00:00+00' + n * interval '1 hour'
FROM generate_series(1, {CUSTOMERS}) AS n;
INSERT INTO products (name, price, attributes, picture)
SELECT 'product ' || n, n * 1.25, jsonb_build_object('colour', 'blue', 'weight', n),
       decode(md5(n::text), 'hex')
FROM generate_series(1, {PRODUCTS}) AS n;
INSERT INTO orders (customer_id, product_id, quantity, ordered_at)
SELECT 1 + n % {CUSTOMERS}, 1 + n % {PRODUCTS}, 1 + n % 7,
       timestamptz '2024-06-01 00:00+00' + n * interval '1 minute'
FROM generate_series(1, {ORDERS}) AS n;
ANALYZE;
"""
