"""The daemon, its children or runs by hand end: by a signal, killed, without a word."""

import os
import signal
from datetime import UTC, datetime, timedelta

from pgbackstop_catalog.records.attempt import Reason, Status
from pgbackstop_runner.backup import reconcile
from pgbackstop_runner.system.state_folder import StateFolder
from tests.integration.daemon import attempts
from tests.integration.daemon.attempts import EACH_SECOND, SELDOM
from tests.integration.daemon.conftest import DEADLINE, House, until
from tests.unit.catalog import builders


def test_sigterm_ends_the_backups_and_each_is_on_record(house: House) -> None:
    house.configure({"long": {"schedule": EACH_SECOND}})
    house.behave("long", "sleep 600")
    daemon = house.start_and_wait()
    running = attempts.running(house, "long")
    assert house.stop(daemon) == 0
    assert attempts.is_gone(running.pid)
    assert house.catalog.backup(running.id).status is Status.INTERRUPTED


def test_a_backup_that_does_not_end_is_killed_and_closed_at_the_next_start(house: House) -> None:
    house.configure({"long": {"schedule": EACH_SECOND}}, daemon={"stop_timeout": "1s"})
    house.behave("long", "sleep 600", "stubborn")
    daemon = house.start_and_wait()
    running = attempts.running(house, "long")
    assert house.stop(daemon) == 0
    assert attempts.is_gone(running.pid)
    assert house.catalog.backup(running.id).status is Status.RUNNING
    house.configure({"long": {"schedule": SELDOM}})
    house.start_and_wait()
    assert house.catalog.backup(running.id).status is Status.INTERRUPTED


def test_a_killed_daemon_takes_its_children_along_and_the_next_repeats_nothing(house: House) -> None:
    house.configure({"long": {"schedule": EACH_SECOND}}, wal={"enabled": True})
    house.behave("long", "sleep 600")
    daemon = house.start_and_wait()
    running = attempts.running(house, "long")
    receiver = until(lambda: house.starts("main"), "a receiver")[0]
    daemon.kill()
    daemon.wait(DEADLINE)
    until(lambda: attempts.is_gone(running.pid) and attempts.is_gone(receiver), "the children end")
    assert house.catalog.backup(running.id).status is Status.INTERRUPTED
    house.behave("long", "sleep 0")
    again = house.start_and_wait()
    until(lambda: attempts.succeeded(house, "long"), "a success")
    assert house.stop(again) == 0
    dues = sorted(house.by_due("long"))
    assert dues.count(running.scheduled_for or datetime.now(UTC)) == 1


def test_no_due_time_is_lost_when_the_daemon_is_killed_again_and_again(house: House) -> None:
    house.configure({"steady": {"schedule": "*/2 * * * * *"}})
    for _ in range(3):
        daemon = house.start_and_wait()
        count = len(house.records("steady"))
        until(lambda count=count: len(house.records("steady")) > count, "another attempt")  # type: ignore[misc]
        daemon.kill()
        daemon.wait(DEADLINE)
    daemon = house.start_and_wait()
    attempts.finished(house, "steady", len(house.records("steady")) + 1)
    assert house.stop(daemon) == 0
    dues = house.by_due("steady")
    accounted = sum(max(1, record.missed_runs) for record in dues.values())
    assert accounted == (max(dues) - min(dues)) / timedelta(seconds=2) + 1


def test_a_child_that_ends_without_a_record_gets_one(house: House) -> None:
    house.configure({plan: {"schedule": EACH_SECOND} for plan in ("crash", "refusal")})
    house.behave("crash", "silent", "say boom: out of cheese", "exit 3")
    house.behave("refusal", "silent", "say unknown key plans.x", "exit 2")
    house.start_and_wait()
    crash, refusal = attempts.failed(house, "crash"), attempts.failed(house, "refusal")
    assert (crash.status, crash.reason) == (Status.FAILED, Reason.INTERNAL)
    assert crash.scheduled_for is not None
    assert crash.message == (
        "The backup's process ended with exit status 3 before it could record anything: boom: out of cheese"
    )
    assert (refusal.status, refusal.reason) == (Status.FAILED, Reason.CONFIGURATION)
    until(lambda: "boom: out of cheese" in house.log(), "the child's words are in the log")


def test_a_killed_child_is_closed_while_the_daemon_goes_on(house: House) -> None:
    house.configure({"long": {"schedule": EACH_SECOND}})
    house.behave("long", "sleep 600")
    house.start_and_wait()
    running = attempts.running(house, "long")
    assert running.pid is not None
    os.kill(running.pid, signal.SIGKILL)
    until(
        lambda: house.catalog.backup(running.id).status is Status.INTERRUPTED,
        "the attempt is closed as interrupted",
    )
    house.by_due("long")


def test_a_killed_run_by_hand_is_closed_while_the_daemon_goes_on(house: House) -> None:
    house.configure({"weekly": {"schedule": "0 0 1 1 *"}})
    house.start_and_wait()
    running = builders.backup(1, datetime.now(UTC), plan="weekly", status=Status.RUNNING, finished_at=None)
    lock = StateFolder(house.root).held(reconcile.lock_name("weekly"), "A backup of plan weekly")
    with lock:
        house.catalog.put(running)
        looks = house.state()
        until(lambda: house.state() != looks, "another look of the daemon")
        assert house.catalog.backup(running.id).status is Status.RUNNING
    until(
        lambda: house.catalog.backup(running.id).status is Status.INTERRUPTED,
        "the attempt is closed as interrupted",
    )
