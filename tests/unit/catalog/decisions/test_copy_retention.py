"""A storage with a retention of its own is judged by what it holds, whatever other storages hold."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pgbackstop_catalog.config.keep import Keep
from pgbackstop_catalog.decisions import copy_retention
from pgbackstop_catalog.decisions.copy_retention import StorageRecords
from pgbackstop_catalog.records.attempt import Status
from pgbackstop_catalog.records.backup import Backup
from pgbackstop_catalog.records.copy import Copy
from pgbackstop_catalog.records.pin import Pin
from pgbackstop_catalog.records.proof import Proof
from tests.support.factories import DAY, NOW, backup, physical


def copied(each: Backup, **changes: object) -> Copy:
    """A good copy in the bucket."""
    done = Copy.of(each, "bucket", started_at=NOW).evolve(status=Status.SUCCEEDED, finished_at=NOW)
    return done.evolve(**changes)


def daily(count: int, **changes: object) -> list[Backup]:
    return [backup(number, NOW - number * DAY, **changes) for number in range(count)]


def records(
    backups: list[Backup], copies: list[Copy], keep: Keep, proofs: tuple[Proof, ...] = ()
) -> StorageRecords:
    return StorageRecords(storage="bucket", keep=keep, backups=backups, copies=copies, proofs=proofs)


def kept(found: StorageRecords) -> list[str]:
    return [each.backup.id for each in copy_retention.decide(found, now=NOW) if each.kept]


def test_a_year_in_the_bucket_and_a_week_here() -> None:
    """What has left the host's folder counts in the bucket as it did."""
    backups = [each.evolve(expired_at=NOW) if number >= 7 else each for number, each in enumerate(daily(400))]
    found = records(backups, [copied(each) for each in backups], Keep(within=365 * 86400.0))
    assert kept(found) == [each.id for each in backups[:365]]
    verdict = copy_retention.decide(found, now=NOW)[100]
    assert (verdict.storage, verdict.reasons) == ("bucket", ("younger than 365d",))
    assert verdict.backup.is_available


def test_a_week_in_the_bucket_and_a_year_here() -> None:
    backups = daily(30)
    found = records(backups, [copied(each) for each in backups], Keep(last=7))
    assert kept(found) == [each.id for each in backups[:7]]
    assert copy_retention.belonging(found, now=NOW) == {each.id for each in backups[:7]}


def test_uploads_that_fail_take_nothing() -> None:
    """The newest copy is ten days old: what follows it here does not push out what is there."""
    backups = daily(20)
    found = records(backups, [copied(each) for each in backups[10:17]], Keep(last=7))
    assert kept(found) == [each.id for each in backups[10:17]]
    assert copy_retention.belonging(found, now=NOW) == {each.id for each in backups[:7]}


def test_what_was_proven_there_or_pinned_stays() -> None:
    backups = daily(9)
    backups[8] = backups[8].evolve(pinned=Pin(at=NOW, operator="ops", host="here"))
    copies = [copied(each) for each in backups]
    copies[5] = copies[5].evolve(verified_at=NOW)
    drilled = Proof.of(backups[6], "drill", started_at=NOW).evolve(status=Status.SUCCEEDED, copy_in="other")
    assert kept(records(backups, copies, Keep(last=1, minimum=1), (drilled,))) == [
        backups[number].id for number in (0, 5, 8)
    ]
    here = drilled.evolve(copy_in="bucket")
    copies[5] = copied(backups[5])
    assert backups[6].id in kept(records(backups, copies, Keep(last=1, minimum=1), (here,)))


def test_an_original_that_was_read_back_proves_no_copy() -> None:
    backups = daily(5, verified_at=NOW)
    copies = [copied(each) for each in backups]
    copies[3] = copies[3].evolve(verified_at=NOW)
    found = records(backups, copies, Keep(last=1, minimum=1))
    assert kept(found) == [backups[0].id, backups[3].id]


def test_a_kept_incremental_keeps_what_it_is_built_on_there() -> None:
    full = physical(3, NOW - 3 * DAY, expired_at=NOW)
    child = physical(2, NOW - 2 * DAY, parent=full)
    found = records([child, full], [copied(child), copied(full)], Keep(last=1, minimum=1))
    assert kept(found) == [child.id, full.id]


def test_a_damaged_copy_counts_for_nothing_and_goes_with_its_time() -> None:
    backups = daily(4)
    copies = [copied(each) for each in backups]
    for number in (0, 3):
        copies[number] = copies[number].evolve(status=Status.FAILED, damaged_at=NOW)
    found = copy_retention.decide(records(backups, copies, Keep(last=2, minimum=1)), now=NOW)
    assert {each.backup.id: (each.kept, each.reasons[-1]) for each in found} == {
        backups[1].id: (True, "one of the 1 that always stay"),
        backups[2].id: (True, "last 2 of 2"),
        backups[3].id: (False, copy_retention.DAMAGED),
    }


@pytest.mark.parametrize("changes", [{"status": Status.FAILED}, {"expired_at": NOW}, {"storage": "other"}])
def test_what_is_no_good_copy_there_is_not_judged(changes: dict[str, object]) -> None:
    (one,) = daily(1)
    assert copy_retention.decide(records([one], [copied(one, **changes)], Keep(last=1)), now=NOW) == ()


keeps = st.builds(
    Keep,
    last=st.none() | st.integers(1, 5),
    within=st.none() | st.integers(1, 20).map(lambda days: days * 86400.0),
    hourly=st.none() | st.integers(1, 4),
    weekly=st.none() | st.integers(1, 4),
    yearly=st.none() | st.integers(1, 3),
    minimum=st.integers(1, 4),
)


@st.composite
def plans(draw: st.DrawFn) -> tuple[list[Backup], list[Copy]]:
    """Backups of some weeks, some gone from the host, some copied."""
    backups, copies = [], []
    for number in range(draw(st.integers(0, 15))):
        each = backup(number, NOW - draw(st.integers(0, 60)) * DAY, expired_at=draw(st.none() | st.just(NOW)))
        backups.append(each)
        if draw(st.booleans()):
            copies.append(copied(each, verified_at=draw(st.none() | st.just(NOW))))
    return backups, copies


@given(plans(), keeps)
def test_the_floor_of_a_storage_is_its_own(made: tuple[list[Backup], list[Copy]], keep: Keep) -> None:
    found = records(*made, keep)
    there = kept(found)
    assert len(there) >= min(keep.minimum, len(found.held))
    newest = sorted(found.held & found.proven)[-1:]
    assert not newest or found.proven & set(there)


@given(plans(), keeps)
def test_nothing_is_sent_that_would_go_at_once(made: tuple[list[Backup], list[Copy]], keep: Keep) -> None:
    backups, copies = made
    belonging = copy_retention.belonging(records(backups, copies, keep), now=NOW)
    held = {each.backup for each in copies}
    missing = [each for each in backups if each.is_available and each.id in belonging - held]
    after = records(backups, [*copies, *map(copied, missing)], keep)
    assert {each.id for each in missing} <= set(kept(after))


@given(plans(), keeps)
def test_what_the_host_lets_go_changes_nothing_there(
    made: tuple[list[Backup], list[Copy]], keep: Keep
) -> None:
    backups, copies = made
    gone = [each.evolve(expired_at=NOW) for each in backups]
    assert kept(records(gone, copies, keep)) == kept(records(backups, copies, keep))
