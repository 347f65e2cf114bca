"""Which stored backups are read again now, and why. Pure.

Those that nobody read yet come first, the newest of them first; then those whose reading is the longest
ago. A reading counts however it ended: a backup that cannot be read must not keep the others from their turn.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from pgbackstop_catalog.config.verify import Verify
from pgbackstop_catalog.model import format_time
from pgbackstop_catalog.records.backup import Backup
from pgbackstop_catalog.records.proof import Proof


@dataclass(frozen=True, kw_only=True)
class Turn:
    """A backup whose turn it is, and why."""

    backup: Backup
    reason: str


@dataclass(frozen=True, kw_only=True)
class Turns:
    """What is read now, in that order; ``left`` more are due, and wait for another day's bytes.

    ``bytes_left`` of this day's are there when all of it was read, for WAL.
    """

    now: tuple[Turn, ...]
    left: int
    bytes_left: int = 0


def choose(
    backups: Iterable[Backup], proofs: Iterable[Proof], limits: Verify, due: datetime, *, spent: int = 0
) -> Turns:
    """What is read at that due time of all ``backups`` that are kept; ``proofs`` are all that are on record.

    ``spent`` are bytes of the day that were read of something else. It ends with the first one that is more
    than the day's bytes leave, so that a large one has its turn as well: as the first of a day it is read
    whatever its size, and then alone.
    """
    verifies = [each for each in proofs if each.proof == "verify" and each.copy_in is None]
    read = _last_read(verifies)
    spent += sum(each.read_bytes or 0 for each in verifies if _is_of_day(each, due, limits.timezone))
    moments = {each.id: (each, read.get(each.id, each.verified_at)) for each in backups}
    waiting = [
        (backup, moment)
        for backup, moment in moments.values()
        if moment is None or due - moment >= timedelta(seconds=limits.interval)
    ]
    never = sorted((each for each, moment in waiting if moment is None), key=_begin, reverse=True)
    again = sorted((moment, each.id, each) for each, moment in waiting if moment is not None)
    turns = [Turn(backup=each, reason="it was never read back") for each in never]
    turns += [Turn(backup=each, reason=f"last read {format_time(moment)}") for moment, _, each in again]
    count = _affordable(turns, limits.bytes_per_day, spent)
    after = spent + sum(turn.backup.size_bytes or 0 for turn in turns[:count])
    bytes_left = 0 if turns[count:] else max(0, limits.bytes_per_day - after)
    return Turns(now=tuple(turns[:count]), left=len(turns) - count, bytes_left=bytes_left)


def _last_read(verifies: Iterable[Proof]) -> dict[str, datetime]:
    """When the newest reading of each backup was due, or began where nobody scheduled it."""
    found: dict[str, datetime] = {}
    for each in verifies:
        moment = each.scheduled_for or each.started_at
        found[each.backup] = max(moment, found.get(each.backup, moment))
    return found


def _is_of_day(proof: Proof, due: datetime, timezone: str) -> bool:
    zone = ZoneInfo(timezone)
    scheduled = proof.scheduled_for
    return scheduled is not None and scheduled.astimezone(zone).date() == due.astimezone(zone).date()


def _affordable(turns: Iterable[Turn], budget: int, spent: int) -> int:
    """How many of them, from the first on."""
    count = 0
    for turn in turns:
        size = turn.backup.size_bytes or 0
        if spent and spent + size > budget:
            break
        spent, count = spent + size, count + 1
    return count


def _begin(backup: Backup) -> tuple[datetime, str]:
    return backup.started_at, backup.id
