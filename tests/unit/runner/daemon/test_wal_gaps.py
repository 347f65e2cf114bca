"""When a gap in the WAL wants a base backup."""

from datetime import timedelta

import pytest

from pgbackstop_catalog.records.attempt import Reason, Status
from pgbackstop_catalog.records.backup import Backup
from pgbackstop_runner.daemon import wal_gaps
from tests.support.factories import at, instant

GAP = at(3)
FAILED = {"status": Status.FAILED, "reason": Reason.TOOL}


@pytest.mark.parametrize(
    ("backups", "wanted"),
    [
        ([], True),
        ([instant(at(2))], True),
        ([instant(at(2), **FAILED)], True),
        ([instant(at(4))], False),
        ([instant(at(4), status=Status.RUNNING, finished_at=None)], False),
        ([instant(at(4), **FAILED)], True),
        ([instant(at(4, 30), **FAILED)], False),
        ([instant(at(4), finished_at=None, **FAILED)], True),
        ([instant(at(4), status=Status.MISSED, missed_runs=1)], True),
        ([instant(at(4, 10), status=Status.MISSED, missed_runs=1), instant(at(4))], False),
        ([instant(at(4), **FAILED), instant(at(3, 30))], True),
    ],
)
def test_wants_run(backups: list[Backup], wanted: bool) -> None:
    assert wal_gaps.wants_run(GAP, backups, now=at(5), pause=timedelta(hours=1)) is wanted


def test_without_a_gap_nothing_is_wanted() -> None:
    assert not wal_gaps.wants_run(None, [], now=at(5), pause=timedelta(hours=1))
