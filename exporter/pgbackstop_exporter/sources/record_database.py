"""Records of a catalog in PostgreSQL, as a source of them: read again only where they changed.

A look is one snapshot of the database. It asks which plans have rows that transactions wrote since the look
before; what did not change is not read.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, LiteralString, TypeVar

import psycopg

from pgbackstop_catalog import errors
from pgbackstop_catalog.config.catalog_place import CatalogDatabase
from pgbackstop_catalog.decisions.attempts import UNREAD
from pgbackstop_catalog.records import codec
from pgbackstop_catalog.records.backup import Backup
from pgbackstop_catalog.records.copy import Copy
from pgbackstop_catalog.records.proof import Proof
from pgbackstop_catalog.records.restore import Restore
from pgbackstop_catalog.records.storage import StorageMark
from pgbackstop_catalog.records.totals import Totals
from pgbackstop_catalog.store.packed_records import RecordCodec
from pgbackstop_catalog.store.postgres.rows import Key
from pgbackstop_catalog.store.postgres.session import Session
from pgbackstop_catalog.store.record_cache import RecordCache
from pgbackstop_catalog.text import is_name
from pgbackstop_exporter.snapshot import FleetFacts
from pgbackstop_exporter.sources import workers
from pgbackstop_exporter.sources.record_folders import TallySource

R = TypeVar("R", bound=Backup | Copy | Proof | Restore)
D = TypeVar("D")
T = TypeVar("T")

_AT_ONCE: Final = 500
_LEFT_OUT: Final = {"backup": [*UNREAD]}
_BYTES_AT_ONCE: Final = 4_000_000
_ONE_MOMENT: Final[LiteralString] = "set transaction isolation level repeatable read"
# A transaction that is still running may write rows that are older than some which were seen.
_OLDEST_RUNNING: Final[LiteralString] = (
    "select pg_catalog.pg_snapshot_xmin(pg_catalog.pg_current_snapshot())::text"
)
# Rows of a restored dump may be from transactions that this server has not had: they did not change since.
_CHANGED: Final[LiteralString] = """
    select distinct kind, scope from pgbackstop.records
     where changed_by >= %s::xid8
       and changed_by < pg_catalog.pg_snapshot_xmax(pg_catalog.pg_current_snapshot())"""
_SCOPES: Final[LiteralString] = "select kind, scope, count(*) from pgbackstop.records group by kind, scope"
_REVISIONS: Final[LiteralString] = """
    select name, changed_by::text from pgbackstop.records where kind = %s and scope = %s"""
# What no digest is made of stays there: as text it is most of a record, and most of the time to read it.
_DOCUMENTS: Final[LiteralString] = """
    select name, changed_by::text,
           (case jsonb_typeof(document) when 'object' then document - %s::text[] else document end)::text
      from (
        select *, sum(bytes) over (order by name) - bytes as before from (
            select name, changed_by, document, bytes from pgbackstop.records
            where kind = %s and scope = %s and name >= %s order by name limit %s
        ) as page
    ) as counted where before < %s"""


class DatabaseRecords:
    """All records of the catalog in that database; for one thread at a time."""

    def __init__(self, place: CatalogDatabase) -> None:
        self.storages: Mapping[str, StorageMark] = {}
        self.fleet: FleetFacts | None = None
        self._session = Session(place, read_only=True)
        self._connection: psycopg.Connection | None = None
        self._since = ""
        self._scopes: Mapping[tuple[str, str], int] = {}  # how many rows each has
        self._caches: dict[tuple[str, str], _DatabaseCache[Any, Any] | _DatabaseTally] = {}

    def run(self, work: Callable[[], T], *, thorough: bool) -> T:
        def look(connection: psycopg.Connection) -> T:
            with connection.transaction():
                connection.execute(_ONE_MOMENT)
                self._connection = connection
                since = str(self.ask(_OLDEST_RUNNING)[0][0])
                self._find_changes(everything=thorough or not self._since)
                found = work()
                self.fleet = workers.read(self.ask)
            self._since = since
            return found

        try:
            return self._session.run(look)
        finally:
            self._connection = None

    def plans(self) -> set[str]:
        return {scope for kind, scope in self._scopes if kind in {"backup", "tally"} and is_name(scope)}

    def servers(self) -> set[str]:
        return {scope for kind, scope in self._scopes if kind == "restore" and is_name(scope)}

    def cache(self, scope: str, packing: RecordCodec[R, D]) -> RecordCache[R, D]:
        kind = str(packing.kind.model_fields["kind"].default)
        made: _DatabaseCache[R, D] = _DatabaseCache(self, kind, scope, packing)
        self._caches[kind, scope] = made
        return made

    def tally(self, plan: str) -> TallySource:
        made = _DatabaseTally(self, plan)
        self._caches["tally", plan] = made
        return made

    def ask(self, query: LiteralString, *values: Any) -> list[tuple[Any, ...]]:
        """The rows, as of this look. Raises psycopg's errors, which ``run`` explains."""
        assert self._connection is not None  # noqa: S101 - within run
        return self._connection.execute(query, values).fetchall()

    def _find_changes(self, *, everything: bool) -> None:
        changed = set() if everything else {(kind, scope) for kind, scope in self.ask(_CHANGED, self._since)}
        if not changed and not everything:
            return
        # What removes records writes the totals of their plan, or gives them to another plan.
        before, self._scopes = self._scopes, {(kind, scope): n for kind, scope, n in self.ask(_SCOPES)}
        for key, cache in self._caches.items():
            is_other = key in changed or self._scopes.get(key) != before.get(key)
            cache.is_changed |= everything or is_other
        if everything or ("storage", "") in changed:
            self.storages = self._read_storages()

    def _read_storages(self) -> dict[str, StorageMark]:
        found = {}
        for name, _, content in self.ask(_DOCUMENTS, [], "storage", "", "", _AT_ONCE, _BYTES_AT_ONCE):
            key = Key("storage", "", str(name))
            try:
                found[key.name] = codec.decode(StorageMark, content.encode(), where=str(key))
            except errors.CatalogError:
                continue  # as in a folder, where no exporter judges it
        return found


