"""Counts of attempts that only grow, also when their records are removed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from pgbackstop_catalog.decisions.attempts import Attempt, attempt_of
from pgbackstop_catalog.records.attempt import Reason, Status
from pgbackstop_catalog.records.backup import Backup
from pgbackstop_catalog.records.copy import Copy
from pgbackstop_catalog.records.totals import Totals


@dataclass(frozen=True, kw_only=True)
class Counts:
    """Counts that only grow: attempts that ended, failed ones by reason, due runs that did not start."""

    runs: int = 0
    failures: Mapping[Reason, int] = field(default_factory=dict)
    missed: int = 0

    def plus(self, other: Counts) -> Counts:
        """Both together."""
        if other == NOTHING:
            return self
        failures = Counter(self.failures)
        failures.update(other.failures)
        return Counts(runs=self.runs + other.runs, failures=failures, missed=self.missed + other.missed)


NOTHING: Final = Counts()


def count(ended: Iterable[Attempt]) -> Counts:
    """Count these attempts."""
    runs = missed = 0
    failures: Counter[Reason] = Counter()
    for attempt in ended:
        missed += attempt.missed_runs
        runs += attempt.status not in {Status.RUNNING, Status.MISSED}
        if attempt.reason is not None:
            failures[attempt.reason] += 1
    return Counts(runs=runs, failures=failures, missed=missed)


def tallied(tally: Totals, database: str) -> Counts:
    """Return what a plan's removed records had counted for a database, or for the whole plan with ``""``."""
    failures: Counter[Reason] = Counter()
    for name, number in tally.failures.get(database, {}).items():
        failures[_known_reason(name)] += number
    return Counts(runs=tally.runs.get(database, 0), failures=failures, missed=tally.missed.get(database, 0))


def folded(tally: Totals, records: Iterable[Backup], copies: Iterable[Copy] = ()) -> Totals:
    """The tally that also counts ``records`` and those ``copies`` that are theirs; they are about to go.

    Write it before the first record is removed, and once more with ``folding=()`` after the last one: a
    reader that finds the same tally before and after reading the records then never counts one twice.
    """
    removed = list(records)
    runs, missed = Counter(tally.runs), Counter(tally.missed)
    failures = {database: Counter(reasons) for database, reasons in tally.failures.items()}
    for record in removed:
        counts = count([attempt_of(record)])
        runs[record.database] += counts.runs
        missed[record.database] += counts.missed
        failures.setdefault(record.database, Counter()).update(
            {reason.value: number for reason, number in counts.failures.items()}
        )
    ids = {record.id for record in removed}
    return tally.evolve(
        copy_failures=_with_failed(tally, (copy for copy in copies if copy.backup in ids)),
        runs=dict(+runs),
        missed=dict(+missed),
        failures={database: dict(reasons) for database, reasons in failures.items() if reasons},
        folding=(*tally.folding, *(record.id for record in removed)),
    )


def _with_failed(tally: Totals, copies: Iterable[Copy]) -> dict[str, dict[str, int]]:
    failures = {database: Counter(storages) for database, storages in tally.copy_failures.items()}
    for copy in copies:
        failures.setdefault(copy.database, Counter())[copy.storage] += copy.failures
    return {database: dict(+storages) for database, storages in failures.items() if +storages}


def _known_reason(name: str) -> Reason:
    """A reason of a newer version is still a failure."""
    return Reason(name) if name in set(Reason) else Reason.INTERNAL
