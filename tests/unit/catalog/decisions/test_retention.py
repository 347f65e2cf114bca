"""Retention takes only what no rule keeps, and says why of each backup."""

from datetime import timedelta
from itertools import pairwise

import pytest

from pgbackstop_catalog.config.keep import Keep
from pgbackstop_catalog.decisions import retention
from pgbackstop_catalog.records.attempt import Reason, Status
from pgbackstop_catalog.records.backup import Backup
from pgbackstop_catalog.records.source import ServerFacts
from pgbackstop_catalog.records.vanished import Acknowledgement
from tests.support.factories import DAY, NOW, backup, physical
from tests.unit.catalog.decisions.retained import daily, ids, kept, reasons

OTHER_SYSTEM = ServerFacts(version="17.5", version_number=170005, system_identifier="8")


def test_last_keeps_the_newest_and_numbers_them() -> None:
    backups = daily(5)
    decision = retention.decide(backups[::-1], Keep(last=3, minimum=1), now=NOW)
    assert kept(decision) == ids(backups[:3])
    assert reasons(decision, backups[2]) == ("last 3 of 3",)
    assert reasons(decision, backups[3]) == (retention.REMOVED,)


def test_no_backups_are_no_verdicts() -> None:
    assert retention.decide([], Keep(last=1, within=60.0), now=NOW).verdicts == ()


def test_a_damaged_one_stays_until_somebody_takes_note_of_it() -> None:
    condemned = {"status": Status.FAILED, "reason": Reason.CORRUPT, "verification": "failed"}
    damaged = backup(9, NOW - DAY, **condemned)
    keep = Keep(last=3, minimum=1)
    verdicts = retention.decide([*daily(2), damaged], keep, now=NOW).verdicts
    assert [each.backup.id for each in verdicts] == ids(daily(2))
    seen = damaged.evolve(acknowledged=Acknowledgement(at=NOW, operator="ops"))
    decision = retention.decide([*daily(2), seen], keep, now=NOW)
    assert kept(decision) == ids(daily(2))
    assert reasons(decision, seen) == (retention.GIVEN_UP,)
    gone = seen.evolve(expired_at=NOW)
    assert len(retention.decide([*daily(2), gone], keep, now=NOW).verdicts) == 2


def test_within_keeps_what_is_younger() -> None:
    backups = daily(6)
    decision = retention.decide(backups, Keep(within=3 * 86400.0, minimum=1), now=NOW)
    assert kept(decision) == ids(backups[:3])
    assert reasons(decision, backups[1]) == ("younger than 3d",)


def test_an_outage_ages_nothing() -> None:
    backups = daily(6)
    failures = [backup(100 + day, NOW + day * DAY, status=Status.FAILED) for day in range(1, 90)]
    keep = Keep(within=3 * 86400.0, minimum=1)
    before = retention.decide(backups, keep, now=NOW)
    assert kept(retention.decide([*backups, *failures], keep, now=NOW + 90 * DAY)) == kept(before)


def test_a_success_of_the_future_does_not_age_the_others() -> None:
    ahead = backup(99, NOW + 1000 * DAY)
    backups = daily(3)
    decision = retention.decide([ahead, *backups], Keep(within=7 * 86400.0, minimum=1), now=NOW)
    assert kept(decision) == ids([ahead, *backups])


def test_daily_weekly_monthly_keep_the_newest_of_each() -> None:
    backups = [*daily(70), backup(500, NOW - timedelta(hours=3))]
    decision = retention.decide(backups, Keep(daily=2, weekly=2, monthly=2, minimum=1), now=NOW)
    assert kept(decision) == ids([backups[0], backups[1], backups[7], backups[22]])
    assert reasons(decision, backups[0]) == (
        "newest of day 2026-11-22",
        "newest of week 2026-W47",
        "newest of month 2026-11",
        "one of the 1 that always stay",
    )
    assert reasons(decision, backups[22]) == ("newest of month 2026-10",)


