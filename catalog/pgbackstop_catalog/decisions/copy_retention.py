"""Retention of the copies in one further storage that has a ``keep`` of its own. Pure.

A storage is judged by what it holds alone, as if its copies were all there is: that others hold more, or that
newer backups are still on their way to it, takes nothing from its floor. What belongs there is judged with
those that are on their way, so that nothing is sent which would go at once.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from pgbackstop_catalog.config.keep import CopyKeep
from pgbackstop_catalog.decisions import retention
from pgbackstop_catalog.decisions.retention import Verdict
from pgbackstop_catalog.records.attempt import Status
from pgbackstop_catalog.records.backup import Backup
from pgbackstop_catalog.records.copy import Copy
from pgbackstop_catalog.records.proof import Proof
from pgbackstop_catalog.text import said

DAMAGED = said("damaged, and no rule would keep it")


@dataclass(frozen=True, kw_only=True)
class StorageRecords:
    """What is on record of one plan, for one storage with its ``keep``.

    ``elsewhere`` are physical backups of other plans that it holds, on which some of these may be built.
    """

    storage: str
    keep: CopyKeep
    backups: Sequence[Backup]
    copies: Sequence[Copy]
    proofs: Sequence[Proof] = field(default=())
    elsewhere: Sequence[Backup] = field(default=())

    @property
    def held(self) -> frozenset[str]:
        """The ids of the backups of which it has a good copy."""
        return frozenset(each.backup for each in self._own if each.is_available)

    @property
    def damaged(self) -> frozenset[str]:
        """The ids of those whose copy there was found damaged, and not made anew."""
        return frozenset(each.backup for each in self._own if each.is_damaged)

    @property
    def proven(self) -> frozenset[str]:
        """The ids of those whose copy there was restored or read back."""
        drilled = {
            each.backup
            for each in self.proofs
            if each.copy_in == self.storage and each.status is Status.SUCCEEDED
        }
        return frozenset(drilled | {each.backup for each in self._own if each.verified_at is not None})

    @property
    def _own(self) -> Iterator[Copy]:
        return (each for each in self.copies if each.storage == self.storage)


def decide(records: StorageRecords, *, now: datetime) -> tuple[Verdict, ...]:
    """The verdict on every good copy in the storage, and on damaged ones that no rule would keep."""
    useless = records.damaged - {
        each.backup.id for each in _decide(records, records.held | records.damaged, now) if each.kept
    }
    return _decide(records, records.held, now) + tuple(
        Verdict(backup=each, kept=False, reasons=(DAMAGED,), storage=records.storage)
        for each in records.backups
        if each.id in useless
    )


def belonging(records: StorageRecords, *, now: datetime) -> frozenset[str]:
    """The ids of the backups whose copies the storage keeps, or would keep if it had them."""
    there = records.held | {each.id for each in records.backups if each.is_available}
    return frozenset(each.backup.id for each in _decide(records, there, now) if each.kept)


def _decide(records: StorageRecords, there: Collection[str], now: datetime) -> tuple[Verdict, ...]:
    return tuple(
        dataclasses.replace(verdict, storage=records.storage)
        for group in retention.by_subject(_as_held(records.backups, there))
        for verdict in retention.decide(
            group, records.keep, now=now, proven=records.proven, elsewhere=records.elsewhere
        ).verdicts
    )


def _as_held(backups: Iterable[Backup], there: Collection[str]) -> Iterator[Backup]:
    """The attempts as the storage knows them: what it has not is gone, but for what it told.

    That the original was read back proves nothing of a copy.
    """
    for each in backups:
        if each.id in there:
            yield each.as_copied().evolve(verified_at=None)
        elif each.status is Status.RUNNING:
            yield each
        else:
            yield each.evolve(expired_at=each.expired_at or each.finished_at or each.started_at)
