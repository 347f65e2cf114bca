"""Records from one catalog into another: from a folder to PostgreSQL, or back.

What is there already as it should be is left, so that a migration which was interrupted goes on. A catalog
that has other records is in use, and is refused: two histories cannot be told apart afterwards.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain

from pgbackstop_catalog import errors, units
from pgbackstop_catalog.store.postgres import rows
from pgbackstop_catalog.store.postgres.rows import Key
from pgbackstop_catalog.store.protocol import AnyRecord, Catalog


@dataclass(frozen=True, kw_only=True)
class MigrationResult:
    """How many records were written, were there already, and are there now, each by kind."""

    written: Counter[str]
    known: Counter[str]
    total: Counter[str]


def run(
    source: Catalog, target: Catalog, *, replace: bool = False, tell: Callable[[int], None] = lambda _n: None
) -> MigrationResult:
    """Put every record of ``source`` into ``target``, which is begun where it is not there.

    ``replace`` puts those that differ, too. ``tell`` hears of each thousand. Raises ValidationError where the
    target has records that the source lacks, or that differ; nothing is written then. CatalogError.
    """
    if not source.is_there():
        raise errors.CatalogError(
            f"There is no catalog to migrate: {source.location}.", remedy="Check its name, and its mount."
        )
    target.create()
    there = {rows.key(each): _digest(each) for each in _records(target)}
    _refuse(source, target, there, replace=replace)
    written: Counter[str] = Counter()
    known: Counter[str] = Counter()
    for record in _records(source):
        key = rows.key(record)
        if there.get(key) == _digest(record):
            known[key.kind] += 1
            continue
        target.put(record)
        written[key.kind] += 1
        if written.total() % 1000 == 0:
            tell(written.total())
    total = Counter(rows.key(each).kind for each in _records(target))
    if total != written + known:
        raise errors.CatalogError(
            f"{target.location} has {_counted(total)} now, and {_counted(written + known)} were read from "
            f"{source.location}.",
            remedy="Something else writes one of them: stop the daemons and timers, and run again.",
        )
    return MigrationResult(written=written, known=known, total=total)


def _records(catalog: Catalog) -> Iterator[AnyRecord]:
    """All of them; what a record speaks of comes before it."""
    return chain(
        catalog.storages(),
        catalog.tallies(),
        catalog.backups(),
        catalog.copies(),
        catalog.proofs(),
        catalog.restores(),
    )


def _refuse(source: Catalog, target: Catalog, there: dict[Key, bytes], *, replace: bool) -> None:
    others, differing = dict(there), 0
    for record in _records(source) if there else ():
        digest = others.pop(rows.key(record), None)
        differing += digest is not None and digest != _digest(record)
    if others:
        raise errors.ValidationError(
            f"{target.location} has {units.format_count(len(others), 'record')} that {source.location} "
            f"has not, as {next(iter(others))}.",
            remedy="It is in use, or of another history: name an empty one.",
        )
    if differing and not replace:
        raise errors.ValidationError(
            f"{target.location} has {units.format_count(differing, 'record')} that {source.location} has "
            "otherwise.",
            remedy=f"Give --replace where what is in {source.location} shall count.",
        )


def _digest(record: AnyRecord) -> bytes:
    """Of what PostgreSQL keeps of it: JSONB has its own order of keys."""
    content = json.dumps(json.loads(rows.document(record)), sort_keys=True)
    return hashlib.blake2b(content.encode(), digest_size=16).digest()


def _counted(counts: Counter[str]) -> str:
    return ", ".join(f"{kind} {number}" for kind, number in sorted(counts.items())) or "nothing"
