"""The catalog in PostgreSQL, which several hosts share: each record a row of ``pgbackstop.records``.

A row that is no record is reported and passed over, never removed. Lists are read in pages, so that memory
is bounded however many records there are, and no transaction stays open while somebody looks at them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, LiteralString, TypeVar

import psycopg

from pgbackstop_catalog import errors
from pgbackstop_catalog.config.catalog_place import CatalogDatabase
from pgbackstop_catalog.records import codec, ids
from pgbackstop_catalog.records.attempt import Status
from pgbackstop_catalog.records.backup import Backup
from pgbackstop_catalog.records.copy import Copy
from pgbackstop_catalog.records.proof import Proof
from pgbackstop_catalog.records.restore import Restore
from pgbackstop_catalog.records.storage import StorageMark
from pgbackstop_catalog.records.totals import Totals
from pgbackstop_catalog.store.postgres import rows, schema
from pgbackstop_catalog.store.postgres.rows import Key
from pgbackstop_catalog.store.postgres.session import Session
from pgbackstop_catalog.store.protocol import AnyRecord

R = TypeVar("R", bound=AnyRecord)

PAGE: Final = 200  # records
_PAGE_BYTES: Final = 4_000_000
_QUIET_SECONDS: Final = 60.0
_PUT: Final[LiteralString] = """
    insert into pgbackstop.records (kind, scope, name, document, bytes) values (%s, %s, %s, %s::jsonb, %s)
    on conflict (kind, scope, name) do update set document = excluded.document, bytes = excluded.bytes"""
_PUT_ONCE: Final[LiteralString] = """
    insert into pgbackstop.records (kind, scope, name, document, bytes) values (%s, %s, %s, %s::jsonb, %s)
    on conflict (kind, scope, name) do nothing"""
_DELETE: Final[LiteralString] = "delete from pgbackstop.records where (kind, scope, name) = (%s, %s, %s)"
_GET: Final[LiteralString] = """
    select document::text from pgbackstop.records where (kind, scope, name) = (%s, %s, %s)"""
_FORGET: Final[LiteralString] = """
    delete from pgbackstop.records
    where scope = %(plan)s
      and (kind = 'backup' and name = %(id)s or kind in ('copy', 'proof') and backup = %(id)s)"""
_MATCHING: Final[LiteralString] = """
    select scope, name from pgbackstop.records
    where kind = 'backup' and name ^@ %s order by name desc, scope desc limit 1000"""
_PLANS: Final[LiteralString] = "select distinct scope from pgbackstop.records where kind = 'backup'"
# The newest of a page, as many as have room in memory together, one at least.
_PAGED: Final[LiteralString] = """
    select scope, name, {document} from (
        select *, sum(bytes) over (order by name desc, scope desc) - bytes as before from (
            select scope, name, document, bytes from pgbackstop.records
            where kind = %(kind)s and (name, scope) < (%(name)s, %(scope)s) {condition}
            order by name desc, scope desc limit %(page)s
        ) as page
    ) as counted where before < %(bytes)s order by name desc, scope desc"""
WHOLE: Final[LiteralString] = "document::text"
_OF_SCOPE: Final[LiteralString] = "and scope = %(wanted)s"
_PHYSICAL: Final[LiteralString] = "and server = %(wanted)s and backup_type = 'physical'"


@dataclass
class PostgresCatalog:
    """A Catalog in a database; ``on_invalid_record`` hears of each row that is no record.

    What is put is on the server's disk. An outcome is tried to be put for half a minute, so that a restart of
    the database costs no record; progress is not even waited for where the database was away a moment ago.
    """

    place: CatalogDatabase
    on_invalid_record: Callable[[errors.CatalogError], None] = field(default=lambda _error: None)
    read_only: bool = False
    session: Session = field(init=False, repr=False, compare=False)
    _quiet_until: float = field(default=0.0, init=False, repr=False, compare=False)
    _changes: int = field(default=0, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        self.session = Session(self.place, read_only=self.read_only)

    @property
    def location(self) -> str:
        return f"database {self.place.database} at {self.place.address}"

    def create(self) -> bool:
        def begin(connection: psycopg.Connection) -> bool:
            if schema.version(connection) == 0:
                return bool(schema.migrate(connection))
            schema.require(connection)
            return False

        return self.session.run(begin, needs_schema=False)

    def is_there(self) -> bool:
        return self.session.run(schema.version, needs_schema=False) > 0

    def telling(self, on_invalid_record: Callable[[errors.CatalogError], None]) -> PostgresCatalog:
        return replace(self, on_invalid_record=on_invalid_record)

    def held(self) -> PostgresCatalog:
        """Itself: each question is one of an index."""
        return self

    def storages(self) -> Iterator[StorageMark]:
        yield from reversed(list(self._read(StorageMark, "storage")))

    def storage(self, name: str) -> StorageMark | None:
        return self.get(StorageMark, Key("storage", "", name))

    def put(self, record: AnyRecord) -> None:
        row = _row(rows.key(record), record)
        # The daemon puts missed runs again by itself, and has others to start meanwhile.
        is_outcome = getattr(record, "status", None) not in {None, Status.RUNNING, Status.MISSED}
        run = self.session.run_patiently if is_outcome else self.session.run
        run(lambda connection: connection.execute(_PUT, row))
        self._changes += 1

    def put_progress(self, record: Backup) -> None:
        row = _row(rows.key(record), record)

        def put(connection: psycopg.Connection) -> None:
            with connection.transaction():
                connection.execute("set local synchronous_commit = off")
                connection.execute(_PUT, row)

        if time.monotonic() < self._quiet_until:
            return
        try:
            self.session.run(put)
        except errors.CatalogError:
            self._quiet_until = time.monotonic() + _QUIET_SECONDS
            raise
        self._changes += 1

    def backups(self, plan: str | None = None) -> Iterator[Backup]:
        return self._read(Backup, "backup", plan)

    def physical_backups(self, server: str) -> list[Backup]:
        return list(self._read(Backup, "backup", server, wanted=_PHYSICAL))

    def backup(self, backup_id: str) -> Backup:
        matches = self.ask(_MATCHING, (backup_id,))
        ids.require_one(backup_id, [name for _, name in matches])
        found = self.get(Backup, Key("backup", *matches[0]))
        return found if found is not None else self.backup(backup_id)  # removed since

    def has(self, record: AnyRecord) -> bool:
        key = rows.key(record)
        content = self._document(key)
        try:
            return content is not None and bool(_decoded(type(record), content, key))
        except errors.NewerRecord:
            return True
        except errors.CatalogError:
            return False

    def copies(self, plan: str | None = None) -> Iterator[Copy]:
        return self._read(Copy, "copy", plan)

    def proofs(self, plan: str | None = None) -> Iterator[Proof]:
        return self._read(Proof, "proof", plan)

    def physical_proofs(self, server: str) -> list[Proof]:
        return list(self._read(Proof, "proof", server, wanted=_PHYSICAL))

    def restores(self, server: str | None = None) -> Iterator[Restore]:
        return self._read(Restore, "restore", server)

    def totals(self, plan: str) -> Totals:
        key = Key("tally", plan, "")
        content = self._document(key)
        if content is None:
            return Totals(plan=plan)
        try:
            return _decoded(Totals, content, key)
        except errors.NewerRecord:
            raise
        except errors.CatalogError as error:
            self.on_invalid_record(error)  # Prometheus expects that a counter may begin anew
            return Totals(plan=plan)

    def tallies(self) -> Iterator[Totals]:
        return self._read(Totals, "tally")

    def plans(self) -> tuple[str, ...]:
        return tuple(sorted(str(plan) for (plan,) in self.ask(_PLANS, ())))

    def reassign(self, record: Backup | Copy | Proof, old: str, new: str) -> None:
        given = record.evolve(plan=new)
        before, row = rows.key(record.evolve(plan=old)), _row(rows.key(given), given)

        def move(connection: psycopg.Connection) -> None:
            with connection.transaction():
                connection.execute(_DELETE, before)
                connection.execute(_PUT_ONCE, row)

        self.session.run(move)
        self._changes += 1

    def remove(self, record: Backup) -> None:
        self.session.run(
            lambda connection: connection.execute(_FORGET, {"plan": record.plan, "id": record.id})
        )
        self._changes += 1

    def sweep(self, plan: str) -> None:
        """Nothing: what a process that was killed had begun is rolled back."""

    def check_writable(self) -> None:
        probe = ("probe", "", "", "{}", 0)

        def write(connection: psycopg.Connection) -> None:
            with connection.transaction(force_rollback=True):
                connection.execute(_PUT, probe)

        self.session.run(write)

    def get(self, kind: type[R], key: Key) -> R | None:
        """The record of that key. Raises NewerRecord, and CatalogError for a row that is no record."""
        content = self._document(key)
        return _decoded(kind, content, key) if content is not None else None

    def ask(self, query: LiteralString, values: Sequence[Any] | Mapping[str, Any]) -> list[tuple[Any, ...]]:
        """The rows of a question of ours. Raises CatalogError."""
        return self.session.run(lambda connection: connection.execute(query, values).fetchall())

    def documents(
        self,
        kind: str,
        condition: LiteralString,
        values: Mapping[str, Any],
        *,
        document: LiteralString = WHOLE,
        before: str = "",
        page: int = PAGE,
    ) -> Iterator[tuple[Key, str]]:
        """The documents of a kind, the newest first; what this process changes meanwhile is seen.

        ``condition`` is what else a row must meet, by the ``values``. Raises CatalogError.
        """
        query = _PAGED.replace("{condition}", condition).replace("{document}", document)
        given = {**values, "kind": kind, "page": page, "bytes": _PAGE_BYTES}
        last = Key(kind, "", before or rows.AFTER_ALL)
        while found := self.ask(query, {**given, "name": last.name, "scope": last.scope}):
            changes = self._changes
            for scope, name, content in found:
                last = Key(kind, scope, name)
                yield last, content
                if changes != self._changes:
                    break

    def _document(self, key: Key) -> str | None:
        row = self.ask(_GET, key)
        return str(row[0][0]) if row else None

    def records(
        self, kind: type[R], name: str, condition: LiteralString, values: Mapping[str, Any], **how: Any
    ) -> Iterator[R]:
        """The same as records of that kind. Raises CatalogError, NewerRecord."""
        for key, content in self.documents(name, condition, values, **how):
            try:
                yield _decoded(kind, content, key)
            except errors.NewerRecord:
                raise
            except errors.CatalogError as error:
                self.on_invalid_record(error)

    def _read(
        self, kind: type[R], name: str, scope: str | None = None, *, wanted: LiteralString = _OF_SCOPE
    ) -> Iterator[R]:
        return self.records(kind, name, "" if scope is None else wanted, {"wanted": scope})


def _row(key: Key, record: AnyRecord) -> tuple[str, str, str, str, int]:
    document = rows.document(record)
    return (*key, document, len(document))


def _decoded(kind: type[R], content: str, key: Key) -> R:
    """Raises as codec.decode does."""
    return codec.decode(kind, content.encode(), where=str(key))
