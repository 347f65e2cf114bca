"""Workers that die, are cut off, or are stopped: their runs are made once more, and explained."""

import signal
from datetime import UTC, datetime

import psutil
import pytest

from pgbackstop_catalog.records.attempt import Status
from pgbackstop_runner.system import origin
from tests.integration.daemon.attempts import SELDOM
from tests.integration.daemon.conftest import DEADLINE, until
from tests.integration.fleet.conftest import Fleet
from tests.support.frozen_network import FreezableProxy

# Longer than a starved process of a test is held up, and as short as waiting for it can be borne.
REAPED = ("--reaped-after", "8")


def _is_over(process: psutil.Process) -> bool:
    """Whether it runs no more, though nobody may have asked yet how it ended."""
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def test_a_killed_worker_is_followed_by_another(fleet: Fleet) -> None:
    fleet.configure_due("once")
    fleet.behave("once", "sleep 600")
    dying = fleet.start("a")
    first = fleet.running("once")
    dying.kill()
    fleet.behave("once", "sleep 0")
    fleet.start("b", *REAPED)
    until(lambda: fleet.succeeded("once"), "a success")
    again, interrupted = fleet.records("once")
    assert interrupted.id == first.id
    assert interrupted.status is Status.INTERRUPTED
    assert again.status is Status.SUCCEEDED
    assert again.scheduled_for == interrupted.scheduled_for
    until(lambda: fleet.states("once") == ["succeeded"], "the due time is done")
    assert fleet.rows("select attempt, deaths from pgbackstop.due_run") == [(2, 1)]


def test_a_worker_that_died_before_any_record_is_explained(fleet: Fleet) -> None:
    fleet.configure({"once": {"schedule": SELDOM}})
    fleet.start("a").kill()
    # As if it had died between its claim and its first child.
    fleet.rows(
        "insert into pgbackstop.due_run (plan, due_at, server, storage, queue, trigger, state, asked_at,"
        " deferred_at, attempt, worker, started_at, heartbeat_at) values ('once', now() - interval '1 min',"
        " 'main', 'disk', 'default', 'schedule', 'running', now(), now(), 1, 'a', now(), now())"
    )
    fleet.start("b", *REAPED)
    record = until(
        lambda: [r for r in fleet.records("once") if r.status is Status.INTERRUPTED], "an explanation"
    )[0]
    assert record.message == "The worker a gave no sign for 8 s."


def test_a_disk_that_answers_with_errors_does_not_keep_runs_from_being_taken(fleet: Fleet) -> None:
    fleet.configure_due("once")
    fleet.behave("once", "sleep 600")
    dying = fleet.start("a")
    first = fleet.running("once")
    dying.kill()
    # The system refuses to look at it, as at a file system in trouble.
    left = first.evolve(host=origin.here()["host"], storage="disk", location=f"{'x' * 300}/{first.id}")
    fleet.rows(
        f"update pgbackstop.records set document = '{left.model_dump_json()}' where name = '{left.id}'"
    )
    fleet.behave("once", "sleep 0")
    host = fleet.start("b", *REAPED)
    until(lambda: fleet.states("once") == ["succeeded"], "it is made again")
    assert "cannot be swept now" in host.log()
    interrupted = fleet.records("once")[-1]
    assert (interrupted.status, interrupted.location) == (Status.INTERRUPTED, left.location)


def test_a_run_is_given_up_when_its_workers_die(fleet: Fleet) -> None:
    fleet.configure_due("once")
    fleet.behave("once", "sleep 600")
    for name in ("a", "b"):  # the stand-in gives up after two
        host = fleet.start(name, *REAPED)
        until(lambda: fleet.rows("select 1 from pgbackstop.due_run where state = 'running'"), "a run")
        fleet.running("once")
        host.kill()
        if name == "a":
            fleet.start("c", *REAPED, "--queues", "none")
            until(lambda: fleet.states("once") == ["queued"], "it waits again")
    until(lambda: fleet.states("once") == ["failed"], "it is given up")
    assert {record.status for record in fleet.records("once")} == {Status.INTERRUPTED}
    assert fleet.rows("select reason from pgbackstop.due_run") == [("given up after 2 lost workers",)]


