"""The daemon, its children or runs by hand end: by a signal, killed, without a word."""

import os
import signal
from datetime import UTC, datetime, timedelta

from pgbackstop_catalog.records.attempt import Reason, Status
from pgbackstop_runner.backup import reconcile
from pgbackstop_runner.system.state_folder import StateFolder
from tests.integration.daemon import attempts
from tests.integration.daemon.attempts import EACH_SECOND, SELDOM
from tests.integration.daemon.conftest import DEADLINE, Daemons, until
from tests.support import factories


def test_sigterm_ends_the_backups_and_each_is_on_record(daemons: Daemons) -> None:
    daemons.configure({"long": {"schedule": EACH_SECOND}})
    daemons.behave("long", "sleep 600")
    daemon = daemons.start_and_wait()
    running = attempts.running(daemons, "long")
    assert daemons.stop(daemon) == 0
    assert attempts.is_gone(running.pid)
    assert daemons.catalog.backup(running.id).status is Status.INTERRUPTED


def test_a_backup_that_does_not_end_is_killed_and_closed_at_the_next_start(daemons: Daemons) -> None:
    daemons.configure({"long": {"schedule": EACH_SECOND}}, daemon={"stop_timeout": "1s"})
    daemons.behave("long", "sleep 600", "stubborn")
    daemon = daemons.start_and_wait()
    running = attempts.running(daemons, "long")
    assert daemons.stop(daemon) == 0
    assert attempts.is_gone(running.pid)
    assert daemons.catalog.backup(running.id).status is Status.RUNNING
    daemons.configure({"long": {"schedule": SELDOM}})
    daemons.start_and_wait()
    assert daemons.catalog.backup(running.id).status is Status.INTERRUPTED


def test_a_killed_daemon_takes_its_children_along_and_the_next_repeats_nothing(daemons: Daemons) -> None:
    daemons.configure({"long": {"schedule": EACH_SECOND}}, wal={"enabled": True})
    daemons.behave("long", "sleep 600")
    daemon = daemons.start_and_wait()
    running = attempts.running(daemons, "long")
    receiver = until(lambda: daemons.starts("main"), "a receiver")[0]
    daemon.kill()
    daemon.wait(DEADLINE)
    until(lambda: attempts.is_gone(running.pid) and attempts.is_gone(receiver), "the children end")
    assert daemons.catalog.backup(running.id).status is Status.INTERRUPTED
    daemons.behave("long", "sleep 0")
    again = daemons.start_and_wait()
    until(lambda: attempts.succeeded(daemons, "long"), "a success")
    assert daemons.stop(again) == 0
    dues = sorted(daemons.by_due("long"))
    assert dues.count(running.scheduled_for or datetime.now(UTC)) == 1


def test_no_due_time_is_lost_when_the_daemon_is_killed_again_and_again(daemons: Daemons) -> None:
    daemons.configure({"steady": {"schedule": "*/2 * * * * *"}})
    for _ in range(3):
        daemon = daemons.start_and_wait()
        count = len(daemons.records("steady"))
        until(lambda count=count: len(daemons.records("steady")) > count, "another attempt")  # type: ignore[misc]
        daemon.kill()
        daemon.wait(DEADLINE)
    daemon = daemons.start_and_wait()
    attempts.finished(daemons, "steady", len(daemons.records("steady")) + 1)
    assert daemons.stop(daemon) == 0
    dues = daemons.by_due("steady")
    accounted = sum(max(1, record.missed_runs) for record in dues.values())
    assert accounted == (max(dues) - min(dues)) / timedelta(seconds=2) + 1


def test_a_child_that_ends_without_a_record_gets_one(daemons: Daemons) -> None:
    daemons.configure({plan: {"schedule": EACH_SECOND} for plan in ("crash", "refusal")})
    daemons.behave("crash", "silent", "say boom: out of cheese", "exit 3")
    daemons.behave("refusal", "silent", "say unknown key plans.x", "exit 2")
    daemons.start_and_wait()
    crash, refusal = attempts.failed(daemons, "crash"), attempts.failed(daemons, "refusal")
    assert (crash.status, crash.reason) == (Status.FAILED, Reason.INTERNAL)
    assert crash.scheduled_for is not None
    assert crash.message == (
        "The backup's process ended with exit status 3 before it could record anything: boom: out of cheese"
    )
    assert (refusal.status, refusal.reason) == (Status.FAILED, Reason.CONFIGURATION)
    until(lambda: "boom: out of cheese" in daemons.log(), "the child's words are in the log")


def test_a_killed_child_is_closed_while_the_daemon_goes_on(daemons: Daemons) -> None:
    daemons.configure({"long": {"schedule": EACH_SECOND}})
    daemons.behave("long", "sleep 600")
    daemons.start_and_wait()
    running = attempts.running(daemons, "long")
    assert running.pid is not None
    os.kill(running.pid, signal.SIGKILL)
    until(
        lambda: daemons.catalog.backup(running.id).status is Status.INTERRUPTED,
        "the attempt is closed as interrupted",
    )
    daemons.by_due("long")


def test_a_killed_run_by_hand_is_closed_while_the_daemon_goes_on(daemons: Daemons) -> None:
    daemons.configure({"weekly": {"schedule": "0 0 1 1 *"}})
    daemons.start_and_wait()
    running = factories.backup(1, datetime.now(UTC), plan="weekly", status=Status.RUNNING, finished_at=None)
    lock = StateFolder(daemons.root).held(reconcile.lock_name("weekly"), "A backup of plan weekly")
    with lock:
        daemons.catalog.put(running)
        looks = daemons.state()
        until(lambda: daemons.state() != looks, "another look of the daemon")
        assert daemons.catalog.backup(running.id).status is Status.RUNNING
    until(
        lambda: daemons.catalog.backup(running.id).status is Status.INTERRUPTED,
        "the attempt is closed as interrupted",
    )
