"""Which stored backups, and copies of them, are read again now, and why. Pure.

Backups that nobody read yet come first, the newest of them first; then whatever was not read for the longest
time. A copy was compared with what was sent when it was made, so that counts as its first reading. A reading
counts however it ended: what cannot be read must not keep the others from their turn.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from pgbackstop_catalog.config.verify import Verify
from pgbackstop_catalog.model import format_time
from pgbackstop_catalog.records.backup import Backup
from pgbackstop_catalog.records.copy import Copy
from pgbackstop_catalog.records.proof import Proof


@dataclass(frozen=True, kw_only=True)
class Kept:
    """A backup that is kept in its own storage, or its ``copy`` in another one.

    ``is_sealed`` where nothing on this host opens the copy, and nobody knows what was sent of it: of such a
    one sizes alone are compared.
    """

    backup: Backup
    copy: Copy | None = None
    is_sealed: bool = False

    @property
    def storage(self) -> str | None:
        """Where its bytes are."""
        return self.copy.storage if self.copy else self.backup.storage

    @property
    def size_bytes(self) -> int:
        """Stored bytes that are read of it."""
        return 0 if self.is_sealed else (self.copy or self.backup).size_bytes or 0


@dataclass(frozen=True, kw_only=True)
class Turn(Kept):
    """That whose turn it is, and why."""

    reason: str


@dataclass(frozen=True, kw_only=True)
class Turns:
    """What is read now, in that order; ``left`` more are due, and wait for another day's bytes.

    ``bytes_left`` of this day's are there when all of it was read, for WAL.
    """

    now: tuple[Turn, ...]
    left: int
    bytes_left: int = 0


_Key = tuple[str, str | None]


def choose(
    kept: Iterable[Kept], proofs: Iterable[Proof], limits: Verify, due: datetime, *, spent: int = 0
) -> Turns:
    """What is read at that due time of all that is ``kept``; ``proofs`` are all that are on record.

    ``spent`` are bytes of the day that were read of something else. It ends with the first one that is more
    than the day's bytes leave, so that a large one has its turn as well: as the first of a day it is read
    whatever its size, and then alone.
    """
    verifies = [each for each in proofs if each.proof == "verify"]
    read = _last_read(verifies)
    spent += sum(each.read_bytes or 0 for each in verifies if _is_of_day(each, due, limits.timezone))
    moments = [(each, _moment(each, read)) for each in {_key(each): each for each in kept}.values()]
    never = sorted((each for each, moment in moments if moment is None), key=_begin, reverse=True)
    again = sorted(
        (moment, each.backup.id, each.copy.storage if each.copy else "", each)
        for each, moment in moments
        if moment is not None and due - moment >= _interval(each, limits)
    )
    turns = [_turn(each, "it was never read back") for each in never]
    turns += [_turn(each, f"last read {format_time(moment)}") for moment, *_, each in again]
    count = _affordable(turns, limits.bytes_per_day, spent)
    after = spent + sum(turn.size_bytes for turn in turns[:count])
    bytes_left = 0 if turns[count:] else max(0, limits.bytes_per_day - after)
    return Turns(now=tuple(turns[:count]), left=len(turns) - count, bytes_left=bytes_left)


def _key(kept: Kept) -> _Key:
    return kept.backup.id, kept.copy.storage if kept.copy else None


def _last_read(verifies: Iterable[Proof]) -> dict[_Key, datetime]:
    """When the newest reading of each was due, or began where nobody scheduled it."""
    found: dict[_Key, datetime] = {}
    for each in verifies:
        key, moment = (each.backup, each.copy_in), each.scheduled_for or each.started_at
        found[key] = max(moment, found.get(key, moment))
    return found


def _moment(kept: Kept, read: Mapping[_Key, datetime]) -> datetime | None:
    """The newest reading; None for a backup that was never read. A copy that was made anew begins anew."""
    if kept.copy is None:
        return read.get(_key(kept), kept.backup.verified_at)
    made = kept.copy.finished_at or kept.copy.started_at
    return max(made, read.get(_key(kept), kept.copy.verified_at or made))


def _interval(kept: Kept, limits: Verify) -> timedelta:
    return timedelta(seconds=limits.interval if kept.copy is None else limits.effective_copies_interval())


def _turn(kept: Kept, reason: str) -> Turn:
    return Turn(backup=kept.backup, copy=kept.copy, is_sealed=kept.is_sealed, reason=reason)


def _is_of_day(proof: Proof, due: datetime, timezone: str) -> bool:
    zone = ZoneInfo(timezone)
    scheduled = proof.scheduled_for
    return scheduled is not None and scheduled.astimezone(zone).date() == due.astimezone(zone).date()


def _affordable(turns: Iterable[Turn], budget: int, spent: int) -> int:
    """How many of them, from the first on."""
    count = 0
    for turn in turns:
        if spent and spent + turn.size_bytes > budget:
            break
        spent, count = spent + turn.size_bytes, count + 1
    return count


def _begin(kept: Kept) -> tuple[datetime, str]:
    return kept.backup.started_at, kept.backup.id
