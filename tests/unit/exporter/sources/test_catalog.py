"""The catalog as a source: one look at all of it, nothing counted twice, and the last good facts stay."""

from pathlib import Path

import pytest

from pgbackstop_catalog import errors
from pgbackstop_catalog.decisions.attempts import Attempt, Subject
from pgbackstop_catalog.decisions.counts import folded
from pgbackstop_catalog.records.attempt import Status
from pgbackstop_catalog.records.backup import Backup
from pgbackstop_catalog.records.totals import Totals
from pgbackstop_catalog.store import listing
from pgbackstop_catalog.store.record_cache import RecordCache
from pgbackstop_exporter.snapshot import CatalogFacts, RestoreFacts
from pgbackstop_exporter.sources import catalog as sources_catalog
from pgbackstop_exporter.sources import plan
from pgbackstop_exporter.sources.catalog import CatalogSource
from pgbackstop_exporter.sources.record_folders import FolderRecords
from tests.support import storages
from tests.support.factories import DAY, NOW, catalog, copy_of, daily, proof_of, restore_of
from tests.unit.exporter import filled

SHOP = Subject("main", "shop", "logical")


def runs(facts: CatalogFacts) -> int:
    return facts.plans["daily"].histories[SHOP].counts.runs


def test_the_filled_catalog_is_read_whole(tmp_path: Path) -> None:
    filled.fill(tmp_path)
    facts = CatalogSource.of_folder(tmp_path / "catalog").refresh()
    assert set(facts.plans) == {"daily", "weekly"}
    assert (facts.pending, facts.notification_failures, facts.unreadable) == (1, {"alertmanager": 3}, 0)
    assert facts.scheduler is not None
    assert facts.wal["main"].segments == 12
    assert facts.plans["weekly"].proofs[Subject("main", "", "physical")].proven_until == NOW.timestamp()


def test_facts_of_a_plan_are_the_same_value_while_nothing_changes(tmp_path: Path) -> None:
    filled.fill(tmp_path)
    source = CatalogSource.of_folder(tmp_path / "catalog")
    first, second = source.refresh(), source.refresh()
    assert first.plans["daily"] is second.plans["daily"]
    assert first == second


def test_a_catalog_that_was_never_made_is_an_error_and_an_empty_one_is_not(tmp_path: Path) -> None:
    source = CatalogSource.of_folder(tmp_path / "catalog")
    with pytest.raises(errors.CatalogError, match="is not there"):
        source.refresh()
    (tmp_path / "catalog").mkdir()
    with pytest.raises(errors.CatalogError, match="is not there"):
        source.refresh()
    storages.catalog(tmp_path / "catalog")
    assert source.refresh().plans == {}


def test_an_empty_mount_point_is_not_taken_for_an_empty_catalog(tmp_path: Path) -> None:
    catalog(tmp_path, daily())
    source = CatalogSource.of_folder(tmp_path / "catalog")
    before = source.refresh()
    (tmp_path / "catalog").rename(tmp_path / "elsewhere")
    (tmp_path / "catalog").mkdir()
    with pytest.raises(errors.CatalogError, match="is not there"):
        source.refresh()
    assert source.facts is before


def test_records_behind_a_link_to_a_disk_that_is_away_are_not_taken_for_none(tmp_path: Path) -> None:
    catalog(tmp_path, daily())
    folder = tmp_path / "catalog" / "backups"
    folder.rename(tmp_path / "disk")
    folder.symlink_to(tmp_path / "not-mounted")
    source = CatalogSource.of_folder(tmp_path / "catalog")
    with pytest.raises(errors.CatalogError, match="cannot be read"):
        source.refresh()
    (tmp_path / "disk").rename(tmp_path / "not-mounted")
    assert runs(source.refresh()) == 1


def test_a_plan_behind_such_a_link_keeps_what_was_known_and_leaves_the_others(tmp_path: Path) -> None:
    catalog(tmp_path, daily(), daily(plan="other"))
    source = CatalogSource.of_folder(tmp_path / "catalog")
    source.refresh()
    folder = tmp_path / "catalog" / "backups" / "other"
    folder.rename(tmp_path / "disk")
    folder.symlink_to(tmp_path / "not-mounted")
    with pytest.raises(errors.CatalogError, match="cannot be read"):
        source.refresh()
    assert source.facts is not None
    assert set(source.facts.plans) == {"daily", "other"}
    assert all(each.histories for each in source.facts.plans.values())


