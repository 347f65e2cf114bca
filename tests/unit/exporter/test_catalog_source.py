"""The catalog as a source: what changed is read, what did not is not, and nothing is counted twice."""

import os
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from pgbackstop_catalog import errors, history
from pgbackstop_catalog.history import Attempt, Subject
from pgbackstop_catalog.records import Backup, Status, Tally
from pgbackstop_exporter import catalog_source, digests, plan_source
from pgbackstop_exporter.catalog_source import CatalogSource
from pgbackstop_exporter.facts import CatalogFacts, RestoreFacts
from pgbackstop_exporter.shelf import Shelf
from tests.unit.exporter import filled
from tests.unit.exporter.builders import DAY, NOW, backup, catalog, copy_of, physical, proof_of, restore_of

SHOP = Subject("main", "shop", "logical")
LONG_AGO = 1_000_000_000 * 10**9


def shelf(folder: Path) -> Shelf[Backup, Attempt]:
    return Shelf(folder / "catalog" / "backups" / "daily", digests.Attempts())


def settle(folder: Path) -> None:
    """Make the folder's last change an old one: a young one is looked at again, whatever its time."""
    os.utime(folder, ns=(LONG_AGO, LONG_AGO))


def runs(facts: CatalogFacts) -> int:
    return facts.plans["daily"].histories[SHOP].counts.runs


@pytest.mark.parametrize(
    "record",
    [
        backup(verified_at=NOW, scheduled_for=NOW - DAY),
        backup(status=Status.FAILED, finished_at=NOW),
        backup(status=Status.RUNNING, progress_bytes=3, progress_expected_bytes=8),
        backup(status=Status.RUNNING),
        backup(status=Status.MISSED, missed_runs=4),
        backup(expired_at=NOW, size_bytes=None, source_size_bytes=None),
        physical(method="incremental", start_lsn="1F/A0000028", timeline=7),
    ],
    ids=lambda record: f"{record.backup_type} {record.status}",
)
def test_a_digest_is_the_attempt_itself(record: Backup) -> None:
    packing = digests.Attempts()
    assert packing.unpack(record.id, packing.pack(record)) == history.attempt(record)


def test_digests_of_copies_and_proofs() -> None:
    record = backup()
    copies, proofs = digests.Copies(), digests.Proofs()
    copied, proof = copy_of(record, failures=2), proof_of(record, proven_until=NOW)
    copy = copies.unpack(f"{record.id}@offsite", copies.pack(copied))
    assert copy == digests.CopyDigest(record.id, SHOP, "offsite", True, NOW.timestamp(), 2)
    assert proofs.unpack("", proofs.pack(proof)) == (
        SHOP,
        True,
        True,
        NOW.timestamp() + 60,
        60.0,
        NOW.timestamp(),
    )
    running = {"status": Status.RUNNING, "finished_at": None, "duration_seconds": None}
    assert copies.unpack("", copies.pack(copied.but(status=Status.FAILED, finished_at=None))).finished == 0.0
    unfinished = proofs.unpack("", proofs.pack(proof.but(**running)))
    assert (unfinished.succeeded, unfinished.finished, unfinished.duration) == (False, 0.0, 0.0)
    assert not proofs.is_final(proof.but(**running))
    assert copies.is_final(copied.but(expired_at=NOW))


def test_a_folder_that_did_not_change_is_not_read(tmp_path: Path) -> None:
    path = catalog(tmp_path, backup()).path(backup()).parent
    found = shelf(tmp_path)
    settle(path)
    assert found.refresh()
    assert not found.refresh()
    (path / "20261122T020000Z-abcdef.json").write_text("garbage")
    settle(path)
    assert not found.refresh()
    assert found.refresh(thorough=True)


def test_a_young_change_is_looked_at_again(tmp_path: Path) -> None:
    records = catalog(tmp_path, backup())
    found = shelf(tmp_path)
    assert found.refresh()
    assert not found.refresh()
    records.put(backup())
    assert found.refresh()
    assert len(list(found.digests())) == 2


