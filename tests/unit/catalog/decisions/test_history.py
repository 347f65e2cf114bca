"""What attempts add up to: counted, in order of time, never twice."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from pgbackstop_catalog.config.schedule import Schedule
from pgbackstop_catalog.decisions import history
from pgbackstop_catalog.decisions.attempts import Attempt, attempt_of
from pgbackstop_catalog.decisions.counts import Counts, folded, tallied
from pgbackstop_catalog.records.attempt import Reason, Status
from pgbackstop_catalog.records.backup import Backup
from pgbackstop_catalog.records.totals import Totals
from pgbackstop_catalog.records.vanished import Acknowledgement
from tests.support.factories import DAY, NOW, daily, failed, weekly

HOUR = timedelta(hours=1)


def attempts(*records: Backup) -> list[Attempt]:
    return [attempt_of(record) for record in records]


def due(days_ago: int, *, status: Status = Status.SUCCEEDED, database: str = "shop") -> Backup:
    """A scheduled attempt of that many days ago."""
    moment = NOW - days_ago * DAY
    return daily(moment, status=status, database=database, scheduled_for=moment, trigger="schedule")


def test_no_attempts_are_no_history() -> None:
    found = history.summarise([])
    assert found == history.History()
    assert found.last_success == 0.0


def test_the_newest_success_is_the_one_that_ended_last() -> None:
    long_one = daily(NOW, started_at=NOW - 5 * HOUR, size_bytes=5)
    found = history.summarise(attempts(daily(NOW - HOUR, size_bytes=1), long_one))
    assert found.success is not None
    assert (found.last_success, found.success.size) == (NOW.timestamp(), 5)
    assert found.last_attempt == (NOW - HOUR - timedelta(seconds=90)).timestamp()


def test_failures_are_counted_since_the_newest_success() -> None:
    records = [failed(NOW - 3 * DAY), daily(NOW - 2 * DAY), failed(NOW - DAY), failed(NOW)]
    found = history.summarise(attempts(*records))
    assert found.consecutive_failures == 2
    assert found.last_failure == NOW.timestamp()
    assert found.counts == Counts(runs=4, failures={Reason.TOOL: 3}, missed=0)


def test_a_missed_run_is_no_attempt_and_no_failure() -> None:
    missed = daily(status=Status.MISSED, missed_runs=3, scheduled_for=NOW)
    alone = daily(NOW - DAY, status=Status.MISSED)
    found = history.summarise(attempts(missed, alone))
    assert found.counts == Counts(runs=0, failures={}, missed=4)
    assert found.last_attempt == found.last_failure == found.consecutive_failures == 0
    assert found.handled_until == NOW.timestamp()


def test_a_running_attempt_is_shown_and_not_counted_yet() -> None:
    running = daily(NOW, status=Status.RUNNING, progress_bytes=7, progress_expected_bytes=9)
    found = history.summarise(attempts(running, daily(NOW - DAY)))
    assert found.running is not None
    assert (found.running.progress, found.running.progress_expected) == (7, 9)
    assert found.running.finished == 0.0
    assert found.counts.runs == 1


def test_what_has_expired_is_not_available() -> None:
    records = [daily(NOW, size_bytes=2), daily(NOW - DAY, size_bytes=3)]
    records.append(daily(NOW - 2 * DAY, expired_at=NOW))
    found = history.summarise(attempts(*records))
    assert (found.available, found.stored_bytes) == (2, 5)
    assert found.oldest == (NOW - DAY).timestamp()
    assert [each.is_available for each in attempts(*records)] == [True, True, False]


def damaged(ended: datetime = NOW, **changes: Any) -> Backup:
    """Stored, read back, and not what it was."""
    condemned: dict[str, Any] = {"status": Status.FAILED, "reason": Reason.CORRUPT, "verification": "failed"}
    return daily(ended, **{**condemned, **changes})


def test_a_damaged_backup_is_no_run_that_failed() -> None:
    found = history.summarise(attempts(damaged(), daily(NOW - DAY), failed(NOW - 2 * DAY)))
    assert found.damaged == 1
    assert (found.consecutive_failures, found.last_failure) == (0, (NOW - 2 * DAY).timestamp())
    assert found.last_success == (NOW - DAY).timestamp()
    assert found.counts.failures == {Reason.CORRUPT: 1, Reason.TOOL: 1}


@pytest.mark.parametrize(
    ("changes", "is_open"),
    [
        ({}, True),
        ({"acknowledged": Acknowledgement(at=NOW, operator="ops")}, False),
        ({"expired_at": NOW}, False),
        ({"status": Status.SUCCEEDED, "reason": None, "verification": "pg_restore 17"}, False),
        ({"verification": ""}, False),
    ],
    ids=["found", "acknowledged", "removed", "mended", "corrupt from the first"],
)
def test_damage_lasts_until_somebody_deals_with_it(changes: dict[str, Any], is_open: bool) -> None:
    assert history.summarise(attempts(damaged(**changes))).damaged == is_open


def test_a_failed_record_without_an_end_ended_when_it_started() -> None:
    record = failed(started_at=NOW, finished_at=None)
    assert history.summarise(attempts(record)).last_failure == NOW.timestamp()


def test_baselines_are_medians_of_the_newest_comparable_successes() -> None:
    old = [weekly(NOW - n * DAY, size_bytes=10**9, duration_seconds=999.0) for n in range(50, 60)]
    new = [weekly(NOW - n * DAY, size_bytes=100 + n, duration_seconds=float(n)) for n in range(10)]
    small = [weekly(NOW - n * DAY - HOUR, size_bytes=1, method="incremental") for n in range(10)]
    found = history.summarise(attempts(*old, *new, *small))
    assert found.size_baseline == 104.5
    assert found.duration_baseline == 4.5


def test_a_success_of_unknown_size_has_no_size_baseline() -> None:
    found = history.summarise(attempts(daily(size_bytes=None)))
    assert found.size_baseline is None
    assert found.duration_baseline == 90.5


def test_records_that_are_being_folded_are_counted_by_the_tally_alone() -> None:
    records = [failed(NOW - DAY), daily(NOW)]
    tally = folded(Totals(plan="daily"), records[:1])
    found = history.summarise(attempts(*records), folding=frozenset(tally.folding))
    together = found.counts.plus(tallied(tally, "shop"))
    assert together == Counts(runs=2, failures={Reason.TOOL: 1}, missed=0)
    assert found.last_failure == (NOW - DAY).timestamp()


def test_a_database_is_dropped_when_two_good_runs_in_a_row_are_without_it() -> None:
    old = due(3, database="gone")
    runs = [due(3), due(2), due(1)]
    assert history.dropped(attempts(old, *runs)) == {"gone"}


@pytest.mark.parametrize(
    "newest",
    [
        pytest.param([], id="only one run since"),
        pytest.param([due(1, status=Status.FAILED)], id="a run that failed"),
        pytest.param([due(1, status=Status.INTERRUPTED)], id="a run that was cut short"),
        pytest.param([due(1, status=Status.RUNNING)], id="a run that still runs"),
        pytest.param(
            [due(1), due(1, status=Status.FAILED, database="")], id="a run whose process was killed"
        ),
        pytest.param([daily(NOW)], id="a run by hand"),
    ],
)
def test_a_database_is_not_taken_for_dropped_by(newest: list[Backup]) -> None:
    records = [due(3), due(3, database="late"), due(2), *newest]
    assert history.dropped(attempts(*records)) == set()


def test_nothing_is_dropped_without_scheduled_runs() -> None:
    assert history.dropped(attempts(daily(NOW), daily(NOW - DAY, database="crm"))) == set()


def test_a_database_that_is_new_is_not_dropped() -> None:
    records = [due(3), due(2), daily(NOW, database="new")]
    assert history.dropped(attempts(*records)) == set()


DAILY = Schedule(expression="0 2 * * *")


@pytest.mark.parametrize(
    ("handled", "expected"),
    [
        (datetime(2026, 11, 20, 2, tzinfo=UTC), datetime(2026, 11, 21, 2, tzinfo=UTC)),
        (datetime(2026, 11, 21, 1, 59, tzinfo=UTC), datetime(2026, 11, 21, 2, tzinfo=UTC)),
    ],
)
def test_the_next_run_is_the_first_one_that_nothing_handled(handled: datetime, expected: datetime) -> None:
    found = history.next_run(DAILY, handled_until=handled.timestamp(), first_seen=0.0)
    assert found == expected.timestamp()


@pytest.mark.parametrize(("ahead", "handles"), [(timedelta(days=1), True), (timedelta(days=400), False)])
def test_what_is_dated_far_ahead_handles_no_due_time(ahead: timedelta, handles: bool) -> None:
    handled, now = (NOW + ahead).timestamp(), NOW.timestamp()
    assert history.credible(handled, now) == (handled if handles else now)


def test_a_plan_that_never_ran_is_due_after_it_was_first_seen() -> None:
    seen = datetime(2026, 11, 20, 12, tzinfo=UTC).timestamp()
    expected = datetime(2026, 11, 21, 2, tzinfo=UTC).timestamp()
    assert history.first_due(DAILY, seen) == expected
    assert history.next_run(DAILY, handled_until=0.0, first_seen=seen) == expected
