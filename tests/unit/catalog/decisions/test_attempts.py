"""What an attempt is, as its record says it."""

import pytest

from pgbackstop_catalog.decisions.attempts import Subject, attempt_of, failure_reason
from pgbackstop_catalog.records.attempt import Reason, Status
from pgbackstop_catalog.records.backup import Backup
from tests.support.factories import DAY, NOW, daily, failed, weekly


def test_an_attempt_knows_what_its_record_says() -> None:
    record = weekly(NOW, start_lsn="1/A0000028", timeline=3, verified_at=NOW, method="incremental")
    found = attempt_of(record)
    assert found.subject == Subject("main", "", "physical")
    assert (found.start_lsn, found.timeline) == (0x1A0000028, 3)
    assert (found.verified, found.incremental, found.duration) == (NOW.timestamp(), True, 90.5)


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (daily(), None),
        (failed(reason=Reason.SPACE), Reason.SPACE),
        (failed(reason=None), Reason.INTERNAL),
        (daily(status=Status.INTERRUPTED, reason=Reason.TOOL), Reason.INTERRUPTED),
        (daily(status=Status.MISSED), None),
        (daily(status=Status.RUNNING), None),
    ],
)
def test_each_failure_has_a_reason_of_the_fixed_list(record: Backup, reason: Reason | None) -> None:
    assert failure_reason(record) is reason
    assert attempt_of(record).is_failure is (reason is not None)


def test_a_backup_was_last_read_when_it_was_made_or_read_back() -> None:
    read = daily(NOW - 2 * DAY, verified_at=NOW - DAY)
    assert [each.last_read for each in map(attempt_of, (read, daily(NOW)))] == [
        (NOW - DAY).timestamp(),
        NOW.timestamp(),
    ]
