"""What became of each due time: run once, lost, doubled, or not run for a reason that is on record. Pure."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from pgbackstop_catalog.records.attempt import Status
from pgbackstop_catalog.records.backup import Backup

Due = tuple[str, datetime]  # a plan, and when a run of it was due


@dataclass(frozen=True, kw_only=True)
class Counted:
    """How many due times there were, and of them those that were run well, lost, doubled, and not explained.

    A due time is ``lost`` when no record knows it, ``doubled`` when it has several good backups,
    ``unexplained`` when it has no good one and no record says why. ``attempts`` counts records by status.
    """

    due: int
    good: int
    lost: tuple[Due, ...]
    doubled: tuple[Due, ...]
    unexplained: tuple[Due, ...]
    attempts: Counter[Status]

    @property
    def interrupted(self) -> int:
        """Attempts whose worker died, or the database under them."""
        return self.attempts[Status.INTERRUPTED]

    @property
    def failed(self) -> int:
        """Attempts that did not succeed by themselves."""
        return self.attempts[Status.FAILED]


def count(due: Sequence[Due], records: Iterable[Backup]) -> Counted:
    """Compare the due times of a while with all records of their plans."""
    found = _by_due(due, records)
    good = Counter(
        {each: sum(one.status is Status.SUCCEEDED for one in of_due) for each, of_due in found.items()}
    )
    return Counted(
        due=len(due),
        good=sum(good[each] > 0 for each in due),
        lost=tuple(each for each in due if each not in found),
        doubled=tuple(each for each in due if good[each] > 1),
        unexplained=tuple(each for each in due if each in found and not any(map(_tells, found[each]))),
        attempts=Counter(one.status for each in due for one in found.get(each, ())),
    )


def _by_due(due: Sequence[Due], records: Iterable[Backup]) -> dict[Due, list[Backup]]:
    of_plan = defaultdict[str, list[datetime]](list)
    for plan, moment in sorted(due):
        of_plan[plan].append(moment)
    found = defaultdict[Due, list[Backup]](list)
    for record in records:
        for moment in _meant(record, of_plan[record.plan]):
            found[record.plan, moment].append(record)
    return dict(found)


def _meant(record: Backup, moments: list[datetime]) -> Iterator[datetime]:
    """The due times that a record is about: a missed one may stand for several, and names the last."""
    newest = record.scheduled_for
    if newest is not None:
        until = [moment for moment in moments if moment <= newest]
        many = record.missed_runs if record.status is Status.MISSED else 1
        yield from (moment for moment in until[-max(1, many) :] if many > 1 or moment == newest)


def _tells(record: Backup) -> bool:
    """Whether it is a good one, or says why there is none."""
    return record.status is Status.SUCCEEDED or bool(record.reason or record.message)