def test_days_without_a_backup_do_not_count() -> None:
    backups = [backup(number, NOW - 10 * number * DAY) for number in range(4)]
    decision = retention.decide(backups, Keep(daily=3, minimum=1), now=NOW)
    assert kept(decision) == ids(backups[:3])


def test_the_floor_holds_against_every_rule() -> None:
    backups = daily(5)
    decision = retention.decide(backups, Keep(within=1.0, minimum=4), now=NOW + 400 * DAY)
    assert kept(decision) == ids(backups[:4])
    assert reasons(decision, backups[3]) == ("one of the 4 that always stay",)


def test_without_any_rule_the_floor_is_what_stays() -> None:
    assert len(retention.decide(daily(5), Keep(), now=NOW).kept) == 2


@pytest.mark.parametrize("status", [Status.FAILED, Status.INTERRUPTED, Status.MISSED, Status.RUNNING])
def test_what_is_no_success_counts_for_nothing(status: Status) -> None:
    good = daily(4)
    bad = [backup(50 + hour, NOW + timedelta(hours=hour), status=status) for hour in range(9)]
    decision = retention.decide([*bad, *good], Keep(last=2, minimum=1), now=NOW + DAY)
    assert ids([each.backup for each in decision.verdicts]) == ids(good)
    assert kept(decision) == ids(good[:2])


def test_expired_ones_are_gone_already() -> None:
    gone = backup(9, NOW, expired_at=NOW)
    assert retention.decide([gone], Keep(last=1), now=NOW).verdicts == ()


def test_the_newest_proven_one_stays() -> None:
    backups = daily(6)
    backups[4] = backups[4].evolve(verified_at=NOW)
    decision = retention.decide(backups, Keep(last=1, minimum=1), now=NOW, proven={backups[5].id})
    assert kept(decision) == ids([backups[0], backups[4]])
    assert reasons(decision, backups[4]) == ("newest proven",)


def test_a_proof_counts_like_the_record() -> None:
    backups = daily(6)
    decision = retention.decide(backups, Keep(last=1, minimum=1), now=NOW, proven={backups[3].id})
    assert reasons(decision, backups[3]) == ("newest proven",)


def chain(length: int, *, first: int = 0, newest: int = 0) -> list[Backup]:
    """A full backup and incrementals on it, one a day, the newest first."""
    made: list[Backup] = []
    for number in range(length):
        ended = NOW - (newest + length - 1 - number) * DAY
        made.insert(0, physical(first + number, ended, parent=made[0] if made else None))
    return made


def test_the_whole_chain_of_a_kept_incremental_stays() -> None:
    backups = chain(4)
    decision = retention.decide(backups, Keep(last=1, minimum=1), now=NOW)
    assert kept(decision) == ids(backups)
    assert reasons(decision, backups[3]) == (f"parent of {backups[2].id}",)


def test_a_chain_is_one_copy_for_the_floor() -> None:
    young, old, oldest = chain(3), chain(3, first=10, newest=3), chain(2, first=20, newest=6)
    decision = retention.decide([*young, *old, *oldest], Keep(last=1, minimum=2), now=NOW)
    assert kept(decision) == ids([*young, old[0], old[1], old[2]])


def test_a_parent_of_a_running_incremental_stays() -> None:
    full, other = physical(1, NOW - 9 * DAY), physical(2, NOW - DAY)
    running = physical(3, NOW, parent=full, status=Status.RUNNING, finished_at=None)
    decision = retention.decide([full, other, running], Keep(last=1, minimum=1), now=NOW)
    assert reasons(decision, full) == (f"parent of {running.id}, which is being made",)


def test_an_incremental_without_its_parent_is_no_copy() -> None:
    lost = chain(2)[0]
    full = physical(7, NOW - 5 * DAY)
    older = chain(2, first=30, newest=8)[0]
    decision = retention.decide([lost, full, older], Keep(last=1, minimum=1), now=NOW)
    assert kept(decision) == ids([lost, full])
    assert reasons(decision, full)[0] == "last 1 of 1"
    assert reasons(decision, lost) == ("its chain is broken: it counts for nothing, and goes with its time",)


