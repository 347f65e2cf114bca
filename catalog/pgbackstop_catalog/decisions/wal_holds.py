"""WAL that no backup here needs any more, and that a further storage needs and has not yet. Pure.

A storage may keep for longer than this host, and may have been away when the WAL was archived: what is
removed here before it arrived there is a gap in it for good.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from pydantic import Field

from pgbackstop_catalog.decisions import wal_needs
from pgbackstop_catalog.decisions.wal_segments import Entry
from pgbackstop_catalog.model import Count, Model, UtcTime
from pgbackstop_catalog.records.attempt import Name
from pgbackstop_catalog.records.backup import Backup


class WalHold(Model):
    """What is kept of a server's WAL for one further storage alone; one for each, written by expire."""

    record_version: Literal[1] = 1
    kind: Literal["wal-hold"] = "wal-hold"
    server: Name
    storage: Name
    updated_at: UtcTime
    segments: Count = Field(default=0, description="kept for this storage, and needed by nothing here")
    stored_bytes: Count = 0
    given_up: Count = Field(default=0, description="removed before the storage had them; never falls")
    given_up_at: UtcTime | None = None


@dataclass(frozen=True, kw_only=True)
class Waiting:
    """A further storage; ``needed`` are the names that it needs and has not."""

    storage: str
    needed: frozenset[str]


def waiting(
    storage: str, backups: Sequence[Backup], names: Iterable[str], has: Collection[str]
) -> Waiting | None:
    """What the storage waits for of these segments, with those backups in it; None for nothing.

    ``has`` are those that it has, or has under that name with other content.
    """
    lacking = [name for name in names if name not in has]
    if not any(each.is_available for each in backups) or not lacking:
        return None
    needed = frozenset(lacking) - wal_needs.superfluous(backups, lacking)
    return Waiting(storage=storage, needed=needed) if needed else None


def held(going: Iterable[Entry], storages: Iterable[Waiting], limit: float, now: datetime) -> frozenset[str]:
    """Which of those that nothing here needs stay: the first that is waited for, and all after it.

    An archive is trimmed from its beginning alone: a hole in it would be taken for a loss. Nobody waits for
    what was archived more than ``limit`` seconds ago.
    """
    needed = frozenset(name for each in storages for name in each.needed)
    entries = [each for each in going if each.is_segment]
    young = (each for each in entries if now - each.archived_at < timedelta(seconds=limit))
    first = min((_position(each.name) for each in young if each.name in needed), default=None)
    if first is None:
        return frozenset()
    return frozenset(each.name for each in entries if _position(each.name) >= first)


def _position(name: str) -> str:
    """In the stream, whatever the timeline."""
    return name[8:]
