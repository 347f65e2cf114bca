"""What is due, waits, runs or was missed of one plan."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from pgbackstop_catalog.config.schedule import Schedule
from pgbackstop_runner.daemon import plan_state
from pgbackstop_runner.daemon.plan_state import Missed, Observation, Order, PlanState

HOURLY = Schedule(expression="0 * * * *")
HOUR = timedelta(hours=1)
AWAY = "the daemon was not running then, or the clock jumped"


def _at(hour: int, minute: int = 0) -> datetime:
    return datetime(2026, 11, 22, hour, minute, tzinfo=UTC)


def _order(hour: int, trigger: plan_state.Trigger = "schedule", asked: int | None = None) -> Order:
    return Order(plan="shop", trigger=trigger, asked=_at(asked or hour), due=_at(hour))


def _observe(state: PlanState, now: datetime, grace: timedelta = HOUR / 2) -> Observation:
    return plan_state.observe(state, HOURLY, now=now, grace=grace)


IDLE = PlanState(plan="shop", handled_until=_at(1))
GAP = Order(plan="shop", trigger="wal-gap", asked=_at(1, 30))


def test_nothing_is_due() -> None:
    assert _observe(IDLE, _at(1, 59)) == Observation(state=IDLE)
    assert IDLE.next_run(HOURLY) == _at(2)


def test_due_on_time() -> None:
    seen = _observe(IDLE, _at(2))
    assert seen == Observation(
        state=replace(IDLE, handled_until=_at(2), waiting=_order(2)), order=_order(2), reason="due"
    )
    # It waits until it is started: that is its next run, not the one after.
    assert seen.state.next_run(HOURLY) == _at(2)
    running = plan_state.started(seen.state)
    assert (running.running, running.waiting) == (_order(2), None)
    assert running.next_run(HOURLY) == _at(3)
    assert plan_state.ended(running) == replace(IDLE, handled_until=_at(2))


def test_late_inside_the_grace() -> None:
    seen = _observe(IDLE, _at(4, 20))
    assert seen.order == _order(4, "catch-up")
    assert seen.missed == Missed(plan="shop", runs=2, newest=_at(3), reason=AWAY)
    assert seen.reason == "catching up inside the grace"


def test_late_beyond_the_grace() -> None:
    seen = _observe(IDLE, _at(4, 40))
    assert seen.order is None
    assert seen.missed == Missed(plan="shop", runs=3, newest=_at(4), reason=AWAY)
    assert seen.state == replace(IDLE, handled_until=_at(4))


def test_behind_a_run_it_waits_whatever_the_grace() -> None:
    running = replace(IDLE, running=_order(1))
    seen = _observe(running, _at(2, 50), grace=timedelta())
    assert seen.state.waiting == _order(2)
    assert seen.missed is None
    assert seen.reason == "due, waits for the run before"


def test_the_next_takes_the_place_of_the_one_that_waits_but_not_its_turn() -> None:
    state = replace(IDLE, handled_until=_at(2), running=_order(1), waiting=_order(2))
    seen = _observe(state, _at(4))
    assert seen.state.waiting == _order(4, asked=2)
    assert seen.missed == Missed(plan="shop", runs=2, newest=_at(3), reason="the run before was still going")


def test_waiting_for_a_turn_is_told_as_such() -> None:
    seen = _observe(replace(IDLE, handled_until=_at(2), waiting=_order(2)), _at(3))
    assert seen.missed == Missed(
        plan="shop", runs=1, newest=_at(2), reason="the run before was still waiting for its turn"
    )
    assert seen.reason == "due, takes the place of the one that waited"


def test_a_due_time_does_for_a_gap_that_waits() -> None:
    seen = _observe(replace(IDLE, waiting=GAP), _at(2))
    assert (seen.state.waiting, seen.missed) == (replace(_order(2), asked=GAP.asked), None)


def test_a_gap_waits_only_where_nothing_does() -> None:
    assert plan_state.demand(IDLE, GAP.asked).waiting == GAP
    waiting = replace(IDLE, waiting=_order(1))
    assert plan_state.demand(waiting, _at(2)) == waiting
    assert replace(IDLE, waiting=GAP).next_run(HOURLY) == _at(2)


def test_put_back_behind_a_run_by_hand() -> None:
    running = replace(IDLE, handled_until=_at(2), running=_order(2))
    assert plan_state.put_back(running) == Observation(
        state=replace(running, running=None, waiting=_order(2))
    )


def test_put_back_behind_a_newer_one_is_missed() -> None:
    running = replace(IDLE, handled_until=_at(3), running=_order(2), waiting=_order(3))
    seen = plan_state.put_back(running)
    assert seen.state == replace(running, running=None)
    assert seen.missed == Missed(
        plan="shop", runs=1, newest=_at(2), reason="a run started by hand was still going"
    )
    assert plan_state.put_back(replace(running, running=GAP)).missed is None


def test_a_clock_that_went_back_a_little_repeats_nothing() -> None:
    assert _observe(IDLE, _at(0, 30)) == Observation(state=IDLE)


def test_a_due_time_far_ahead_is_not_believed() -> None:
    ahead = replace(IDLE, handled_until=_at(1) + timedelta(days=3650))
    seen = _observe(ahead, _at(1, 30))
    assert seen.state.handled_until == _at(1, 30)
    assert "the clock was or is wrong" in seen.reason
    assert _observe(seen.state, _at(2)).order == _order(2)


@given(
    steps=st.lists(
        st.tuples(st.sampled_from(["look", "start", "end", "put_back"]), st.integers(1, 200)), max_size=60
    )
)
def test_every_due_time_is_run_or_missed_once(steps: list[tuple[str, int]]) -> None:
    """Whatever happens in whatever order: each due time is run, waits, or is counted as missed, once."""
    state, now, ended, missed = IDLE, _at(1), 0, 0
    for what, minutes in steps:
        if what == "look":
            now += timedelta(minutes=minutes)
            seen = _observe(state, now)
            state, missed = seen.state, missed + (seen.missed.runs if seen.missed else 0)
        elif what == "start" and state.waiting is not None and state.running is None:
            state = plan_state.started(state)
        elif what == "end" and state.running is not None:
            state, ended = plan_state.ended(state), ended + 1
        elif what == "put_back" and state.running is not None:
            seen = plan_state.put_back(state)
            state, missed = seen.state, missed + (seen.missed.runs if seen.missed else 0)
    alive = sum(order is not None for order in (state.running, state.waiting))
    assert ended + missed + alive == (state.handled_until - IDLE.handled_until) / HOUR
