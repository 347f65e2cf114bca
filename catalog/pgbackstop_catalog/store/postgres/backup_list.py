"""Lists of backups in PostgreSQL: of each record only the keys that are shown leave the database."""

from __future__ import annotations

import json
from collections.abc import Callable, Hashable, Iterator, Sequence
from itertools import islice
from typing import Any, Final, LiteralString

from pgbackstop_catalog import errors
from pgbackstop_catalog.config.catalog_place import CatalogDatabase
from pgbackstop_catalog.records.backup import Backup
from pgbackstop_catalog.store import summary
from pgbackstop_catalog.store.backup_filter import EVERY, BackupFilter
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
_COUNT: Final[LiteralString] = "select count(*) from pgbackstop.records where kind = 'backup' "
_SUCCEEDED: Final = frozenset({"available", "expired"})
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

    def summaries(
        self, plan: str | None = None, *, before: str = "", wanted: BackupFilter = EVERY
    ) -> Iterator[BackupSummary]:
        values = {**_values(plan, wanted), "keys": list(_NOT_SHOWN)}
        shown = self._catalog.documents(
            "backup", _condition(plan, wanted), values, document=_SHOWN, before=before
        )
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

    def newest(self, plan: str | None, wanted: BackupFilter, limit: int) -> tuple[list[BackupSummary], int]:
        return list(islice(self.summaries(plan, wanted=wanted), limit)), self._count(plan, wanted)

    def count(self, plan: str | None = None) -> int:
        return self._count(plan, EVERY)

    def _count(self, plan: str | None, wanted: BackupFilter) -> int:
        return int(self._catalog.ask(_COUNT + _condition(plan, wanted), _values(plan, wanted))[0][0])

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


def _condition(plan: str | None, wanted: BackupFilter) -> LiteralString:
    """What else a row must meet, by the values of that name."""
    found: LiteralString = ""
    if plan is not None:
        found += " and scope = %(plan)s"
    if len(wanted.states) == 1 and "succeeded" not in wanted.states:
        found += " and state = %(state)s"  # in the order of its index
    elif wanted.states:
        found += " and state = any(%(states)s)"
    if wanted.database is not None:
        found += " and database = %(database)s"
    return found


def _values(plan: str | None, wanted: BackupFilter) -> dict[str, Any]:
    # An Enum's member would be written by its name.
    states = sorted(map(str, wanted.states | (_SUCCEEDED if "succeeded" in wanted.states else frozenset())))
    return {"plan": plan, "state": "".join(states[:1]), "states": states, "database": wanted.database}
