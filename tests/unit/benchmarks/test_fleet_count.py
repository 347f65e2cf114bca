"""The count of a simulated week: it must see each loss and each double, or its zeros say nothing."""

from datetime import datetime
from typing import Any

from benchmarks.fleet.count import count
from pgbackstop_catalog.records.attempt import Reason, Status
from pgbackstop_catalog.records.backup import Backup
from tests.support import factories
from tests.support.factories import at

PLAN = "main-logical"
DUE = [(PLAN, at(hour)) for hour in (1, 2, 3, 4)]


def run(number: int, due: datetime, status: Status = Status.SUCCEEDED, **changes: Any) -> Backup:
    return factories.backup(number, due, scheduled_for=due, status=status, **changes)


def test_each_due_time_has_its_run() -> None:
    found = count(DUE, [run(number, due) for number, (_, due) in enumerate(DUE)])
    assert (found.due, found.good) == (4, 4)
    assert not found.lost + found.doubled + found.unexplained


def test_one_that_no_record_knows_is_lost() -> None:
    found = count(DUE, [run(number, due) for number, (_, due) in enumerate(DUE) if number != 2])
    assert found.lost == (DUE[2],)
    assert found.good == 3


def test_one_with_two_good_backups_is_doubled() -> None:
    found = count(DUE[:1], [run(1, at(1)), run(2, at(1))])
    assert found.doubled == (DUE[0],)
    again = count(DUE[:1], [run(1, at(1), Status.INTERRUPTED, reason=Reason.INTERRUPTED), run(2, at(1))])
    assert not again.doubled
    assert (again.good, again.interrupted) == (1, 1)


def test_one_without_a_good_backup_must_be_explained() -> None:
    silent = count(DUE[:1], [run(1, at(1), Status.RUNNING, finished_at=None)])
    assert silent.unexplained == (DUE[0],)
    told = count(DUE[:1], [run(1, at(1), Status.FAILED, reason=Reason.TOOL)])
    assert not told.unexplained
    assert told.failed == 1


def test_a_missed_record_stands_for_as_many_due_times_as_it_says() -> None:
    missed = run(1, at(3), Status.MISSED, missed_runs=2, message="Nobody was there.")
    found = count(DUE, [missed, run(2, at(4))])
    assert found.lost == (DUE[0],)
    assert not found.unexplained


def test_records_of_other_plans_and_of_no_due_time_are_none_of_them() -> None:
    found = count(DUE[:1], [run(1, at(1), plan="other"), factories.backup(2), run(3, at(2))])
    assert found.lost == (DUE[0],)
