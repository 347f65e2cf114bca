"""The metrics of plans, from the configuration and what the records add up to."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pgbackstop_catalog.config.plan import Plan
from pgbackstop_catalog.config.verify import Verify
from pgbackstop_catalog.decisions.attempts import Subject
from pgbackstop_catalog.decisions.history import History
from pgbackstop_catalog.records.attempt import Reason, Status
from pgbackstop_catalog.records.backup import Backup
from pgbackstop_catalog.records.totals import Totals
from pgbackstop_catalog.records.vanished import Acknowledgement, VanishedTable
from pgbackstop_exporter.families import plans
from pgbackstop_exporter.snapshot import CATALOG, DiskFacts, PlanFacts, Settings, Snapshot
from pgbackstop_exporter.sources.catalog import CatalogSource
from tests.support.factories import DAY, NOW, catalog, config, daily, weekly
from tests.unit.exporter import filled
from tests.unit.exporter.filled import WELL
from tests.unit.exporter.pages_of import UNIX, value, value_at, values
from tests.unit.exporter.plan_snapshot import DAILY, of


def names(snapshot: Snapshot) -> set[str]:
    """The databases that have series."""
    plan = snapshot.settings.config.plans["daily"]
    facts = snapshot.catalog.plans.get("daily") if snapshot.catalog else None
    live = snapshot.servers["main"].databases if "main" in snapshot.servers else None
    return set(plans.databases(plan, facts or PlanFacts(tally=Totals(plan="daily")), live))


def test_a_plan_that_never_ran_is_a_visible_zero(tmp_path: Path) -> None:
    found = of(tmp_path)
    assert value(found, "backup_last_success_time", plan="daily", database="") == 0.0
    assert value(found, "backup_last_attempt_timestamp_seconds", plan="daily") == 0.0
    assert value(found, "backup_runs_total", plan="daily") == 0.0
    assert len(values(found, "backup_run_failures_total", plan="daily")) == len(Reason)
    for name in (
        "backup_size_bytes",
        "backup_duration_seconds",
        "backup_age_seconds",
        "backup_oldest_timestamp_seconds",
    ):
        assert values(found, name) == []


def test_before_the_catalog_was_read_only_what_is_configured_is_said(tmp_path: Path) -> None:
    found = replace(of(tmp_path, daily()), catalog=None, health={})
    assert value(found, "backup_max_age_seconds", plan="daily") == 90000.0
    assert values(found, "backup_last_success_time") == []
    assert values(found, "backup_catalog_up") == []


def test_an_unreadable_catalog_keeps_times_and_drops_what_runs(tmp_path: Path) -> None:
    running = daily(status=Status.RUNNING, started_at=NOW)
    well = of(tmp_path, daily(NOW - DAY), running)
    assert value(well, "backup_running", **DAILY) == 1.0
    ill = replace(well, health={CATALOG: replace(WELL, success=False)})
    assert values(ill, "backup_running") == values(ill, "backup_progress_bytes") == []
    assert value(ill, "backup_last_success_time", **DAILY) == (NOW - DAY).timestamp()
    assert value_at(UNIX + 60, ill, "backup_age_seconds", **DAILY) == 86460.0
    assert value(ill, "backup_catalog_up") == value(ill, "backup_source_up", source="catalog") == 0.0


def test_all_databases_are_those_that_the_server_has(tmp_path: Path) -> None:
    found = of(
        tmp_path,
        daily(),
        daily(database="gone"),
        live={"shop": 1.0, "new": 2.0, "no": 3.0},
        exclude_databases=["no"],
    )
    assert names(found) == {"shop", "new"}


def test_all_databases_are_those_on_record_while_the_server_has_not_answered(tmp_path: Path) -> None:
    assert names(of(tmp_path, daily(), daily(database="crm"), daily(server="old", database="x"))) == {
        "shop",
        "crm",
    }


def test_a_dropped_database_is_left_out_after_two_good_runs_without_it(tmp_path: Path) -> None:
    def run(days: int, database: str) -> Backup:
        return daily(NOW - days * DAY, database=database, scheduled_for=NOW - days * DAY)

    assert names(of(tmp_path, run(3, "gone"), run(3, "shop"), run(2, "shop"), run(1, "shop"))) == {"shop"}


def test_a_configured_list_is_the_answer_itself(tmp_path: Path) -> None:
    found = of(tmp_path, daily(), live={"other": 1.0}, databases=["shop", "crm"])
    assert names(found) == {"shop", "crm"}


def test_a_whole_server_has_no_database(tmp_path: Path) -> None:
    plan = Plan(server="main", backup_type="physical")
    assert plans.databases(plan, PlanFacts(tally=Totals(plan="weekly")), {"shop": 1.0}) == ("",)


def test_an_attempt_for_the_whole_plan_counts_for_each_of_its_databases(tmp_path: Path) -> None:
    lost = daily(NOW, database="", status=Status.FAILED, reason=Reason.UNREACHABLE)
    missed = daily(NOW, database="", status=Status.MISSED, missed_runs=2)
    found = of(tmp_path, daily(NOW - DAY), daily(NOW - DAY, database="crm"), lost, missed)
    for database in ("shop", "crm"):
        where = {**DAILY, "database": database}
        assert value(found, "backup_consecutive_failures", **where) == 1.0
        assert value(found, "backup_missed_runs_total", **where) == 2.0
        assert value(found, "backup_run_failures_total", reason="unreachable", **where) == 1.0
    assert values(found, "backup_last_success_time", database="") == []


def test_why_it_fails_is_that_of_the_newest_failure_until_it_succeeds(tmp_path: Path) -> None:
    old = daily(NOW - 2 * DAY, status=Status.FAILED, reason=Reason.RIGHTS)
    new = daily(NOW, database="", status=Status.FAILED, reason=Reason.SPACE)
    found = of(tmp_path / "failing", daily(NOW - 3 * DAY), old, new)
    assert value(found, "backup_failing_info", reason="space", **DAILY) == 1.0
    assert len(values(found, "backup_failing_info")) == 1
    assert values(of(tmp_path / "well", old, daily(NOW)), "backup_failing_info") == []


def test_tallies_of_the_database_and_of_the_whole_plan_are_added(tmp_path: Path) -> None:
    tally = Totals(
        plan="daily", runs={"shop": 5, "": 1}, missed={"": 2}, failures={"shop": {"tool": 1}, "": {"tool": 1}}
    )
    catalog(tmp_path).put(tally)
    found = of(tmp_path, daily())
    assert value(found, "backup_runs_total", **DAILY) == 7.0
    assert value(found, "backup_missed_runs_total", **DAILY) == 2.0
    assert value(found, "backup_run_failures_total", reason="tool", **DAILY) == 2.0


def test_records_that_are_folded_but_not_removed_yet_are_counted_once(tmp_path: Path) -> None:
    record = daily()
    catalog(tmp_path).put(Totals(plan="daily", runs={"shop": 1}, folding=(record.id,)))
    assert value(of(tmp_path, record), "backup_runs_total", **DAILY) == 1.0


@pytest.mark.parametrize(("enabled", "expected"), [(True, 1.0), (False, 0.0)])
def test_a_paused_plan_says_so(tmp_path: Path, enabled: bool, expected: float) -> None:
    assert value(of(tmp_path, enabled=enabled), "backup_enabled", plan="daily") == expected


def test_proofs_and_copies_of_the_filled_catalog(tmp_path: Path) -> None:
    found = filled.snapshot(tmp_path)
    assert value(found, "backup_copy_failures_total", plan="daily") == 1.0
    assert value(found, "backup_drill_duration_seconds", plan="daily") == 60.0
    assert value(found, "backup_verified_timestamp_seconds", plan="daily") == NOW.timestamp()
    assert value(found, "backup_progress_expected_bytes", plan="daily") == 9.0


def test_a_subject_without_history_of_its_own_has_the_plans_or_none() -> None:
    subject = Subject("main", "new", "logical")
    whole = History(last_failure=5.0)
    facts = PlanFacts(tally=Totals(plan="p"), histories={subject._replace(database=""): whole})
    assert facts.history(subject) == whole
    assert PlanFacts(tally=Totals(plan="p")).history(subject) == History()


def test_a_physical_backup_of_another_server_is_not_this_plans(tmp_path: Path) -> None:
    catalog(tmp_path, weekly(server="old"))
    found = Snapshot(
        settings=Settings(config=config(tmp_path), seen_at=0.0),
        catalog=CatalogSource.of_folder(tmp_path / "catalog").refresh(),
    )
    assert value(found, "backup_last_success_time", plan="weekly") == 0.0


def test_a_running_backup_tells_when_it_last_wrote(tmp_path: Path) -> None:
    silent = daily(status=Status.RUNNING, started_at=NOW - DAY)
    writing = daily(database="crm", status=Status.RUNNING, started_at=NOW - DAY, progress_at=NOW)
    found = of(tmp_path, silent, writing)
    moments = {
        name: value(found, "backup_progress_timestamp_seconds", database=name) for name in ("shop", "crm")
    }
    assert moments == {"shop": (NOW - DAY).timestamp(), "crm": NOW.timestamp()}


def test_the_expected_size_follows_a_source_that_grew_and_never_one_that_shrank(tmp_path: Path) -> None:
    usual = [daily(NOW - days * DAY) for days in range(1, 6)]
    for number, (source, expected) in enumerate({9: 1, 18: 2, 3: 1}.items()):
        newest = daily(NOW, source_size_bytes=source * 10**6)
        found = of(tmp_path / str(number), *usual, newest)
        assert value(found, "backup_size_expected_bytes", **DAILY) == expected * 10**6


def test_of_an_incremental_backup_no_size_is_expected(tmp_path: Path) -> None:
    found = of(tmp_path, daily(method="incremental"))
    assert values(found, "backup_size_expected_bytes") == []
    assert value(found, "backup_size_baseline_bytes", **DAILY) == 1_000_000


def test_a_plan_has_a_floor_once_it_has_made_as_many_backups(tmp_path: Path) -> None:
    failed = daily(NOW - DAY, status=Status.FAILED)
    assert values(of(tmp_path, daily(), failed), "backup_keep_minimum") == []
    assert value(of(tmp_path, daily(NOW + DAY)), "backup_keep_minimum", **DAILY) == 2


def test_when_runs_were_found_missed(tmp_path: Path) -> None:
    missed = daily(NOW, started_at=NOW, status=Status.MISSED, scheduled_for=NOW - 2 * DAY)
    found = of(tmp_path, daily(NOW - 3 * DAY), missed)
    assert value(found, "backup_last_missed_timestamp_seconds", **DAILY) == NOW.timestamp()


LOST = tuple(VanishedTable(table=f"public.t{number}", rows_before=5000, rows=0) for number in range(2))


def test_vanished_tables_are_counted_for_thirty_days_or_until_acknowledged(tmp_path: Path) -> None:
    by = Acknowledgement(at=NOW, operator="ops")
    found = of(
        tmp_path,
        daily(NOW),
        daily(NOW - DAY, vanished=LOST),
        daily(NOW - 2 * DAY, vanished=LOST, acknowledged=by),
        daily(NOW - 29 * DAY, vanished=LOST[:1], expired_at=NOW),
        daily(NOW - 31 * DAY, vanished=LOST),
    )
    assert value(found, "backup_vanished_tables", plan="daily", database="shop") == 3


@pytest.mark.parametrize(
    ("plan", "numbers"),
    [
        ({}, [0.0]),
        ({"row_counts": False}, []),
        ({"data_loss": {"enabled": False}}, []),
    ],
)
def test_a_plan_that_compares_no_rows_claims_nothing(
    tmp_path: Path, plan: dict[str, Any], numbers: list[float]
) -> None:
    found = of(tmp_path, daily(), **plan)
    assert values(found, "backup_vanished_tables", plan="daily") == numbers


def test_what_vanished_is_told_when_nothing_is_compared_any_more(tmp_path: Path) -> None:
    found = of(tmp_path, daily(vanished=LOST), data_loss={"enabled": False})
    assert value(found, "backup_vanished_tables", plan="daily", database="shop") == 2


CONDEMNED: dict[str, Any] = {"status": Status.FAILED, "reason": Reason.CORRUPT, "verification": "failed"}


def test_the_oldest_reading_is_that_of_what_was_not_read_for_the_longest_time(
    tmp_path: Path,
) -> None:
    records = [
        daily(NOW - 9 * DAY, expired_at=NOW),
        daily(NOW - 7 * DAY, verified_at=NOW - DAY),
        daily(NOW - 5 * DAY, verified_at=NOW - 4 * DAY),
        daily(NOW - 3 * DAY),  # never read back: as it was made
        daily(NOW - 6 * DAY, **CONDEMNED),
    ]
    found = of(tmp_path, *records)
    name = "backup_oldest_verification_timestamp_seconds"
    assert value(found, name, **DAILY) == (NOW - 4 * DAY).timestamp()
    gone = DiskFacts(free=1, size=1, free_inodes=None, is_readonly=False, missing=frozenset([records[2].id]))
    assert value(replace(found, disks={"/": gone}), name, **DAILY) == (NOW - 3 * DAY).timestamp()
    assert value(found, "backup_damaged", **DAILY) == 1.0
    assert value(found, "backup_consecutive_failures", **DAILY) == 0.0


def test_what_is_not_read_on_a_schedule_has_no_limit(tmp_path: Path) -> None:
    found = of(tmp_path, daily())
    assert value(found, "backup_verification_max_age_seconds", **DAILY) == 30 * 86400.0
    off = found.settings.config.model_copy(update={"verify": Verify(enabled=False)})
    silent = replace(found, settings=replace(found.settings, config=off))
    assert values(silent, "backup_verification_max_age_seconds") == []


def test_what_a_plan_keeps_that_is_gone_from_the_configuration(tmp_path: Path) -> None:
    """No retention looks at it; what expired or failed takes no room."""
    found = of(
        tmp_path,
        daily(NOW, size_bytes=5),
        daily(NOW, plan="old-name", size_bytes=30),
        daily(NOW - DAY, plan="old-name", size_bytes=12),
        daily(NOW - DAY, plan="older-name", size_bytes=70, expired_at=NOW),
    )
    assert values(found, "backup_unconfigured_plan_bytes") == [42.0]
    assert value(found, "backup_unconfigured_plan_bytes", plan="old-name") == 42.0
