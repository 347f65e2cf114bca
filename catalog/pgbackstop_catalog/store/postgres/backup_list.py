"""Lists of backups in PostgreSQL: of each record only the keys that are shown leave the database."""

from __future__ import annotations

import json
from collections.abc import Callable, Hashable, Iterator, Sequence
from typing import Final, LiteralString

from pgbackstop_catalog import errors
from pgbackstop_catalog.config.catalog_place import CatalogDatabase
from pgbackstop_catalog.records.backup import Backup
from pgbackstop_catalog.store import summary
from pgbackstop_catalog.store.copy_listing import Copies
from pgbackstop_catalog.store.postgres import rows
from pgbackstop_catalog.store.postgres.catalog import PostgresCatalog
from pgbackstop_catalog.store.postgres.rows import Key
from pgbackstop_catalog.store.summary import BackupSummary

# All but what is not shown: a row is unpacked once for that, and once for each key that were taken out of it.
_SHOWN: Final[LiteralString] = """
    (case jsonb_typeof(document) when 'object' then document - %(keys)s::text[] else '{}' end)::text"""
_NOT_SHOWN: Final = tuple(sorted(Backup.model_fields.keys() - {*summary.KEYS}))
_IDS: Final[LiteralString] = """
    select name from pgbackstop.records where kind = 'backup' and name < %s order by name desc limit 1000"""
_COUNT: Final[LiteralString] = """
    select count(*) from pgbackstop.records
    where kind = 'backup' and (%(plan)s::text is null or scope = %(plan)s)"""
# What removes records writes a tally. A transaction that still runs may write rows older than the newest.
_STAND: Final[LiteralString] = """
    select newest::text, least(newest, pg_snapshot_xmin(pg_current_snapshot()))::text
      from (select max(changed_by) as newest from pgbackstop.records) as records"""
_COPIES: Final[LiteralString] = """
    select backup, document ->> 'storage', coalesce(status = 'succeeded', false),
           document ->> 'damaged_at' is not null
      from pgbackstop.records
     where kind = 'copy' and (scope, backup) = any(
               select * from unnest(%s::text[], %s::text[])) and document ->> 'expired_at' is null
     order by name desc"""


class PostgresBackupList:
    """Of a catalog in PostgreSQL."""

    def __init__(
        self, place: CatalogDatabase, on_invalid_record: Callable[[errors.CatalogError], None]
    ) -> None:
        self._on_invalid_record = on_invalid_record
        self._catalog = PostgresCatalog(place, on_invalid_record=on_invalid_record)

    def summaries(self, plan: str | None = None, *, before: str = "") -> Iterator[BackupSummary]:
        shown = self._catalog.documents("backup", plan, document=_SHOWN, keys=_NOT_SHOWN, before=before)
        for key, content in shown:
            try:
                yield summary.of_document(json.loads(content))
            except (ValueError, TypeError, KeyError, ArithmeticError, AttributeError):
                yield from self._judged(key)

    def ids(self) -> Iterator[str]:
        last = rows.AFTER_ALL
        while page := self._catalog.ask(_IDS, (last,)):
            for (last,) in page:
                yield last

    def count(self, plan: str | None = None) -> int:
        return int(self._catalog.ask(_COUNT, {"plan": plan})[0][0])

    def plans(self) -> list[str]:
        return list(self._catalog.plans())

    def copies(self, backups: Sequence[BackupSummary]) -> dict[str, Copies]:
        found: dict[str, Copies] = {}
        plans, ids = [each.plan for each in backups], [each.id for each in backups]
        for backup, storage, is_kept, is_damaged in self._catalog.ask(_COPIES, (plans, ids)):
            copies = found.setdefault(backup, Copies([], []))
            copies.kept.extend([storage] * is_kept)
            copies.damaged.extend([storage] * is_damaged)
        return found

    def record(self, backup: BackupSummary) -> Backup:
        return self._catalog.get(Backup, Key("backup", backup.plan, backup.id)) or self._catalog.backup(
            backup.id
        )

    def stand(self) -> Hashable:
        return tuple(map(str, self._catalog.ask(_STAND, ())))

    def _judged(self, key: Key) -> Iterator[BackupSummary]:
        """The headline of an unusual record, by the codec."""
        try:
            record = self._catalog.get(Backup, key)
            if record is not None:
                yield summary.of_document(record.model_dump(mode="json"))
        except errors.NewerRecord:
            raise
        except errors.CatalogError as error:
            self._on_invalid_record(error)
