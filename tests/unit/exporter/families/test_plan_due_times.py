"""The metrics of when a plan's backups and proofs are due, and how old the newest may be."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from pgbackstop_catalog.records.attempt import Reason, Status
from pgbackstop_catalog.records.scheduler import Counted, SchedulerState
from pgbackstop_exporter.families import plans
from pgbackstop_exporter.families.samples import Families, labels
from pgbackstop_exporter.metrics import plan_metrics
from pgbackstop_exporter.snapshot import Snapshot
from tests.support.factories import DAY, NOW, daily
from tests.unit.exporter import filled
from tests.unit.exporter.filled import SEEN_AT
from tests.unit.exporter.pages_of import value, values
from tests.unit.exporter.plan_snapshot import DAILY, of


def test_a_new_database_is_due_with_the_next_run_and_shares_what_befell_the_plan(tmp_path: Path) -> None:
    noon = datetime(2026, 11, 22, 12, tzinfo=UTC)
    lost = daily(NOW, database="", status=Status.FAILED, reason=Reason.UNREACHABLE)
    found = of(tmp_path, daily(NOW - DAY), lost, live={"shop": 0.0, "new": noon.timestamp()})
    night = (noon + timedelta(hours=14)).timestamp()
    assert value(found, "backup_first_due_timestamp_seconds", database="new") == night
    known = value(found, "backup_first_due_timestamp_seconds", database="shop")
    assert known is not None
    assert known < night
    assert value(found, "backup_last_failure_timestamp_seconds", database="new") == NOW.timestamp()


def test_the_next_run_of_a_late_plan_is_in_the_past(tmp_path: Path) -> None:
    old = daily(NOW - 3 * DAY, scheduled_for=datetime(2026, 11, 19, 2, tzinfo=UTC))
    found = of(tmp_path, old)
    assert (
        value(found, "backup_next_run_timestamp_seconds", **DAILY)
        == datetime(2026, 11, 20, 2, tzinfo=UTC).timestamp()
    )


def test_a_record_of_a_clock_that_was_wrong_does_not_put_the_next_run_off(tmp_path: Path) -> None:
    tomorrow = datetime(2026, 11, 23, 2, tzinfo=UTC).timestamp()
    found = of(tmp_path, daily(NOW + 400 * DAY, scheduled_for=NOW + 400 * DAY))
    assert value(found, "backup_next_run_timestamp_seconds", **DAILY) == tomorrow


def test_due_times_count_anew_after_a_plan_was_resumed(tmp_path: Path) -> None:
    state = SchedulerState(
        pid=1,
        host="h",
        started_at=NOW,
        heartbeat_at=NOW,
        counted={"daily": Counted(schedule="0 2 * * * UTC", since=NOW)},
    )
    filled.put_state(tmp_path, "state/scheduler.json", state)
    old = daily(NOW - 3 * DAY, scheduled_for=NOW - 3 * DAY)
    tomorrow = datetime(2026, 11, 23, 2, tzinfo=UTC).timestamp()
    assert value(of(tmp_path, old), "backup_next_run_timestamp_seconds", **DAILY) == tomorrow


def test_a_scheduled_run_handles_the_due_time_of_databases_it_has_not_reached(tmp_path: Path) -> None:
    due = datetime(2026, 11, 22, 2, tzinfo=UTC)
    late = daily(NOW - 2 * DAY, database="last", scheduled_for=due - DAY)
    running = daily(NOW, database="first", status=Status.RUNNING, started_at=due, scheduled_for=due)
    found = of(tmp_path, late, running)
    assert value(found, "backup_next_run_timestamp_seconds", database="last") == (due + DAY).timestamp()


def test_the_first_due_time_comes_from_the_scheduler_else_from_the_configuration(tmp_path: Path) -> None:
    filled.fill(tmp_path)
    found = of(tmp_path)
    assert (
        value(found, "backup_first_due_timestamp_seconds", plan="daily")
        == (SEEN_AT + timedelta(hours=2)).timestamp()
    )
    bare = replace(found, settings=replace(found.settings, seen_at=NOW.timestamp()), catalog=None)
    assert (
        value(bare, "backup_first_due_timestamp_seconds", plan="daily")
        == (NOW + timedelta(hours=14)).timestamp()
    )


def test_the_first_proof_is_due_with_the_first_drill_after_the_first_backup(tmp_path: Path) -> None:
    found = of(tmp_path)
    plan = found.settings.config.plans["daily"]
    assert plan.drill.schedule is None
    # First seen on a Sunday, so the first backup is Monday's at 02:00, and the first drill is at 05:00.
    monday = datetime(2026, 11, 2, 5, tzinfo=UTC).timestamp()
    due = monday + plan.drill.max_duration + plan.grace
    assert value(found, "backup_proof_first_due_timestamp_seconds", plan="daily") == due
    assert value(found, "backup_proof_max_age_seconds", plan="daily") == 8 * 86400


def test_a_plan_without_drills_expects_no_proof(tmp_path: Path) -> None:
    found = of(tmp_path, drill={"enabled": False})
    for name in ("backup_proof_first_due_timestamp_seconds", "backup_proof_max_age_seconds"):
        assert values(found, name) == []


@pytest.mark.parametrize(
    ("moment", "hours"),
    [
        (datetime(2026, 10, 24, 12, tzinfo=UTC), 25),
        (datetime(2026, 10, 26, 1, 30, tzinfo=UTC), 26),
        (datetime(2026, 10, 27, 12, tzinfo=UTC), 25),
        (datetime(2026, 3, 29, 12, tzinfo=UTC), 25),
    ],
    ids=["summer", "a day after the clock was set back", "two days after", "set forward"],
)
def test_a_day_of_25_hours_may_have_a_backup_of_25_hours(
    tmp_path: Path, moment: datetime, hours: int
) -> None:
    good = daily(moment - DAY)
    assert limit(of(tmp_path, good, timezone="Europe/Berlin"), moment) == hours * 3600
    assert limit(of(tmp_path, good, timezone="Europe/Berlin", max_age="25h"), moment) == 25 * 3600
    assert limit(of(tmp_path, good, timezone="UTC"), moment) == 25 * 3600


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe"])
@pytest.mark.parametrize("hours", [0.1, 2.5, 5.0])
def test_a_long_run_is_not_late_in_autumn(tmp_path: Path, zone: str, hours: float) -> None:
    """Two daily runs that take as long are one day apart by the clock, whichever day it is."""
    local = ZoneInfo(zone)
    for day in range(365):
        due = datetime(2026, 1, 1, 2, tzinfo=local) + timedelta(days=day)
        ended = due.astimezone(UTC) + timedelta(hours=hours)
        following = (due + timedelta(days=1)).astimezone(UTC) + timedelta(hours=hours)
        if following - ended <= DAY:
            continue
        run = daily(ended, started_at=due.astimezone(UTC), duration_seconds=hours * 3600)
        found = of(tmp_path, run, timezone=zone, schedule="0 2 * * *")
        last_moment = following + timedelta(minutes=59)
        assert limit(found, last_moment) >= (last_moment - ended).total_seconds()
        return
    pytest.fail("the clock is set back once a year there")


def limit(found: Snapshot, moment: datetime) -> float:
    """How old the newest backup may be at a moment, in seconds."""
    families = Families()
    plans.add(families, found, moment.timestamp())
    (samples,) = (
        values for metric, values in families.at(moment.timestamp()) if metric is plan_metrics.MAX_AGE
    )
    return dict(samples)[labels(**DAILY)]
