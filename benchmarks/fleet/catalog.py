"""A catalog in PostgreSQL with as many records as a large fleet has: each made of a real one by the database.

What differs between records of one plan (names, times, states) is set into a document that the codec wrote,
so that a million of them take a minute and every one is a record that the codec admits.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

from pgbackstop_catalog.config.catalog_place import CatalogDatabase
from pgbackstop_catalog.records.attempt import Status, Step
from pgbackstop_catalog.records.backup import Backup, StoredFile
from pgbackstop_catalog.records.copy import Copy
from pgbackstop_catalog.records.proof import Proof
from pgbackstop_catalog.records.source import DatabaseFacts, ServerFacts
from pgbackstop_catalog.store.postgres import rows
from pgbackstop_catalog.store.postgres.catalog import PostgresCatalog
from tests.support import catalogs
from tests.support.servers import Server

DATABASE: Final = "fleet"
# Of ten records of a plan, four are backups, three copies and three proofs; the newest week is kept.
SHARES: Final = (("backup", 4), ("copy", 3), ("proof", 3))
_KEPT: Final = 7
_STARTED: Final = datetime(2026, 1, 1, 2, tzinfo=UTC)
# Of the backups 1 % failed, and those older than a week are expired.
_FILL: Final = """
insert into pgbackstop.records (kind, scope, name, document, bytes)
select %(kind)s, plan, case %(kind)s when 'copy' then id || '@bucket' else id end, document, %(bytes)s
  from (select p, n, 'plan-' || p as plan,
               to_char(now() - n * interval '1 day', 'YYYYMMDD"T"HH24MISS"Z-"')
                   || lpad(to_hex(p), 6, '0') as id,
               to_char(now() - n * interval '1 day', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') as moment
          from generate_series(0, %(plans)s - 1) as p, generate_series(0, %(each)s - 1) as n) as made,
       lateral (select %(document)s::jsonb
            || jsonb_build_object('plan', plan, 'server', 'server-' || p, 'started_at', moment,
                                  'finished_at', moment)
            || case %(kind)s when 'copy' then '{}' else jsonb_build_object('id', id) end
            || case %(kind)s when 'backup' then '{}' else jsonb_build_object('backup', id) end
            || case when %(kind)s = 'backup' and (p + n) %% 100 = 99
                    then '{"status": "failed", "reason": "unreachable", "message": "It did not answer."}'
                    when %(kind)s <> 'proof' and n >= %(kept)s
                    then jsonb_build_object('expired_at', moment) else '{}' end as document) as documents
 order by n desc"""


def create(server: Server) -> CatalogDatabase:
    """Make a catalog without records on the server."""
    server.execute(f"create database {DATABASE} encoding 'UTF8' template template0")
    place = catalogs.place_on(server, DATABASE)
    catalog = PostgresCatalog(place)
    catalog.create()
    catalog.session.close()
    return place


def fill(server: Server, plans: int, records: int) -> None:
    """Write so many records into it."""
    with server.connect(DATABASE) as connection:
        connection.execute("set timezone to 'UTC'")
        connection.execute("set synchronous_commit to off")
        for kind, share in SHARES:
            document = rows.document(_sample(kind))
            values = {
                "kind": kind,
                "plans": plans,
                "each": max(1, records * share // 10 // plans),
                "document": document,
                "bytes": len(document),
                "kept": _KEPT,
            }
            connection.execute(_FILL, values)
        connection.execute("vacuum analyze pgbackstop.records")


def _sample(kind: str) -> Backup | Copy | Proof:
    backup = sample_backup()
    if kind == "backup":
        return backup
    if kind == "proof":
        return Proof.of(backup, "verify", started_at=_STARTED).evolve(
            status=Status.SUCCEEDED, finished_at=_STARTED, duration_seconds=12.5, read_bytes=5_000_000_000
        )
    return Copy(
        backup=backup.id,
        plan=backup.plan,
        server=backup.server,
        database=backup.database,
        backup_type=backup.backup_type,
        storage="bucket",
        status=Status.SUCCEEDED,
        started_at=_STARTED,
        finished_at=_STARTED,
        duration_seconds=40.0,
        size_bytes=backup.size_bytes,
    )


def sample_backup() -> Backup:
    """A dump of a database of 30 tables, with all that is written down of one."""
    return Backup(
        id=f"{_STARTED:%Y%m%dT%H%M%SZ}-000000",
        plan="plan",
        server="server",
        database="shop",
        backup_type="logical",
        status=Status.SUCCEEDED,
        trigger="schedule",
        scheduled_for=_STARTED,
        started_at=_STARTED,
        finished_at=_STARTED + timedelta(minutes=3),
        duration_seconds=180.0,
        host="backup-1",
        pid=4711,
        storage="disk",
        location="backups/logical/server/shop/20260101T020000Z-000000",
        format="custom",
        compression="zstd:3",
        files=tuple(
            StoredFile(path=name, size_bytes=1_000_000_000, sha256="ab" * 32)
            for name in ("shop.backup", "globals.sql", "roles.sql")
        ),
        size_bytes=3_000_000_000,
        source_size_bytes=9_000_000_000,
        verified_at=_STARTED + timedelta(minutes=4),
        verification="pg_restore --list, SHA-256",
        server_facts=ServerFacts(version="17.5", version_number=170005, system_identifier="7" * 19),
        database_facts=DatabaseFacts(encoding="UTF8", collate="C.UTF-8", ctype="C.UTF-8", owner="shop"),
        row_counts={f'"public"."table_{number}"': number * 1_000_003 for number in range(30)},
        tools={"pg_dump": "pg_dump (PostgreSQL) 17.5", "pg_restore": "pg_restore (PostgreSQL) 17.5"},
        restore_by_hand=("createdb shop", "pg_restore --dbname=shop --jobs=2 shop.backup"),
        steps=tuple(
            Step(name=name, duration_seconds=2.5) for name in ("preflight", "dump", "check", "commit")
        ),
    )
