"""Who may run, what becomes of a run behind its attempt, and who receives whose WAL."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pgbackstop_catalog.records.attempt import Status
from pgbackstop_catalog.records.backup import Backup
from pgbackstop_runner.fleet import decisions
from pgbackstop_runner.fleet.decisions import Ended, Limits, Running, Waits, WalLease, WalRoom
from pgbackstop_runner.fleet.settings import Settings
from pgbackstop_runner.fleet.values import Active, Key, State
from tests.support import factories

LIMITS = Limits(per_server=1, per_storage=4)
DUE = datetime(2026, 11, 22, 2, tzinfo=UTC)
ALONE = Waits(is_scheduled=True, newer=False)
FOLLOWED = Waits(is_scheduled=True, newer=True)
PAUSED = Waits(is_scheduled=False, newer=False)


def _left(*statuses: Status) -> list[Backup]:
    return [factories.backup(number, status=status) for number, status in enumerate(statuses)]


@pytest.mark.parametrize(
    ("running", "why"),
    [
        (Running(of_plan=0, of_server=0, into_storage=3), ""),
        (Running(of_plan=1, of_server=0, into_storage=0), "the run before is still going"),
        (Running(of_plan=0, of_server=1, into_storage=1), "1 of 1 runs of the server are going"),
        (Running(of_plan=0, of_server=0, into_storage=4), "4 of 4 runs into the storage are going"),
    ],
)
def test_room(running: Running, why: str) -> None:
    assert decisions.refusal(running, LIMITS) == why


@given(st.integers(0, 9), st.integers(0, 9), st.integers(1, 9), st.integers(1, 9))
def test_no_cap_is_ever_passed(of_server: int, into_storage: int, server: int, storage: int) -> None:
    running = Running(of_plan=0, of_server=of_server, into_storage=into_storage)
    has_room = not decisions.refusal(running, Limits(per_server=server, per_storage=storage))
    assert has_room == (of_server + 1 <= server and into_storage + 1 <= storage)


def test_a_plan_is_as_its_rows_say() -> None:
    later = DUE + timedelta(hours=1)
    rows = [
        Active(key=Key(plan="shop", due=due), state=state, trigger="schedule", asked=due)
        for due, state in ((DUE, State.RUNNING), (later, State.QUEUED))
    ]
    state = decisions.plan_state("shop", later, rows)
    assert state.running is not None
    assert state.waiting is not None
    assert (state.running.due, state.waiting.due, state.handled_until) == (DUE, later, later)
    assert decisions.plan_state("shop", DUE, ()).waiting is None


@pytest.mark.parametrize(
    ("left", "waits", "deaths", "state"),
    [
        ([Status.INTERRUPTED], ALONE, 1, State.QUEUED),
        ([], ALONE, 1, State.QUEUED),
        ([Status.SUCCEEDED, Status.INTERRUPTED], ALONE, 1, State.QUEUED),
        ([Status.INTERRUPTED], ALONE, 3, State.FAILED),
        ([Status.INTERRUPTED], FOLLOWED, 1, State.FAILED),
        ([Status.INTERRUPTED], PAUSED, 1, State.WITHDRAWN),
        ([Status.SUCCEEDED, Status.SUCCEEDED], ALONE, 1, State.SUCCEEDED),
        ([Status.SUCCEEDED, Status.FAILED], ALONE, 1, State.FAILED),
        ([Status.SUCCEEDED], PAUSED, 3, State.SUCCEEDED),
    ],
)
def test_after_a_worker_died(left: list[Status], waits: Waits, deaths: int, state: State) -> None:
    verdict = decisions.after_death(_left(*left), waits, deaths=deaths, most=3)
    assert verdict.state is state
    assert verdict.reason


def test_a_run_whose_worker_died_between_two_databases_is_made_again() -> None:
    left = [record.evolve(run_databases=2) for record in _left(Status.SUCCEEDED)]
    assert decisions.after_death(left, ALONE, deaths=1, most=3).state is State.QUEUED


@pytest.mark.parametrize(
    ("ended", "waits", "has_records", "state"),
    [
        (Ended(exit_status=0), FOLLOWED, True, State.SUCCEEDED),
        (Ended(exit_status=1), ALONE, True, State.FAILED),
        (Ended(exit_status=-9), ALONE, True, State.FAILED),
        (Ended(exit_status=4), ALONE, False, State.QUEUED),
        (Ended(exit_status=4), FOLLOWED, False, State.MISSED),
        (Ended(exit_status=4), PAUSED, False, State.WITHDRAWN),
        (Ended(exit_status=4), ALONE, True, State.FAILED),
        (Ended(exit_status=130, was_stopped=True), ALONE, True, State.QUEUED),
        (Ended(exit_status=-9, was_stopped=True), ALONE, False, State.QUEUED),
        (Ended(exit_status=130, was_stopped=True), FOLLOWED, True, State.FAILED),
        (Ended(exit_status=130, was_stopped=True), PAUSED, True, State.WITHDRAWN),
        (Ended(exit_status=0, was_stopped=True), ALONE, True, State.SUCCEEDED),
        (Ended(exit_status=1, was_stopped=True), ALONE, True, State.FAILED),
    ],
)
def test_after_a_process_ended(ended: Ended, waits: Waits, has_records: bool, state: State) -> None:
    assert decisions.after_end(ended, waits, has_records=has_records).state is state


def test_a_run_ends_where_it_is_lost_before_it_may_begin_elsewhere() -> None:
    settings = Settings()
    assert settings.heartbeat < settings.lost_after
    assert settings.lost_after + settings.kill_after < settings.reaped_after


ROOM = WalRoom(most=100, at_once=10)


@pytest.mark.parametrize(
    ("leases", "taken"),
    [
        ([], {"shop", "stock"}),
        ([WalLease(server="shop", worker="b", is_over=False)], {"stock"}),
        ([WalLease(server="shop", worker="b", is_over=True)], {"shop", "stock"}),
        ([WalLease(server="away", worker="b", is_over=True)], {"shop", "stock"}),
    ],
)
def test_what_nobody_receives_is_taken(leases: list[WalLease], taken: set[str]) -> None:
    assert set(decisions.leases_to_take(["shop", "stock"], leases, worker="a", room=ROOM)) == taken


@pytest.mark.parametrize(("most", "at_once", "count"), [(100, 10, 10), (3, 10, 3), (0, 10, 0), (-1, 10, 0)])
def test_receivers_are_begun_a_few_at_a_time(most: int, at_once: int, count: int) -> None:
    servers, room = [f"pay-{number}" for number in range(50)], WalRoom(most=most, at_once=at_once)
    chosen = decisions.leases_to_take(servers, [], worker="a", room=room)
    assert len(chosen) == len(set(chosen)) == count


def test_workers_that_look_at_the_same_time_want_different_servers() -> None:
    servers = [f"pay-{number}" for number in range(1000)]
    first, second = (
        set(decisions.leases_to_take(servers, [], worker=each, room=ROOM)) for each in ("a", "b")
    )
    assert first != second
