"""What holds of every history of backups that retention decides on."""

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from pgbackstop_catalog.config.keep import Keep
from pgbackstop_catalog.decisions import retention
from pgbackstop_catalog.records.attempt import Status
from pgbackstop_catalog.records.backup import Backup
from tests.support.factories import DAY, NOW, backup, physical
from tests.unit.catalog.decisions.retained import ids, kept

keeps = st.builds(
    Keep,
    last=st.none() | st.integers(1, 9),
    within=st.none() | st.floats(0, 40 * 86400.0),
    daily=st.none() | st.integers(1, 9),
    weekly=st.none() | st.integers(1, 5),
    monthly=st.none() | st.integers(1, 3),
    minimum=st.integers(1, 5),
)


@st.composite
def histories(draw: st.DrawFn) -> list[Backup]:
    """Attempts of a physical plan, good and bad, full and incremental, in any order."""
    made: list[Backup] = []
    for number, hours in enumerate(sorted(draw(st.lists(st.integers(0, 2000), max_size=25, unique=True)))):
        good = [each for each in made if each.status is Status.SUCCEEDED]
        parent = draw(st.none() | st.sampled_from(good)) if good else None
        status = draw(st.sampled_from([Status.SUCCEEDED] * 3 + [Status.FAILED, Status.MISSED]))
        verified = draw(st.sampled_from([None, NOW]))
        ended = NOW - timedelta(hours=2000 - hours)
        made.append(physical(number, ended, parent=parent, status=status, verified_at=verified))
    return draw(st.permutations(made))


def good_ones(backups: list[Backup]) -> list[Backup]:
    found = [each for each in backups if each.status is Status.SUCCEEDED]
    return sorted(found, key=lambda each: each.started_at, reverse=True)


@given(histories(), keeps)
def test_every_good_backup_has_one_verdict_and_a_reason(backups: list[Backup], keep: Keep) -> None:
    decision = retention.decide(backups, keep, now=NOW)
    assert ids([each.backup for each in decision.verdicts]) == ids(good_ones(backups))
    assert all(each.reasons for each in decision.verdicts)
    assert {*kept(decision)} | {each.id for each in decision.removed} == set(ids(good_ones(backups)))


@given(histories(), keeps)
def test_never_fewer_than_the_minimum_of_full_ones(backups: list[Backup], keep: Keep) -> None:
    full = [each for each in good_ones(backups) if each.method == "full"]
    decision = retention.decide(backups, keep, now=NOW)
    left = [each for each in decision.kept if each.method == "full"]
    assert len(left) >= min(keep.minimum, len({each.id for each in full}))


@given(histories(), keeps)
def test_the_newest_and_the_newest_proven_stay(backups: list[Backup], keep: Keep) -> None:
    decision = retention.decide(backups, keep, now=NOW)
    good = good_ones(backups)
    proven = [each for each in good if each.verified_at]
    assert {each.id for each in [*good[:1], *proven[:1]]} <= set(kept(decision))


@given(histories(), keeps)
def test_a_kept_incremental_has_its_parent(backups: list[Backup], keep: Keep) -> None:
    decision = retention.decide(backups, keep, now=NOW)
    there = set(kept(decision))
    assert all(each.parent in there for each in decision.kept if each.method == "incremental")


@given(histories(), keeps)
def test_what_was_removed_changes_nothing_the_next_time(backups: list[Backup], keep: Keep) -> None:
    first = retention.decide(backups, keep, now=NOW)
    gone = {each.id for each in first.removed}
    after = [each.evolve(expired_at=NOW) if each.id in gone else each for each in backups]
    assert kept(retention.decide(after, keep, now=NOW)) == kept(first)


@given(histories(), keeps)
def test_failures_and_time_take_nothing(backups: list[Backup], keep: Keep) -> None:
    first = retention.decide(backups, keep, now=NOW)
    failures = [backup(900 + day, NOW + day * DAY, status=Status.FAILED) for day in range(1, 5)]
    later = retention.decide([*backups, *failures], keep, now=NOW + 500 * DAY)
    assert kept(later) == kept(first)


@given(histories(), keeps, st.data())
def test_what_is_gone_lets_nothing_go_that_would_stay(
    backups: list[Backup], keep: Keep, data: st.DataObject
) -> None:
    good = ids(good_ones(backups))
    gone = data.draw(st.sets(st.sampled_from(good))) if good else set()
    if_there = retention.decide(backups, keep, now=NOW)
    assert set(kept(if_there)) <= set(kept(retention.decide(backups, keep, now=NOW, gone=gone)))
