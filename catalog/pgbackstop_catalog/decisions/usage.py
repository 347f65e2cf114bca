"""How many bytes are stored where, how fast they grow, and when a storage is full. Pure.

A backup's bytes count from its end until it expired, so that what a storage held on an earlier day is known
from the records of today. Of WAL only what there is now is known: it has no part in the growth.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from pgbackstop_catalog.records.backup import Backup
from pgbackstop_catalog.records.copy import Copy

LOOKED_BACK = timedelta(days=30)
_DAY = timedelta(days=1)


class Share(NamedTuple):
    """Whose bytes they are; ``plan`` is empty for WAL."""

    storage: str
    server: str
    plan: str
    what: str


@dataclass(frozen=True, kw_only=True)
class Usage:
    """Bytes and backups, or segments, of one share."""

    share: Share
    size_bytes: int
    count: int


@dataclass(frozen=True, kw_only=True)
class StorageUsage:
    """All of a storage, how many bytes a day its backups grow by, and what room it has, where that is known.

    ``growth`` is None while there is less than a day to tell it by.
    """

    storage: str
    size_bytes: int
    growth: float | None
    room_bytes: int | None

    @property
    def days_until_full(self) -> float | None:
        """None where it does not grow, not even by a byte a day, or where nobody knows."""
        if self.room_bytes is None or self.growth is None or self.growth < 1:
            return None
        return max(0, self.room_bytes) / self.growth


class Stored(NamedTuple):
    """Bytes of one share from a moment on, until they went."""

    share: Share
    size_bytes: int
    since: datetime
    until: datetime | None

    def is_there(self, moment: datetime) -> bool:
        return self.since <= moment and (self.until is None or moment < self.until)


def stored(backups: Iterable[Backup], copies: Iterable[Copy]) -> Iterator[Stored]:
    """What was ever stored of backups and copies; damaged ones, too, as long as they lie there."""
    for each in backups:
        if each.storage is not None and each.size_bytes and (each.is_available or _was_stored(each)):
            share = Share(each.storage, each.server, each.plan, each.backup_type)
            yield Stored(share, each.size_bytes, each.finished_at or each.started_at, each.expired_at)
    for copy in copies:
        if copy.size_bytes and copy.finished_at is not None:
            share = Share(copy.storage, copy.server, copy.plan, copy.backup_type)
            yield Stored(share, copy.size_bytes, copy.finished_at, copy.expired_at)


def _was_stored(backup: Backup) -> bool:
    return backup.expired_at is not None or backup.is_damaged


def shares(found: Iterable[Stored], now: datetime) -> tuple[Usage, ...]:
    """What is there now, by storage, server, plan and type."""
    sizes: defaultdict[Share, list[int]] = defaultdict(list)
    for each in found:
        if each.is_there(now):
            sizes[each.share].append(each.size_bytes)
    return tuple(Usage(share=share, size_bytes=sum(all_), count=len(all_)) for share, all_ in sizes.items())


def growth(found: Iterable[Stored], storage: str, now: datetime) -> float | None:
    """Bytes a day over the last thirty days, or since the first backup; None for less than a day."""
    here = [each for each in found if each.share.storage == storage]
    first = min((each.since for each in here), default=now)
    since = max(first, now - LOOKED_BACK)
    if now - since < _DAY:
        return None
    before, after = (
        sum(each.size_bytes for each in here if each.is_there(moment)) for moment in (since, now)
    )
    return (after - before) / ((now - since) / _DAY)
