"""Records that were decided together with a row, on their way into the catalog.

They are kept by the same transaction and carry their id, so that whoever writes them may die in between: the
next one writes the same record again.
"""

from __future__ import annotations

import psycopg

from pgbackstop_catalog.records import codec
from pgbackstop_catalog.records.backup import Backup
from pgbackstop_catalog.store.protocol import Catalog


def keep(connection: psycopg.Connection, record: Backup) -> None:
    """Keep a record until it is in the catalog."""
    connection.execute(
        "insert into pgbackstop.unwritten_record values (%s, %s) on conflict do nothing",
        (record.id, codec.encode(record).decode()),
    )


def write_one(connection: psycopg.Connection, catalog: Catalog) -> Backup | None:
    """Write one of them into the catalog and return it; None where there is none. Raises CatalogError."""
    with connection.transaction():
        row = connection.execute(
            "select id, record from pgbackstop.unwritten_record order by id limit 1 for update skip locked"
        ).fetchone()
        if row is None:
            return None
        record = codec.decode(Backup, row[1].encode(), where=f"the unwritten record {row[0]}")
        catalog.put(record)
        connection.execute("delete from pgbackstop.unwritten_record where id = %s", (row[0],))
    return record