def test_only_broken_ones_are_all_kept() -> None:
    lost = [chain(2)[0], chain(2, first=30, newest=8)[0]]
    assert kept(retention.decide(lost, Keep(last=1, minimum=1), now=NOW)) == ids(lost)


@pytest.mark.parametrize(
    "changes",
    [{"server_facts": OTHER_SYSTEM}, {"server_facts": None}, {"started_at": NOW}],
    ids=["another system", "an unknown system", "younger than its child"],
)
def test_what_cannot_be_a_parent_breaks_the_chain(changes: dict[str, object]) -> None:
    parent = physical(1, NOW - 3 * DAY)
    child = physical(2, NOW - 2 * DAY, parent=parent)
    parent = parent.evolve(**changes)
    decision = retention.decide([parent, child], Keep(last=2, minimum=2), now=NOW)
    assert not any(reason.startswith("last") for reason in reasons(decision, child))


def test_what_is_built_on_one_that_is_gone_stays_for_the_disk_that_comes_back() -> None:
    young, old = chain(1), chain(3, first=10, newest=35)
    decision = retention.decide([*young, *old], Keep(monthly=2, minimum=1), now=NOW, gone={old[2].id})
    assert kept(decision) == ids([*young, *old])
    assert reasons(decision, old[0]) == (
        "its chain is broken: it counts for nothing, and goes with its time",
    )


def test_what_one_that_is_gone_is_built_on_stays_for_the_disk_that_comes_back() -> None:
    full, other, newest = (physical(number, NOW - (9 - number) * DAY) for number in (1, 2, 9))
    gone = physical(3, NOW - 6 * DAY, parent=full)
    decision = retention.decide([newest, gone, other, full], Keep(last=2, minimum=1), now=NOW, gone={gone.id})
    assert kept(decision) == ids([newest, gone, other, full])
    assert reasons(decision, full) == (f"parent of {gone.id}",)


def test_a_recovery_window_needs_the_backup_before_it() -> None:
    backups = [physical(number, NOW - 7 * number * DAY) for number in range(5)]
    decision = retention.decide(backups, Keep(within=10 * 86400.0, minimum=1), now=NOW)
    assert kept(decision) == ids(backups[:3])
    assert reasons(decision, backups[2]) == ("WAL leads from it to the whole of the last 10d",)


def test_records_are_foldable_when_they_are_old_and_their_bytes_gone() -> None:
    keep = Keep(records=30 * 86400.0)
    old = NOW - 100 * DAY
    foldable = [
        backup(1, old, status=Status.FAILED),
        backup(2, old + DAY, status=Status.MISSED, finished_at=None),
        backup(3, old + 2 * DAY, expired_at=NOW - 31 * DAY),
    ]
    staying = [
        backup(4, old),  # its bytes are there
        backup(5, old, status=Status.RUNNING, finished_at=None),
        backup(6, old, expired_at=NOW - 29 * DAY),  # its record has not outlived it for long enough
        backup(7, NOW - 29 * DAY, status=Status.FAILED),
        backup(8, NOW),
    ]
    assert retention.foldable([*staying, *foldable], keep, now=NOW) == tuple(foldable)


def test_the_newest_success_and_attempt_are_never_folded() -> None:
    old = NOW - 900 * DAY
    success = backup(1, old, expired_at=old + DAY)
    failures = [backup(2, old + DAY, status=Status.FAILED), backup(3, old + 2 * DAY, status=Status.FAILED)]
    found = retention.foldable([success, *failures], Keep(), now=NOW)
    assert found == (failures[0],)
    assert retention.foldable([], Keep(), now=NOW) == ()


def test_order_is_by_time() -> None:
    decision = retention.decide(daily(9)[::-1], Keep(last=3), now=NOW)
    finished = [each.backup.finished_at for each in decision.verdicts]
    assert all(later > earlier for later, earlier in pairwise(finished) if later and earlier)
