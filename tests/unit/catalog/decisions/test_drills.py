"""The random moment of a drill, and what heartbeats say of a recovered server."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pgbackstop_catalog.config.plan import Plan
from pgbackstop_catalog.decisions import drills
from pgbackstop_catalog.decisions.drills import Heartbeat, LiveHeartbeats
from pgbackstop_catalog.decisions.windows import Window
from pgbackstop_catalog.records.attempt import Status
from pgbackstop_catalog.records.proof import Proof
from tests.support.factories import backup

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
INTERVAL = 10.0


DAYS_4 = {"schedule": "0 2 * * *", "keep": {"last": 4, "minimum": 1}}


def drilled(storage: str | None, hours: int, **changes: object) -> Proof:
    """A drill of a copy there, or of the backup itself, so many hours after noon."""
    proof = Proof.of(backup(1, NOON), "drill", started_at=NOON + timedelta(hours=hours))
    return proof.evolve(copy_in=storage, **{"status": Status.SUCCEEDED, **changes})


def test_the_backup_and_its_copies_take_turns() -> None:
    proofs: list[Proof] = []
    turns = []
    for hour in range(6):
        turns.append(drills.whose_turn((None, "offsite", "vault"), proofs))
        proofs.insert(0, drilled(turns[-1], hour))
    assert turns == [None, "offsite", "vault"] * 2


def test_a_failed_drill_was_a_turn_and_a_reading_was_none() -> None:
    failed = drilled("offsite", 2, status=Status.FAILED)
    proofs = [failed, drilled(None, 1), drilled("vault", 0, proof="verify")]
    assert drills.whose_turn((None, "offsite", "vault"), proofs) == "vault"
    assert drills.whose_turn((None, "offsite"), proofs) is None
    assert drills.whose_turn((None,), proofs) is None


@pytest.mark.parametrize(
    ("settings", "is_told"),
    [
        (DAYS_4, True),
        ({**DAYS_4, "drill": {"schedule": "0 5 * * *"}}, False),
        ({**DAYS_4, "drill": {"enabled": False}}, False),
        ({**DAYS_4, "keep": {"last": 7, "minimum": 1}}, False),
        ({**DAYS_4, "keep": {"last": 1, "minimum": 1, "weekly": 2}}, False),
        ({}, False),
    ],
)
def test_backups_that_are_gone_before_the_next_drill(settings: dict[str, object], is_told: bool) -> None:
    for backup_type in ("logical", "physical"):
        plan = Plan.model_validate({"server": "main", "backup_type": backup_type, **settings})
        told = drills.outlived("shop", plan, NOON)
        assert (told is not None) == is_told, told
        if told:
            assert told.startswith("Plan shop keeps a backup for 4d0h and is drilled every 7d0h: ")


def at(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def window(start: float, end: float) -> Window:
    return Window(
        start=at(start),
        end=at(end),
        ends="received",
        reason="the newest byte received",
        backup="20261122T020000Z-5f3a9c",
        timeline=1,
    )


def beats(*seconds: float) -> list[Heartbeat]:
    """A whole row of heartbeats: each names the one before it."""
    before = [None, *map(at, seconds)]
    return [
        Heartbeat(written_at=at(each), previous=last) for each, last in zip(seconds, before, strict=False)
    ]


spans = st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 10**5)), min_size=1, max_size=5)


@given(spans=spans, seed=st.integers(0, 2**64))
def test_the_moment_is_inside_a_window_and_the_same_for_the_same_seed(
    spans: list[tuple[int, int]], seed: int
) -> None:
    windows = [window(start, start + length) for start, length in spans]
    moment = drills.choose_moment(windows, seed)
    assert any(each.start <= moment.at <= each.end for each in windows)
    assert drills.choose_moment(windows[::-1], seed) == moment
    assert str(seed) in moment.reason


def test_the_moment_is_spread_over_all_windows() -> None:
    """A gap is never chosen, and overlapping windows do not count twice."""
    windows = [window(0, 100), window(50, 100), window(900, 1000)]
    found = [(drills.choose_moment(windows, seed).at - NOON).total_seconds() for seed in range(2000)]
    assert not [each for each in found if 100 < each < 900]
    first = sum(each <= 100 for each in found)
    assert 850 < first < 1150
    assert sum(each <= 10 for each in found) > 50


def test_a_window_of_no_length_has_its_one_moment() -> None:
    assert drills.choose_moment([window(5, 5)], 1).at == at(5)


def test_there_is_no_moment_without_a_window() -> None:
    with pytest.raises(ValueError, match="no window"):
        drills.choose_moment([], 1)


@given(count=st.integers(1, 50), behind=st.floats(0, INTERVAL + drills.TOLERANCE), exact=st.booleans())
def test_a_whole_row_up_to_the_moment_is_good(count: int, behind: float, exact: bool) -> None:
    row = beats(*(INTERVAL * number for number in range(count)))
    judged = drills.judge(row[-1].written_at + timedelta(seconds=behind), row, INTERVAL, None, exact=exact)
    assert judged.check.ok, judged.check.detail
    assert judged.rpo_seconds == pytest.approx(behind, abs=1e-5)


@given(count=st.integers(3, 40), data=st.data())
def test_any_row_that_is_missing_inside_is_found(count: int, data: st.DataObject) -> None:
    row = beats(*(INTERVAL * number for number in range(count)))
    lost = data.draw(st.integers(1, count - 2))
    judged = drills.judge(row[-1].written_at, [*row[:lost], *row[lost + 1 :]], INTERVAL, None, exact=True)
    assert not judged.check.ok
    assert judged.rpo_seconds is None
    assert "is lost" in judged.check.detail


def test_the_oldest_ones_may_have_been_removed_for_their_age() -> None:
    row = beats(0, 10, 20, 30)[2:]
    assert drills.judge(at(31), row, INTERVAL, None, exact=True).check.ok


def test_a_pause_of_the_daemon_is_no_loss() -> None:
    row = beats(0, 10, 20, 3600, 3610)
    assert drills.judge(at(3611), row, INTERVAL, None, exact=True).check.ok


def test_nothing_may_be_there_from_after_the_moment() -> None:
    row = beats(0, 10, 20)
    assert not drills.judge(at(19), row, INTERVAL, None, exact=True).check.ok
    latest = drills.judge(at(19), row, INTERVAL, None, exact=False)
    assert (latest.check.ok, latest.rpo_seconds) == (True, 0.0)


def test_late_ones_are_judged_by_what_the_live_server_has() -> None:
    row, moment = beats(0, 10), at(600)
    away = drills.judge(moment, row, INTERVAL, LiveHeartbeats(oldest=at(0), newest_before=at(10)), exact=True)
    assert (away.check.ok, away.rpo_seconds) == (True, 590.0)
    assert "none was written since" in away.check.detail
    lost = drills.judge(
        moment, row, INTERVAL, LiveHeartbeats(oldest=at(0), newest_before=at(590)), exact=True
    )
    assert (lost.check.ok, lost.rpo_seconds) == (False, 590.0)
    assert "the live server has one at 2026-11-22T12:09:50.000Z" in lost.check.detail
    unknown = drills.judge(moment, row, INTERVAL, None, exact=True)
    assert not unknown.check.ok


def test_none_at_all() -> None:
    moment = at(600)
    assert drills.judge(
        moment, [], INTERVAL, LiveHeartbeats(oldest=None, newest_before=None), exact=True
    ).check.ok
    assert drills.judge(
        moment, [], INTERVAL, LiveHeartbeats(oldest=at(700), newest_before=None), exact=True
    ).check.ok
    assert not drills.judge(
        moment, [], INTERVAL, LiveHeartbeats(oldest=at(0), newest_before=at(9)), exact=True
    ).check.ok
    assert not drills.judge(moment, [], INTERVAL, None, exact=True).check.ok