def test_a_final_record_is_read_again_only_when_looked_at_thoroughly(tmp_path: Path) -> None:
    record = backup(status=Status.FAILED)
    records = catalog(tmp_path, record)
    found = shelf(tmp_path)
    found.refresh()
    records.put(record.but(finished_at=NOW + timedelta(hours=1)))
    assert not found.refresh()
    assert found.refresh(thorough=True)
    assert next(found.digests()).finished == NOW.timestamp() + 3600


def test_a_kept_backup_that_expires_and_one_that_is_removed_are_seen(tmp_path: Path) -> None:
    record = backup()
    records = catalog(tmp_path, record)
    found = shelf(tmp_path)
    found.refresh()
    records.put(record.but(expired_at=NOW))
    assert found.refresh()
    assert next(found.digests()).expired
    records.remove(record)
    assert found.refresh()
    assert list(found.digests()) == []


def _unreadable(path: Path) -> None:
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda path: path.write_text("{"), "is no record"),
        (lambda path: path.write_text('{"record_version": 2}'), "newer pgbackstop"),
        (lambda path: path.rename(path.with_name("20200101T000000Z-aaaaaa.json")), "holds the record"),
        (_unreadable, "directory"),
    ],
    ids=["garbage", "newer", "misplaced", "folder"],
)
def test_what_is_no_record_is_a_problem_until_it_changes(
    tmp_path: Path, spoil: Callable[[Path], object], words: str
) -> None:
    good, bad = backup(), backup()
    records = catalog(tmp_path, good, bad)
    spoil(records.path(bad))
    found = shelf(tmp_path)
    assert found.refresh()
    assert [each.id for each in found.digests()] == [good.id]
    assert [words in problem for problem in found.problems.values()] == [True]
    assert not found.refresh()
    for path in records.path(good).parent.glob("*"):
        if path != records.path(good):
            path.rmdir() if path.is_dir() else path.unlink()
    records.put(bad)
    assert found.refresh()
    assert found.problems == {}
    assert len(list(found.digests())) == 2


def test_a_record_that_is_mended_is_read(tmp_path: Path) -> None:
    record = backup()
    records = catalog(tmp_path, record)
    records.path(record).write_text("{")
    found = shelf(tmp_path)
    found.refresh()
    assert found.problems
    records.put(record)
    assert found.refresh()
    assert not found.problems


def test_other_files_are_none_of_ours(tmp_path: Path) -> None:
    record = backup()
    parent = catalog(tmp_path, record).path(record).parent
    for name in (".20261122T020000Z-aaaaaa.json.1.tmp", ".hidden.json", "notes.txt"):
        (parent / name).write_text("x")
    found = shelf(tmp_path)
    found.refresh()
    assert found.problems == {}


def test_a_folder_that_cannot_be_listed_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "catalog" / "backups").mkdir(parents=True)
    (tmp_path / "catalog" / "backups" / "daily").write_text("a file")
    with pytest.raises(errors.CatalogError, match="cannot be read"):
        shelf(tmp_path).refresh()
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    with pytest.raises(errors.CatalogError, match="cannot be read"):
        Shelf(loop, digests.Attempts()).refresh()


def test_a_folder_that_is_not_there_holds_nothing(tmp_path: Path) -> None:
    found = shelf(tmp_path)
    assert not found.refresh()
    assert list(found.digests()) == []


def test_the_filled_catalog_is_read_whole(tmp_path: Path) -> None:
    filled.fill(tmp_path)
    facts = CatalogSource(tmp_path / "catalog").refresh()
    assert set(facts.plans) == {"daily", "weekly"}
    assert (facts.pending, facts.notification_failures, facts.unreadable) == (1, {"alertmanager": 3}, 0)
    assert facts.scheduler is not None
    assert facts.wal["main"].segments == 12
    assert facts.plans["weekly"].proofs[Subject("main", "", "physical")].proven_until == NOW.timestamp()


def test_facts_of_a_plan_are_the_same_value_while_nothing_changes(tmp_path: Path) -> None:
    filled.fill(tmp_path)
    source = CatalogSource(tmp_path / "catalog")
    first, second = source.refresh(), source.refresh()
    assert first.plans["daily"] is second.plans["daily"]
    assert first == second


