"""What the records say of due times, and the records of the daemon's own."""

from datetime import datetime, timedelta
from pathlib import Path

import pytest

from pgbackstop_catalog.config.plan import Plan
from pgbackstop_catalog.records.attempt import Reason, Status
from pgbackstop_catalog.records.backup import Backup
from pgbackstop_catalog.store.folder import FolderCatalog
from pgbackstop_runner.daemon import due_times
from pgbackstop_runner.daemon.plan_state import Missed, Order
from tests.support import storages
from tests.support.factories import at, instant

PLAN = Plan(server="main", backup_type="logical")
ORDER = Order(plan="shop", trigger="schedule", asked=at(2), due=at(2))


@pytest.fixture
def catalog(tmp_path: Path) -> FolderCatalog:
    return storages.catalog(tmp_path)


@pytest.mark.parametrize(
    ("records", "newest"),
    [
        ([], None),
        ([instant(at(2))], None),
        ([instant(at(2, 1), scheduled_for=at(2))], at(2)),
        # A run by hand, and afterwards.
        ([instant(at(2, 1), scheduled_for=at(2)), instant(at(5))], at(2)),
        # One that waited long began after a newer one was recorded as missed.
        (
            [
                instant(at(5), scheduled_for=at(3)),
                instant(at(4), scheduled_for=at(4), status=Status.MISSED, missed_runs=1),
                instant(at(2), scheduled_for=at(2)),
            ],
            at(4),
        ),
        # Written by a clock that was years ahead.
        (
            [instant(at(2), scheduled_for=at(2)), instant(at(9), scheduled_for=at(2) + timedelta(days=900))],
            at(2),
        ),
        # Written by a clock that was an hour ahead: to repeat nothing, it counts.
        ([instant(at(7), scheduled_for=at(7))], at(7)),
    ],
)
def test_newest_due(catalog: FolderCatalog, records: list[Backup], newest: datetime | None) -> None:
    for record in records:
        catalog.put(record)
    assert due_times.newest_due(catalog, "shop", at(6)) == newest


def test_newest_due_reads_no_further_than_it_must(catalog: FolderCatalog) -> None:
    for hour in range(1, 20):
        catalog.put(instant(at(hour, 1), scheduled_for=at(hour)))
    read: list[Backup] = []

    class Counting(FolderCatalog):
        def backups(self, plan: str | None = None):  # type: ignore[no-untyped-def]
            for record in super().backups(plan):
                read.append(record)
                yield record

    assert due_times.newest_due(Counting(catalog.root), "shop", at(20)) == at(19)
    assert len(read) == 2


def test_of_order(catalog: FolderCatalog) -> None:
    assert due_times.of_order(catalog, ORDER, at(2)) == ()
    ours = [instant(at(2, 0, 7), scheduled_for=at(2), trigger="schedule", database=name) for name in "ab"]
    others = [
        instant(at(2, 0, 8)),
        instant(at(2, 0, 8), trigger="wal-gap"),
        instant(at(2, 0, 8), trigger="schedule", scheduled_for=at(1)),
        instant(at(2, 0, 6), trigger="schedule", scheduled_for=at(2)),
    ]
    for record in (*ours, *others):
        catalog.put(record)
    started = at(2, 0, 7) + timedelta(milliseconds=900)
    assert {record.id for record in due_times.of_order(catalog, ORDER, started)} == {r.id for r in ours}
    gap = Order(plan="shop", trigger="wal-gap", asked=at(2))
    assert due_times.of_order(catalog, gap, started) == (others[1],)


@pytest.mark.parametrize(
    ("statuses", "databases", "is_told"),
    [
        ([], None, False),
        ([Status.SUCCEEDED], None, True),  # of a version that did not say of how many
        ([Status.SUCCEEDED, Status.SUCCEEDED], 2, True),
        ([Status.SUCCEEDED, Status.SUCCEEDED], 3, False),
        ([Status.SUCCEEDED, Status.FAILED], 3, True),
        ([Status.INTERRUPTED], 3, True),
    ],
)
def test_the_end_of_a_run_is_told_by_its_records(
    statuses: list[Status], databases: int | None, is_told: bool
) -> None:
    records = [instant(at(2), status=status).evolve(run_databases=databases) for status in statuses]
    assert due_times.is_told(records) is is_told


def test_missed_is_one_record_for_all() -> None:
    record = due_times.missed(
        PLAN, Missed(plan="shop", runs=3, newest=at(2), reason="nobody was there"), at(6)
    )
    assert (record.status, record.trigger, record.missed_runs) == (Status.MISSED, "schedule", 3)
    assert (record.scheduled_for, record.started_at, record.database) == (at(2), at(6), "")
    assert record.message == (
        "3 runs were due and did not start, the last of them at 2026-11-22 02:00 UTC: nobody was there."
    )


def test_one_missed_run_in_words() -> None:
    record = due_times.missed(
        PLAN, Missed(plan="shop", runs=1, newest=at(2), reason="nobody was there"), at(6)
    )
    assert record.message == "A run was due and did not start at 2026-11-22 02:00 UTC: nobody was there."


@pytest.mark.parametrize(
    ("exit_code", "status", "reason", "how"),
    [
        (1, Status.FAILED, Reason.INTERNAL, "ended with exit status 1"),
        (2, Status.FAILED, Reason.CONFIGURATION, "ended with exit status 2"),
        (5, Status.FAILED, Reason.STORAGE, "ended with exit status 5"),
        (6, Status.FAILED, Reason.UNREACHABLE, "ended with exit status 6"),
        (7, Status.FAILED, Reason.CONFIGURATION, "ended with exit status 7"),
        (0, Status.FAILED, Reason.INTERNAL, "ended with exit status 0"),
        (130, Status.INTERRUPTED, Reason.INTERRUPTED, "ended with exit status 130"),
        (-9, Status.INTERRUPTED, Reason.INTERRUPTED, "was ended by signal 9"),
        (-11, Status.FAILED, Reason.INTERNAL, "was ended by signal 11"),
    ],
)
def test_lost(exit_code: int, status: Status, reason: Reason, how: str) -> None:
    record = due_times.lost(PLAN, ORDER, at(3), made=(), exit_code=exit_code, words="last words\n")
    assert (record.status, record.reason, record.scheduled_for) == (status, reason, at(2))
    assert record.message == f"The backup's process {how} before it could record anything: last words"


def test_lost_without_or_with_too_many_words() -> None:
    one_of_two = (instant(at(2)).evolve(run_databases=2),)
    cut = due_times.lost(PLAN, ORDER, at(3), made=one_of_two, exit_code=-9, words="")
    assert "was ended by signal 9 after 1 of 2 databases" in cut.message
    assert due_times.lost(PLAN, ORDER, at(3), made=(), exit_code=1, words=" ").message.endswith(
        "it said nothing"
    )
    assert len(due_times.lost(PLAN, ORDER, at(3), made=(), exit_code=1, words="x" * 10_000).message) < 2200