class _DatabaseCache(RecordCache[R, D]):
    """The digests of one kind and plan. A row's revision is the transaction that wrote it."""

    def __init__(self, records: DatabaseRecords, kind: str, scope: str, packing: RecordCodec[R, D]) -> None:
        super().__init__(Path(scope), packing)
        self.is_changed = True
        self._records = records
        self._kind = kind
        self._ahead: dict[str, tuple[int, bytes]] = {}
        self._at_once = _AT_ONCE

    def refresh(self, *, thorough: bool = False) -> bool:
        """Look for changes; whether there were any. Raises psycopg's errors."""
        if not (self.is_changed or thorough):
            return False
        rows = self._records.ask(_REVISIONS, self._kind, self.path.name)
        revisions = {str(name): int(revision) for name, revision in rows}
        has_changed = self._read(set(revisions), revisions)
        self.is_changed = False
        self._ahead, self._at_once = {}, 1  # from now on they come one by one
        return has_changed

    def _content(self, name: str) -> tuple[int, bytes]:
        if name not in self._ahead:
            rows = self._records.ask(
                _DOCUMENTS,
                _LEFT_OUT.get(self._kind, []),
                self._kind,
                self.path.name,
                name,
                self._at_once,
                _BYTES_AT_ONCE,
            )
            self._ahead = {str(found): (int(revision), text.encode()) for found, revision, text in rows}
        return self._ahead.pop(name)

    def _file(self, name: str) -> str:
        return f"the {self._kind} {self._folder}/{name} in the catalog"


class _DatabaseTally:
    """The totals of a plan; the last good ones where a row is none."""

    def __init__(self, records: DatabaseRecords, plan: str) -> None:
        self.value: Totals | None = None
        self.problems: list[str] = []
        self.is_changed = True
        self._records = records
        self._key = Key("tally", plan, "")

    def refresh(self) -> bool:
        """Look for a new value; whether there was one. Raises psycopg's errors."""
        if not self.is_changed:
            return False
        rows = self._records.ask(_DOCUMENTS, [], *self._key, 1, _BYTES_AT_ONCE)
        try:
            for _, _, content in rows:
                self.value = codec.decode(Totals, content.encode(), where=str(self._key))
            self.problems = []
        except errors.CatalogError as error:
            self.problems = [str(error)]
        self.is_changed = False
        return bool(rows)
