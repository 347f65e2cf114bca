"""Which backup a restore takes, how long it should take, and what its databases are called."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from pgbackstop_catalog import errors
from pgbackstop_catalog.records import restore
from pgbackstop_catalog.records.attempt import Status
from pgbackstop_catalog.records.backup import Backup
from pgbackstop_catalog.records.restore import Restore
from pgbackstop_runner.restore import select_backup, target_database
from pgbackstop_runner.restore.select_backup import BackupQuery
from tests.support import factories

NOW = datetime(2026, 11, 22, 2, tzinfo=UTC)


def backup(number: int, **more: Any) -> Backup:
    """The older the greater its number; one of the future has a negative one."""
    moment = NOW - timedelta(days=number)
    facts: dict[str, Any] = {"plan": "daily", "started_at": moment, "source_size_bytes": 10**9}
    return factories.backup(abs(number), moment, **{**facts, **more})


def restored(number: int, seconds: float, **more: Any) -> Restore:
    facts: dict[str, Any] = {"duration_seconds": seconds, "source_size_bytes": 5 * 10**8}
    return factories.restore_of(backup(number), **{**facts, **more})


HISTORY = (
    backup(0, status=Status.FAILED),
    backup(1, expired_at=NOW),
    backup(2, backup_type="physical", database=""),
    backup(3, plan="weekly"),
    backup(4),
    backup(5, database="blog"),
)


@pytest.mark.parametrize(
    ("wanted", "number"),
    [
        (BackupQuery(database="shop"), 3),
        (BackupQuery(plan="daily", database="shop"), 4),
        (BackupQuery(plan="weekly"), 3),
        (BackupQuery(database="blog"), 5),
        (BackupQuery(backup=backup(5).id), 5),
        (BackupQuery(backup=backup(4).id[:8]), 4),
    ],
)
def test_the_newest_good_one_that_fits(wanted: BackupQuery, number: int) -> None:
    assert select_backup.choose(HISTORY, wanted, now=NOW).backup.id == backup(number).id


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        (BackupQuery(), "fits 2 databases"),
        (BackupQuery(plan="monthly"), "no logical backup to restore of plan monthly"),
        (BackupQuery(backup="2026"), "beginning of 6 backups"),
        (BackupQuery(backup="1999"), "There is no backup '1999'"),
        (BackupQuery(backup=backup(0).id), "did not succeed"),
        (BackupQuery(backup=backup(1).id), "has expired"),
        (BackupQuery(backup=backup(2).id), "is physical"),
    ],
)
def test_what_cannot_be_restored_is_said(wanted: BackupQuery, words: str) -> None:
    with pytest.raises(errors.PgbackstopError, match=words):
        select_backup.choose(HISTORY, wanted, now=NOW)


def test_the_estimate_learns_from_earlier_restores() -> None:
    assert restore.estimate(backup(1), []).seconds == 10**9 / restore.FIRST_GUESS_BYTES_A_SECOND
    others = [
        restored(1, 9, status=Status.FAILED),
        restored(1, 9, database="blog"),
        restored(1, 9, method="selection"),
    ]
    assert restore.estimate(backup(1), others).reason == "guessed from its size"
    known = restore.estimate(backup(1), [*others, restored(1, 10), restored(2, 50), restored(3, 20)])
    assert (known.seconds, known.reason) == (40.0, "as fast as the last 3")
    unsized = [restored(1, 10, source_size_bytes=None), restored(2, 30, source_size_bytes=None)]
    assert restore.estimate(backup(1), unsized).seconds == 30


def test_what_can_be_undone() -> None:
    done = restored(1, 9, replaced_database="shop__before_100001")
    assert done.is_undoable
    assert not done.evolve(undone_at=NOW).is_undoable
    assert not done.evolve(dropped_at=NOW).is_undoable
    assert not restored(1, 9).is_undoable


@pytest.mark.parametrize("name", ["shop", "ü" * 40, "x" * 63, "a" + "ü" * 31])
def test_names_fit_and_tell_what_they_are(name: str) -> None:
    made = target_database.name_beside(name, "restore", "5f3a9c")
    assert len(made.encode()) <= 63
    assert made.endswith("__restore_5f3a9c")
    assert name.startswith(made.removesuffix("__restore_5f3a9c"))


def test_one_of_the_future_is_the_newest_only_where_there_is_no_other() -> None:
    ahead, usual = backup(9, started_at=NOW + timedelta(days=3650)), backup(1)
    chosen = select_backup.choose([ahead, usual], BackupQuery(), now=NOW)
    assert chosen.backup == usual
    assert chosen.why == "the newest of 2 good backups but for 1 dated in the future"
    assert select_backup.choose([ahead], BackupQuery(), now=NOW).backup == ahead