def test_a_worker_that_is_cut_off_ends_its_run_before_another_begins_it(fleet: Fleet) -> None:
    fleet.configure_due("once")
    fleet.behave("once", "sleep 600")
    proxy = FreezableProxy(target=("127.0.0.1", fleet.server.port))
    with proxy.opened():
        cut = fleet.start("a", "--lost-after", "6", port=proxy.port)
        fleet.running("once")
        children = cut.children()
        assert len(children) == 1
        proxy.freeze()
        fleet.behave("once", "sleep 0")
        fleet.start("b", "--reaped-after", "20")
        assert cut.process is not None
        assert cut.process.wait(DEADLINE) == 5
        assert _is_over(children[0])
        ended = datetime.now(UTC)
        assert "cut off from the database" in cut.log()
        until(lambda: fleet.succeeded("once"), "a success")
    assert fleet.succeeded("once")[0].started_at >= ended.replace(microsecond=0)
    assert len(fleet.succeeded("once")) == 1


def test_a_worker_whose_run_was_taken_ends_it(fleet: Fleet) -> None:
    fleet.configure_due("once")
    fleet.behave("once", "sleep 600")
    host = fleet.start("a")
    fleet.running("once")
    (child,) = host.children()
    fleet.rows("update pgbackstop.due_run set state = 'failed', attempt = attempt + 1, finished_at = now()")
    until(lambda: _is_over(child), "its process is gone")
    until(lambda: "taken from this worker" in host.log(), "it is told")
    assert host.stop() == 0
    assert fleet.states("once") == ["failed"]


def test_a_stopped_worker_hands_its_run_back(fleet: Fleet) -> None:
    fleet.configure_due("once")
    fleet.behave("once", "sleep 600")
    host = fleet.start("a")
    fleet.running("once")
    assert host.stop() == 0
    assert fleet.states("once") == ["queued"]
    assert [record.status for record in fleet.records("once")] == [Status.INTERRUPTED]
    fleet.behave("once", "sleep 0")
    fleet.start("b")
    until(lambda: fleet.succeeded("once"), "a success")
    assert fleet.rows("select deaths from pgbackstop.due_run") == [(0,)]


def test_a_worker_waits_for_a_password_that_is_away(fleet: Fleet) -> None:
    fleet.configure_due("once")
    fleet.behave("once", "sleep 600")
    host = fleet.start("a")
    fleet.running("once")
    away = fleet.password_file.rename(fleet.folder / "away")
    until(lambda: {"at=heartbeat", "at=round"} <= set(host.log().split()), "it is told")
    away.rename(fleet.password_file)
    ((then,),) = fleet.rows("select now() from pgbackstop.due_run where state = 'running'")
    until(lambda: fleet.rows("select max(heartbeat_at) from pgbackstop.due_run") > [(then,)], "a heartbeat")
    assert len(host.children()) == 1
    assert host.stop() == 0


def test_a_worker_drains(fleet: Fleet) -> None:
    fleet.configure_due("once")
    fleet.behave("once", "sleep 4")
    host = fleet.start("a", "--drain", "600")
    fleet.running("once")
    assert host.stop() == 0
    assert fleet.states("once") == ["succeeded"]


@pytest.mark.parametrize("lost", ["task", "queue"])
def test_a_run_whose_task_is_lost_gets_another(fleet: Fleet, lost: str) -> None:
    fleet.configure_due("once")
    fleet.start("a", "--queues", "none")
    until(lambda: fleet.states("once") == ["queued"], "it is due")
    if lost == "task":
        fleet.rows("set search_path to pgbackstop_queue; delete from procrastinate_jobs")
    else:  # as by another version of the engine
        fleet.rows("comment on schema pgbackstop_queue is 'another version'")
    fleet.start("b", "--forgotten-after", "2")
    until(lambda: fleet.states("once") == ["succeeded"], "it is run")


def test_the_database_crashes_and_is_back_meanwhile(fleet_alone: Fleet) -> None:
    fleet = fleet_alone
    often = {"often": {"schedule": "*/2 * * * * *", "server": "other"}}
    fleet.configure_due("once", often, servers={"main": {}, "other": {}})
    fleet.behave("once", "sleep 10")
    hosts = [fleet.start(name) for name in ("a", "b")]
    fleet.running("once")
    fleet.server.stop("immediate")
    fleet.server.start()
    before = len(fleet.succeeded("often"))
    until(lambda: len(fleet.succeeded("often")) > before, "runs go on")
    until(lambda: "running" not in fleet.states("once"), "what ran then has ended")
    assert fleet.rows("select attempt, deaths from pgbackstop.due_run where plan = 'once'") == [(1, 0)]
    for host in hosts:
        assert host.process is not None
        assert host.process.poll() is None
        host.process.send_signal(signal.SIGTERM)
    for host in hosts:
        assert host.process is not None
        assert host.process.wait(DEADLINE) == 0
