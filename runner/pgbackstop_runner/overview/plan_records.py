"""What the overview needs of each plan's records; of what was read before, only what changed is read again.

A console that is looked at reads it every two seconds. A record that comes, goes or is replaced moves the
time of its folder, and is seen at the next look. Each file's own state is looked at when its folder has
moved, and else once a minute, for what somebody has written in its place.
"""

from __future__ import annotations

import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from pgbackstop_catalog import errors
from pgbackstop_catalog.decisions import history, subjects
from pgbackstop_catalog.decisions.attempts import Attempt, Subject
from pgbackstop_catalog.decisions.history import History
from pgbackstop_catalog.records.backup import Backup
from pgbackstop_catalog.records.copy import Copy
from pgbackstop_catalog.records.proof import Proof
from pgbackstop_catalog.store import listing, packed_records
from pgbackstop_catalog.store.packed_records import CopyDigest, ProofDigest, RecordCodec
from pgbackstop_catalog.store.record_cache import RecordCache
from pgbackstop_runner.workspace import Workspace

# How long a folder that has not moved is trusted: to look at 10,000 files takes 45 ms.
_TRUSTED_SECONDS = 60.0

R = TypeVar("R", Backup, Copy, Proof)
D = TypeVar("D")


@dataclass(frozen=True, kw_only=True)
class PlanRecords:
    """All records of one plan, added up.

    By database: ``kept`` are the backups that are kept, ``damaged_copies`` how many copies of stored ones
    were found damaged, ``drilled`` and ``drill_failed`` when the last good and the last failed drill ended.
    Times are Unix seconds, 0 = never.
    """

    histories: Mapping[Subject, History]
    dropped: frozenset[str]
    scheduled_until: float
    kept: Mapping[str, tuple[Attempt, ...]]
    damaged_copies: Mapping[str, int]
    drilled: Mapping[str, float]
    drill_failed: Mapping[str, float]


def read(workspace: Workspace) -> Iterator[tuple[str, PlanRecords]]:
    """Every plan of the configuration; ``workspace.on_invalid_record`` hears of what is no record.

    Raises CatalogError, NewerRecord.
    """
    root = workspace.config.catalog_place()
    if not isinstance(root, Path):
        yield from _of_database(workspace)
        return
    for kind in ("backups", "copies", "proofs"):
        listing.folders(root, kind)  # nothing is taken for empty that is away
    with _LOCK:
        known = _KNOWN.get(root, {})
        _KNOWN[root] = readers = {
            name: known.get(name) or _Reader(root, name) for name in workspace.config.plans
        }
    for name, reader in readers.items():
        yield name, reader.read(workspace)


def _of_database(workspace: Workspace) -> Iterator[tuple[str, PlanRecords]]:
    """The same of a catalog in PostgreSQL, which is asked for what matters alone."""
    from pgbackstop_catalog.store.postgres import plan_state  # noqa: PLC0415 - psycopg, for such a catalog only

    catalog = workspace.catalog
    copies, drills = defaultdict[str, list[Copy]](list), defaultdict[str, list[Proof]](list)
    for copy in plan_state.damaged_copies(catalog):
        copies[copy.plan].append(copy)
    for drill in plan_state.drills(catalog):
        drills[drill.plan].append(drill)
    for name in workspace.config.plans:
        yield (
            name,
            _summarise(
                list(_digests(packed_records.Attempts(), plan_state.attempts(catalog, name))),
                list(_digests(packed_records.Copies(), copies[name])),
                list(_digests(packed_records.Proofs(), drills[name])),
            ),
        )


def _digests(packing: RecordCodec[R, D], records: Iterable[R]) -> Iterator[D]:
    return (packing.unpack(packing.name(each), packing.pack(each)) for each in records)


class _Reader:
    """Reads one plan; for all threads."""

    def __init__(self, root: Path, plan: str) -> None:
        self._lock = threading.Lock()
        self._backups = RecordCache(root / "backups" / plan, packed_records.Attempts())
        self._copies = RecordCache(root / "copies" / plan, packed_records.Copies())
        self._proofs = RecordCache(root / "proofs" / plan, packed_records.Proofs())
        self._read: PlanRecords | None = None
        self._looked_at = -_TRUSTED_SECONDS

    def read(self, workspace: Workspace) -> PlanRecords:
        caches = (self._backups, self._copies, self._proofs)
        with self._lock:
            now = time.monotonic()
            is_trusted = now - self._looked_at < _TRUSTED_SECONDS
            for each in caches:  # one may raise: what changed in those before it is not forgotten
                if not (is_trusted and each.is_settled()) and each.refresh(thorough=True):
                    self._read = None
            if not is_trusted:
                self._looked_at = now
            if self._read is None:
                self._read = _summarise(
                    list(self._backups.digests()), list(self._copies.digests()), list(self._proofs.digests())
                )
            for problem in [each for cache in caches for each in cache.problems.values()]:
                if isinstance(problem, errors.NewerRecord):
                    raise problem
                workspace.on_invalid_record(problem)
            return self._read


def _summarise(attempts: list[Attempt], copies: list[CopyDigest], proofs: list[ProofDigest]) -> PlanRecords:
    kept: defaultdict[str, tuple[Attempt, ...]] = defaultdict(tuple)
    for each in sorted(attempts, key=lambda one: one.id):
        if each.is_available:
            kept[each.subject.database] += (each,)
    stored = {each.id: each.subject.database for each in attempts if not each.expired}
    damaged = (stored[each.backup] for each in copies if each.is_damaged and each.backup in stored)
    drills = [each for each in proofs if each.is_drill]
    return PlanRecords(
        histories=subjects.histories(attempts),
        dropped=history.dropped(attempts),
        scheduled_until=max((each.scheduled for each in attempts), default=0.0),
        kept=kept,
        damaged_copies=Counter(damaged),
        drilled=_newest(each for each in drills if each.succeeded),
        drill_failed=_newest(each for each in drills if each.failed),
    )


def _newest(proofs: Iterable[ProofDigest]) -> dict[str, float]:
    found: dict[str, float] = {}
    for each in proofs:
        found[each.subject.database] = max(found.get(each.subject.database, 0.0), each.finished)
    return found


_KNOWN: dict[Path, dict[str, _Reader]] = {}
_LOCK = threading.Lock()