def test_one_unreadable_plan_leaves_the_others(tmp_path: Path) -> None:
    records = catalog(tmp_path, daily(), daily(plan="other"))
    source = CatalogSource.of_folder(tmp_path / "catalog")
    source.refresh()
    broken = tmp_path / "catalog" / "copies" / "other"
    broken.parent.mkdir()
    broken.write_text("a file")
    records.put(daily())
    with pytest.raises(errors.CatalogError, match="cannot be read"):
        source.refresh()
    assert source.facts is not None
    assert runs(source.facts) == 2
    assert source.facts.plans["other"].histories[SHOP].counts.runs == 1


def test_what_changed_beside_records_that_were_unreadable_is_not_forgotten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "is_young", lambda _changed_ns: False)
    records = catalog(tmp_path, daily())
    source = CatalogSource.of_folder(tmp_path / "catalog")
    source.refresh()
    broken = tmp_path / "catalog" / "proofs" / "daily"
    broken.parent.mkdir(exist_ok=True)
    broken.write_text("a file")
    records.put(daily())
    with pytest.raises(errors.CatalogError, match="cannot be read"):
        source.refresh()
    broken.unlink()
    assert runs(source.refresh()) == 2


def test_an_unreadable_first_look_knows_nothing(tmp_path: Path) -> None:
    catalog(tmp_path, daily())
    (tmp_path / "catalog" / "state").mkdir()
    (tmp_path / "catalog" / "state" / "wal").write_text("a file")
    source = CatalogSource.of_folder(tmp_path / "catalog")
    with pytest.raises(errors.CatalogError):
        source.refresh()
    assert source.facts is None


def test_a_state_that_loops_is_an_error_and_the_last_one_stays(tmp_path: Path) -> None:
    filled.fill(tmp_path)
    source = CatalogSource.of_folder(tmp_path / "catalog")
    source.refresh()
    state = tmp_path / "catalog" / "state" / "scheduler.json"
    state.unlink()
    state.symlink_to(state)
    with pytest.raises(errors.CatalogError, match="cannot be read"):
        source.refresh()
    assert source.facts is not None
    assert source.facts.scheduler is not None


def test_a_damaged_state_is_counted_and_the_last_good_one_stays(tmp_path: Path) -> None:
    filled.fill(tmp_path)
    source = CatalogSource.of_folder(tmp_path / "catalog")
    source.refresh()
    (tmp_path / "catalog" / "state" / "scheduler.json").write_text("{")
    (tmp_path / "catalog" / "outbox" / "tally.state").write_text("[]")
    facts = source.refresh()
    assert facts.unreadable == 1
    assert facts.scheduler is not None
    assert facts.notification_failures == {"alertmanager": 3}
    (tmp_path / "catalog" / "state" / "scheduler.json").unlink()
    assert source.refresh().scheduler is not None


def test_counters_do_not_fall_while_records_are_folded_into_the_tally(tmp_path: Path) -> None:
    old = [daily(NOW - n * DAY, expired_at=NOW) for n in range(1, 4)]
    records = catalog(tmp_path, daily(), *old)
    source = CatalogSource.of_folder(tmp_path / "catalog")

    def counted() -> int:
        facts = source.refresh().plans["daily"]
        return facts.histories[SHOP].counts.runs + facts.tally.runs.get("shop", 0)

    assert counted() == 4
    tally = folded(Totals(plan="daily"), old)
    records.put(tally)
    assert counted() == 4
    for record in old:
        records.remove(record)
        assert counted() == 4
    records.put(tally.evolve(folding=()))
    assert counted() == 4


def test_a_fold_in_the_middle_of_a_look_is_looked_at_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = daily(NOW - DAY, expired_at=NOW)
    records = catalog(tmp_path, daily(), old)
    refresh = RecordCache.refresh

    def folding(self: RecordCache[Backup, Attempt], *, thorough: bool = False) -> bool:
        changed = refresh(self, thorough=thorough)
        if records.path(old).exists():
            records.put(folded(Totals(plan="daily"), [old]).evolve(folding=()))
            records.remove(old)
        return changed

    monkeypatch.setattr(RecordCache, "refresh", folding)
    source = plan.PlanSource(FolderRecords(tmp_path / "catalog"), "daily")
    source.refresh(thorough=False)
    assert source.facts.histories[SHOP].counts.runs + source.facts.tally.runs["shop"] == 2


def test_failed_copies_do_not_fall_when_their_record_goes(tmp_path: Path) -> None:
    first, second = daily(NOW - DAY), daily()
    records = catalog(tmp_path, first, second)
    failed = copy_of(first, failures=3, status=Status.FAILED)
    records.put(failed)
    records.put(copy_of(second, failures=1))
    source = CatalogSource.of_folder(tmp_path / "catalog")
    key = (SHOP, "offsite")
    assert source.refresh().plans["daily"].copies[key].failures == 4
    tally = folded(records.totals("daily"), [first], records.copies("daily"))
    records.put(tally)
    assert counted(source.refresh()) == 4
    records.remove(first)
    records.put(tally.evolve(folding=()))
    assert counted(source.refresh()) == 4
    assert counted(CatalogSource.of_folder(tmp_path / "catalog").refresh()) == 4
    assert source.refresh().plans["daily"].copies[key].success == NOW.timestamp()