def test_a_catalog_that_was_never_made_is_an_error_and_an_empty_one_is_not(tmp_path: Path) -> None:
    source = CatalogSource(tmp_path / "catalog")
    with pytest.raises(errors.CatalogError, match="is not there"):
        source.refresh()
    (tmp_path / "catalog").mkdir()
    assert source.refresh().plans == {}


def test_an_empty_mount_point_is_not_taken_for_an_empty_catalog(tmp_path: Path) -> None:
    catalog(tmp_path, backup())
    source = CatalogSource(tmp_path / "catalog")
    before = source.refresh()
    (tmp_path / "catalog").rename(tmp_path / "elsewhere")
    (tmp_path / "catalog").mkdir()
    with pytest.raises(errors.CatalogError, match="is not there"):
        source.refresh()
    assert source.facts is before


def test_one_unreadable_plan_leaves_the_others(tmp_path: Path) -> None:
    records = catalog(tmp_path, backup(), backup(plan="other"))
    source = CatalogSource(tmp_path / "catalog")
    source.refresh()
    broken = tmp_path / "catalog" / "copies" / "other"
    broken.parent.mkdir()
    broken.write_text("a file")
    records.put(backup())
    with pytest.raises(errors.CatalogError, match="cannot be read"):
        source.refresh()
    assert source.facts is not None
    assert runs(source.facts) == 2
    assert source.facts.plans["other"].histories[SHOP].counts.runs == 1


def test_an_unreadable_first_look_knows_nothing(tmp_path: Path) -> None:
    catalog(tmp_path, backup())
    (tmp_path / "catalog" / "state").mkdir()
    (tmp_path / "catalog" / "state" / "wal").write_text("a file")
    source = CatalogSource(tmp_path / "catalog")
    with pytest.raises(errors.CatalogError):
        source.refresh()
    assert source.facts is None


def test_a_state_that_loops_is_an_error_and_the_last_one_stays(tmp_path: Path) -> None:
    filled.fill(tmp_path)
    source = CatalogSource(tmp_path / "catalog")
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
    source = CatalogSource(tmp_path / "catalog")
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
    old = [backup(NOW - n * DAY, expired_at=NOW) for n in range(1, 4)]
    records = catalog(tmp_path, backup(), *old)
    source = CatalogSource(tmp_path / "catalog")

    def counted() -> int:
        facts = source.refresh().plans["daily"]
        return facts.histories[SHOP].counts.runs + facts.tally.runs.get("shop", 0)

    assert counted() == 4
    tally = history.fold(Tally(plan="daily"), old)
    records.put(tally)
    assert counted() == 4
    for record in old:
        records.remove(record)
        assert counted() == 4
    records.put(tally.but(folding=()))
    assert counted() == 4


def test_a_fold_in_the_middle_of_a_look_is_looked_at_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = backup(NOW - DAY, expired_at=NOW)
    records = catalog(tmp_path, backup(), old)
    refresh = Shelf.refresh

    def folding(self: Shelf[Backup, Attempt], *, thorough: bool = False) -> bool:
        changed = refresh(self, thorough=thorough)
        if records.path(old).exists():
            records.put(history.fold(Tally(plan="daily"), [old]).but(folding=()))
            records.remove(old)
        return changed

    monkeypatch.setattr(Shelf, "refresh", folding)
    source = plan_source.PlanSource(tmp_path / "catalog", "daily")
    source.refresh(thorough=False)
    assert source.facts.histories[SHOP].counts.runs + source.facts.tally.runs["shop"] == 2


def test_failed_copies_do_not_fall_when_their_record_goes(tmp_path: Path) -> None:
    first, second = backup(NOW - DAY), backup()
    records = catalog(tmp_path, first, second)
    failed = copy_of(first, failures=3, status=Status.FAILED)
    records.put(failed)
    records.put(copy_of(second, failures=1))
    source = CatalogSource(tmp_path / "catalog")
    key = (SHOP, "offsite")
    assert source.refresh().plans["daily"].copies[key].failures == 4
    tally = history.fold(records.tally("daily"), [first], records.copies("daily"))
    records.put(tally)
    assert counted(source.refresh()) == 4
    records.remove(first)
    records.put(tally.but(folding=()))
    assert counted(source.refresh()) == 4
    assert counted(CatalogSource(tmp_path / "catalog").refresh()) == 4
    assert source.refresh().plans["daily"].copies[key].success == NOW.timestamp()


