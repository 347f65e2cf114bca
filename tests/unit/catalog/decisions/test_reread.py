"""Which stored backups are read again: every one has its turn, and no day reads more than it may."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pgbackstop_catalog.config.verify import Verify
from pgbackstop_catalog.decisions import reread
from pgbackstop_catalog.decisions.reread import Kept, Turns
from pgbackstop_catalog.records.attempt import Status
from pgbackstop_catalog.records.backup import Backup
from pgbackstop_catalog.records.copy import Copy
from pgbackstop_catalog.records.proof import Proof
from tests.support.factories import DAY, NOW, backup

BUDGET = 100
LIMITS = Verify(bytes_per_day=BUDGET, interval=3 * 86400.0)


def proof(of: Backup, due: datetime, *, by_hand: bool = False, **changes: object) -> Proof:
    """A reading of all of it, which began a minute after it was due."""
    begun = Proof.of(of, "verify", started_at=due + timedelta(minutes=1))
    ended = begun.evolve(
        status=Status.SUCCEEDED, finished_at=due + timedelta(minutes=2), read_bytes=of.size_bytes
    )
    return ended.evolve(scheduled_for=None if by_hand else due, **changes)


def sized(number: int, size: int, age: float = 10.0, **changes: object) -> Backup:
    return backup(number, NOW - age * DAY, size_bytes=size, **changes)


def ids(turns: Turns) -> list[str]:
    return [each.backup.id for each in turns.now]


def choose(backups: Sequence[Backup], proofs: Sequence[Proof] = (), limits: Verify = LIMITS) -> Turns:
    return reread.choose(originals(backups), proofs, limits, NOW)


def originals(backups: Sequence[Backup]) -> list[Kept]:
    return [Kept(backup=each) for each in backups]


def copied(
    of: Backup, storage: str = "offsite", age: float = 20.0, *, is_sealed: bool = False, **changes: object
) -> Kept:
    """A good copy of all of it, made so many days ago."""
    made = NOW - age * DAY
    record = Copy.of(of, storage, started_at=made).evolve(
        status=Status.SUCCEEDED, finished_at=made, size_bytes=of.size_bytes, **changes
    )
    return Kept(backup=of, copy=record, is_sealed=is_sealed)


def places(turns: Turns) -> list[tuple[str, str | None]]:
    return [(each.backup.id, each.copy.storage if each.copy else None) for each in turns.now]


def test_what_was_never_read_comes_first_and_the_newest_of_it() -> None:
    old, new, read = sized(1, 10, 9), sized(2, 10, 4), sized(3, 10, 20)
    turns = choose([read, old, new], [proof(read, NOW - 9 * DAY)])
    assert ids(turns) == [new.id, old.id, read.id]
    assert [each.reason for each in turns.now] == [
        "it was never read back",
        "it was never read back",
        "last read 2026-11-13T12:00:00.000Z",
    ]


def test_then_what_was_not_read_for_the_longest_time() -> None:
    backups = [sized(number, 10) for number in range(3)]
    proofs = [proof(each, NOW - days * DAY) for each, days in zip(backups, (4, 8, 6), strict=True)]
    assert ids(choose(backups, proofs)) == [backups[1].id, backups[2].id, backups[0].id]


def test_a_record_without_a_proof_says_itself_when_it_was_read() -> None:
    """As after the catalog was made anew from what lies beside the bytes."""
    older, newer = sized(1, 10, verified_at=NOW - 9 * DAY), sized(2, 10, verified_at=NOW - 5 * DAY)
    assert ids(choose([newer, older])) == [older.id, newer.id]


@pytest.mark.parametrize(("days", "is_due"), [(3.0, True), (2.99, False)])
def test_nothing_is_read_again_before_its_interval(days: float, is_due: bool) -> None:
    """From due time to due time: one that took long is no later the next time."""
    made = sized(1, 10)
    turns = choose([made], [proof(made, NOW - days * DAY)])
    assert bool(turns.now) is is_due
    assert turns.left == 0


def test_a_drill_is_no_reading() -> None:
    made = sized(1, 10)
    assert ids(choose([made], [proof(made, NOW - DAY, proof="drill")])) == [made.id]


@pytest.mark.parametrize("status", [Status.FAILED, Status.INTERRUPTED, Status.RUNNING])
def test_what_cannot_be_read_does_not_keep_the_others_from_their_turn(status: Status) -> None:
    broken, other = sized(1, BUDGET, 20), sized(2, BUDGET, 20)
    tried = [proof(broken, NOW - 3 * DAY, status=status), proof(other, NOW - 5 * DAY)]
    assert ids(choose([broken, other], tried)) == [other.id]


def test_a_day_has_its_bytes_however_often_it_is_due() -> None:
    read, big, small = sized(1, 60), sized(2, 50, 9), sized(3, 40, 12)
    today = proof(read, NOW - timedelta(hours=2))
    turns = choose([read, big, small], [today])
    assert (ids(turns), turns.left) == ([], 2)  # the larger one is next, and a smaller does not pass it by
    by_hand = proof(read, NOW - timedelta(hours=2), by_hand=True)
    assert ids(choose([read, big, small], [by_hand])) == [big.id, small.id]
    assert ids(choose([read, big, small], [proof(read, NOW - DAY)])) == [big.id, small.id]


def test_the_day_is_that_of_the_time_zone() -> None:
    read, other = sized(1, BUDGET), sized(2, 10)
    proofs = [proof(read, NOW - timedelta(hours=13))]  # 23:00 UTC of the day before
    assert ids(choose([read, other], proofs)) == [other.id]
    berlin = LIMITS.evolve(timezone="Europe/Berlin")
    assert ids(choose([read, other], proofs, berlin)) == []


def test_one_that_is_larger_than_a_day_is_read_alone() -> None:
    large, small = sized(1, 5 * BUDGET, 4), sized(2, 10, 9)
    turns = choose([small, large])
    assert (ids(turns), turns.left) == ([large.id], 1)
    turns = choose([small, large], [proof(small, NOW - 8 * DAY), proof(large, NOW - 4 * DAY)])
    assert (ids(turns), turns.left) == ([small.id], 1)


def test_nothing_is_kept() -> None:
    assert choose([]) == Turns(now=(), left=0, bytes_left=BUDGET)


def test_what_is_left_of_the_day_is_for_wal() -> None:
    read, due = sized(1, 60), sized(2, 30)
    today = proof(read, NOW - timedelta(hours=1))
    assert choose([read, due], [today]).bytes_left == 10
    assert reread.choose(originals([due]), [], LIMITS, NOW, spent=80).bytes_left == 0
    waits = choose([sized(1, 60), sized(2, 70)])
    assert (waits.left, waits.bytes_left) == (1, 0)


def test_a_copy_has_its_turn_by_when_it_was_last_compared() -> None:
    never, read = sized(1, 10), sized(2, 10)
    kept = [*originals([never, read]), copied(read, age=20), copied(read, "bucket", age=30)]
    turns = reread.choose(kept, [proof(read, NOW - 25 * DAY)], LIMITS, NOW)
    assert places(turns) == [(never.id, None), (read.id, "bucket"), (read.id, None), (read.id, "offsite")]
    assert turns.now[1].reason == "last read 2026-10-23T12:00:00.000Z"


def test_a_reading_of_the_backup_is_none_of_its_copy_and_the_other_way_round() -> None:
    made = sized(1, 10)
    kept = [*originals([made]), copied(made)]
    of_copy, of_backup = proof(made, NOW - DAY, copy_in="offsite"), proof(made, NOW - DAY)
    assert places(reread.choose(kept, [of_copy], LIMITS, NOW)) == [(made.id, None)]
    assert places(reread.choose(kept, [of_backup], LIMITS, NOW)) == [(made.id, "offsite")]


@pytest.mark.parametrize(("days", "is_due"), [(14.0, True), (13.9, False)])
def test_copies_have_an_interval_of_their_own(days: float, is_due: bool) -> None:
    made = sized(1, 10)
    assert bool(reread.choose([copied(made, age=days)], [], LIMITS, NOW).now) is is_due
    read = proof(made, NOW - days * DAY, copy_in="offsite")
    assert bool(reread.choose([copied(made)], [read], LIMITS, NOW).now) is is_due
    says_itself = copied(made, verified_at=NOW - days * DAY)
    assert bool(reread.choose([says_itself], [], LIMITS, NOW).now) is is_due


def test_a_copy_that_was_made_anew_begins_anew() -> None:
    made = sized(1, 10)
    read = proof(made, NOW - 20 * DAY, copy_in="offsite")
    assert places(reread.choose([copied(made, age=2)], [read], LIMITS, NOW)) == []


def test_copies_are_read_from_the_bytes_of_the_same_day() -> None:
    first, second = sized(1, 60), sized(2, 50)
    today = proof(second, NOW - timedelta(hours=1), copy_in="elsewhere")
    turns = reread.choose([copied(first), copied(second)], [today], LIMITS, NOW)
    assert (places(turns), turns.left, turns.bytes_left) == ([], 2, 0)
    turns = reread.choose([copied(first, age=30), copied(second)], [], LIMITS, NOW)
    assert (places(turns), turns.left) == ([(first.id, "offsite")], 1)


def test_a_copy_that_nothing_here_opens_costs_no_bytes() -> None:
    large, small = sized(1, 5 * BUDGET), sized(2, 40)
    turns = reread.choose([copied(large, age=30, is_sealed=True), copied(small)], [], LIMITS, NOW)
    assert (places(turns), turns.bytes_left) == ([(large.id, "offsite"), (small.id, "offsite")], 60)


SIZES = st.lists(st.integers(0, 3 * BUDGET), min_size=1, max_size=12)


@given(SIZES)
def test_a_day_reads_no_more_than_it_may(sizes: list[int]) -> None:
    backups = [sized(number, size) for number, size in enumerate(sizes)]
    turns = choose(backups)
    read = [each.backup.size_bytes or 0 for each in turns.now]
    assert turns.now
    assert sum(read) <= BUDGET or [size for size in read if size] == [sum(read)]
    assert len(turns.now) + turns.left == len(backups)


@given(SIZES, st.integers(0, 5))
def test_every_backup_and_every_copy_has_its_turn(sizes: list[int], interval: int) -> None:
    """Night after night, until each was read twice; no night is lost while one is due."""
    days = interval * 86400.0
    limits = Verify(bytes_per_day=BUDGET, interval=days, copies_interval=days)
    backups = [sized(number, size) for number, size in enumerate(sizes)]
    kept = [*originals(backups), *map(copied, backups)]
    proofs: list[Proof] = []
    for night in range(2 * len(kept) + 2 * interval + 2):
        due = NOW + night * DAY
        turns = reread.choose(kept, proofs, limits, due)
        assert turns.now or not turns.left
        proofs += [proof(each.backup, due, copy_in=each.copy and each.copy.storage) for each in turns.now]
    for each in kept:
        storage = each.copy and each.copy.storage
        assert sum((one.backup, one.copy_in) == (each.backup.id, storage) for one in proofs) >= 2