def counted(facts: CatalogFacts) -> int:
    """Failed tries to copy to `offsite`, as records and as the tally."""
    found = facts.plans["daily"]
    return found.copies[SHOP, "offsite"].failures + found.tally.copy_failures.get("shop", {}).get(
        "offsite", 0
    )


def test_a_copy_that_an_older_backup_got_late_is_not_the_newest_backups(tmp_path: Path) -> None:
    old, new = daily(NOW - DAY), daily(NOW)
    late = copy_of(old, finished_at=NOW + DAY)
    catalog(tmp_path, old, new, copy_of(new, finished_at=NOW), late)
    copies = CatalogSource.of_folder(tmp_path / "catalog").refresh().plans["daily"].copies[SHOP, "offsite"]
    assert (copies.newest, copies.success) == (new.id, NOW.timestamp())


def test_a_copy_counts_by_the_backup_that_it_is_of(tmp_path: Path) -> None:
    """The newest one's copy failed, and an older one's was made after the newest backup."""
    old, new = daily(NOW - DAY), daily(NOW)
    failed = copy_of(new, status=Status.FAILED, finished_at=NOW)
    catalog(tmp_path, old, new, failed, copy_of(old, finished_at=NOW + DAY))
    copies = CatalogSource.of_folder(tmp_path / "catalog").refresh().plans["daily"].copies[SHOP, "offsite"]
    assert copies.success == (NOW - DAY).timestamp()


def test_restores_good_bad_and_running_by_database(tmp_path: Path) -> None:
    records = catalog(tmp_path, daily())
    records.put(restore_of(daily(), finished_at=NOW - DAY, duration_seconds=7.0))
    records.put(restore_of(daily(), finished_at=NOW, status=Status.FAILED))
    records.put(restore_of(daily(database="crm"), finished_at=None, status=Status.RUNNING))
    source = CatalogSource.of_folder(tmp_path / "catalog")
    assert source.refresh().restores == {
        "main": {
            "shop": RestoreFacts(success=(NOW - DAY).timestamp(), failure=NOW.timestamp(), duration=7.0),
            "crm": RestoreFacts(),
        }
    }


def test_a_restore_that_is_no_record_is_named(tmp_path: Path) -> None:
    catalog(tmp_path, daily()).put(restore_of(daily()))
    (tmp_path / "catalog" / "restores" / "main" / "noise.json").write_text("{}")
    assert CatalogSource.of_folder(tmp_path / "catalog").refresh().unreadable == 1


def test_proofs_good_and_bad(tmp_path: Path) -> None:
    record = daily()
    records = catalog(tmp_path, record)
    for changes in (
        {"proof": "verify", "finished_at": NOW},
        {"proof": "verify", "status": Status.FAILED, "finished_at": NOW + DAY},
        {"status": Status.FAILED, "finished_at": NOW - DAY},
        {"finished_at": NOW - 2 * DAY, "duration_seconds": 5.0, "proven_until": NOW - 3 * DAY},
        {"finished_at": NOW, "duration_seconds": 7.0, "proven_until": NOW - 4 * DAY},
    ):
        records.put(proof_of(record, **changes))
    found = CatalogSource.of_folder(tmp_path / "catalog").refresh().plans["daily"].proofs[SHOP]
    assert (found.verified, found.drill_failure) == (NOW.timestamp(), (NOW - DAY).timestamp())
    assert (found.drill_success, found.drill_duration) == (NOW.timestamp(), 7.0)
    assert found.proven_until == (NOW - 3 * DAY).timestamp()


def test_a_plan_without_records_is_forgotten(tmp_path: Path) -> None:
    records = catalog(tmp_path, daily(), daily(plan="other"))
    source = CatalogSource.of_folder(tmp_path / "catalog")
    source.refresh()
    records.path(daily(plan="other")).parent.rename(tmp_path / "moved")
    assert set(source.refresh().plans) == {"daily"}


def test_all_is_looked_at_thoroughly_now_and_then(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record = daily(status=Status.FAILED)
    records = catalog(tmp_path, record)
    source = CatalogSource.of_folder(tmp_path / "catalog")
    source.refresh()
    records.path(record).write_text("{")
    assert source.refresh().unreadable == 0
    monkeypatch.setattr(sources_catalog, "_THOROUGH_SECONDS", 0.0)
    assert source.refresh().unreadable == 1
    assert source.refresh().unreadable == 1