def counted(facts: CatalogFacts) -> int:
    """Failed tries to copy to `offsite`, as records and as the tally."""
    found = facts.plans["daily"]
    return found.copies[SHOP, "offsite"].failures + found.tally.copy_failures.get("shop", {}).get(
        "offsite", 0
    )


def test_a_copy_that_an_older_backup_got_late_is_not_the_newest_backups(tmp_path: Path) -> None:
    old, new = backup(NOW - DAY), backup(NOW)
    late = copy_of(old, finished_at=NOW + DAY)
    catalog(tmp_path, old, new, copy_of(new, finished_at=NOW), late)
    copies = CatalogSource(tmp_path / "catalog").refresh().plans["daily"].copies[SHOP, "offsite"]
    assert (copies.newest, copies.success) == (new.id, NOW.timestamp())


def test_restores_good_bad_and_running_by_database(tmp_path: Path) -> None:
    records = catalog(tmp_path, backup())
    records.put(restore_of(backup(), finished_at=NOW - DAY, duration_seconds=7.0))
    records.put(restore_of(backup(), finished_at=NOW, status=Status.FAILED))
    records.put(restore_of(backup(database="crm"), finished_at=None, status=Status.RUNNING))
    source = CatalogSource(tmp_path / "catalog")
    assert source.refresh().restores == {
        "main": {
            "shop": RestoreFacts(success=(NOW - DAY).timestamp(), failure=NOW.timestamp(), duration=7.0),
            "crm": RestoreFacts(),
        }
    }


def test_a_restore_that_is_no_record_is_named(tmp_path: Path) -> None:
    catalog(tmp_path, backup()).put(restore_of(backup()))
    (tmp_path / "catalog" / "restores" / "main" / "noise.json").write_text("{}")
    assert CatalogSource(tmp_path / "catalog").refresh().unreadable == 1


def test_proofs_good_and_bad(tmp_path: Path) -> None:
    record = backup()
    records = catalog(tmp_path, record)
    for changes in (
        {"proof": "verify", "finished_at": NOW},
        {"proof": "verify", "status": Status.FAILED, "finished_at": NOW + DAY},
        {"status": Status.FAILED, "finished_at": NOW - DAY},
        {"finished_at": NOW - 2 * DAY, "duration_seconds": 5.0, "proven_until": NOW - 3 * DAY},
        {"finished_at": NOW, "duration_seconds": 7.0, "proven_until": NOW - 4 * DAY},
    ):
        records.put(proof_of(record, **changes))
    found = CatalogSource(tmp_path / "catalog").refresh().plans["daily"].proofs[SHOP]
    assert (found.verified, found.drill_failure) == (NOW.timestamp(), (NOW - DAY).timestamp())
    assert (found.drill_success, found.drill_duration) == (NOW.timestamp(), 7.0)
    assert found.proven_until == (NOW - 3 * DAY).timestamp()


def test_a_plan_without_records_is_forgotten(tmp_path: Path) -> None:
    records = catalog(tmp_path, backup(), backup(plan="other"))
    source = CatalogSource(tmp_path / "catalog")
    source.refresh()
    records.path(backup(plan="other")).parent.rename(tmp_path / "moved")
    assert set(source.refresh().plans) == {"daily"}


def test_all_is_looked_at_thoroughly_now_and_then(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record = backup(status=Status.FAILED)
    records = catalog(tmp_path, record)
    source = CatalogSource(tmp_path / "catalog")
    source.refresh()
    records.path(record).write_text("{")
    assert source.refresh().unreadable == 0
    monkeypatch.setattr(catalog_source, "_THOROUGH_SECONDS", 0.0)
    assert source.refresh().unreadable == 1
    assert source.refresh().unreadable == 1
