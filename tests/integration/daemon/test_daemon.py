"""The daemon as a process, with backups that are small programs: starting, waiting, catching up."""

import os
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import psutil
import pytest

from pgbackstop_catalog.decisions.wal_segments import WalState
from pgbackstop_catalog.records.attempt import Status
from tests.integration.daemon import attempts
from tests.integration.daemon.attempts import EACH_SECOND, SELDOM
from tests.integration.daemon.conftest import Daemons, until


def test_runs_what_is_due_and_tells_that_it_lives(daemons: Daemons) -> None:
    daemons.configure({"often": {"schedule": "*/2 * * * * *"}})
    daemon = daemons.start_and_wait()
    # Where processes start slowly, the next due time may be over before the first run has begun.
    first = until(lambda: attempts.succeeded(daemons, "often"), "a success")[-1]
    assert first.trigger == "schedule"
    assert first.scheduled_for is not None
    assert first.scheduled_for <= first.started_at
    state = daemons.state()
    assert state is not None
    assert state.stopped_at is None
    assert state.first_seen["often"] <= first.scheduled_for < state.next_runs["often"]
    until(lambda: (later := daemons.state()) and later.heartbeat_at > state.heartbeat_at, "a heartbeat")
    assert daemons.stop(daemon) == 0
    stopped = daemons.state()
    assert stopped is not None
    assert stopped.stopped_at is not None
    assert stopped.first_seen == state.first_seen


def test_two_daemons_on_one_catalog(daemons: Daemons) -> None:
    daemons.configure({"seldom": {"schedule": SELDOM}})
    daemon = daemons.start_and_wait()
    second = subprocess.run(
        [sys.executable, "-m", "pgbackstop_runner.main", "--config", str(daemons.file), "daemon"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert second.returncode == 4
    assert f"already running (process {daemon.pid} on" in second.stderr
    assert "Traceback" not in second.stderr
    assert daemon.poll() is None


def test_a_run_waits_for_the_one_before_and_older_ones_are_missed(daemons: Daemons) -> None:
    daemons.configure({"slow": {"schedule": EACH_SECOND}})
    daemons.behave("slow", "sleep 3")
    daemon = daemons.start_and_wait()

    def two_runs() -> bool:
        return len([r for r in daemons.records("slow") if r.status is Status.SUCCEEDED]) >= 2

    until(two_runs, "two runs")
    assert daemons.stop(daemon) == 0
    dues = daemons.by_due("slow")
    missed = [record for record in dues.values() if record.status is Status.MISSED]
    assert missed
    # On a slow machine the run before may not even have begun.
    reasons = {"the run before was still going.", "the run before was still waiting for its turn."}
    assert {record.message.rpartition(": ")[2] for record in missed} <= reasons
    # Each second is accounted for, by a run or as missed.
    accounted = sum(max(1, record.missed_runs) for record in dues.values())
    assert accounted == (max(dues) - min(dues)) / timedelta(seconds=1) + 1
    runs = sorted((r for r in dues.values() if r.status is Status.SUCCEEDED), key=lambda r: r.id)
    assert all(a.finished_at and a.finished_at <= b.started_at for a, b in pairwise(runs))


def test_no_more_at_once_than_configured(daemons: Daemons) -> None:
    plans = {name: {"schedule": "*/2 * * * * *"} for name in ("a", "b", "c")}
    daemons.configure(plans, daemon={"max_parallel": 1})
    for name in plans:
        daemons.behave(name, "sleep 0.3")
    daemon = daemons.start_and_wait()
    for name in plans:
        until(
            lambda name=name: [r for r in daemons.records(name) if r.status is Status.SUCCEEDED],  # type: ignore[misc]
            f"a success of {name}",
        )
    assert daemons.stop(daemon) == 0
    runs = [r for name in plans for r in daemons.records(name) if r.status is Status.SUCCEEDED]
    spans = sorted((r.started_at, r.finished_at) for r in runs if r.finished_at is not None)
    assert all(earlier[1] <= later[0] for earlier, later in pairwise(spans))


def test_a_plan_that_runs_by_hand_is_run_afterwards(daemons: Daemons) -> None:
    daemons.configure({"often": {"schedule": "*/2 * * * * *"}})
    daemons.behave("often", "busy")
    daemon = daemons.start_and_wait()
    until(lambda: daemons.log().count("exit_status=4") >= 2, "it is tried again")
    assert {record.status for record in daemons.records("often")} <= {Status.MISSED}
    # While it is being tried, the next due time is the one after.
    until(lambda: attempts.next_run(daemons, "often") <= datetime.now(UTC), "the due time that waits")
    daemons.behave("often", "sleep 0")
    until(lambda: attempts.succeeded(daemons, "often"), "a success")
    assert daemons.stop(daemon) == 0
    dues = daemons.by_due("often")
    accounted = sum(max(1, record.missed_runs) for record in dues.values())
    assert accounted == (max(dues) - min(dues)) / timedelta(seconds=2) + 1


def test_catches_up_inside_the_grace_and_records_the_rest_as_missed(daemons: Daemons) -> None:
    schedule = attempts.daily(datetime.now(UTC))
    daemons.configure(
        {"patient": {"schedule": schedule, "grace": "2h"}, "strict": {"schedule": schedule, "grace": "1m"}}
    )
    assert daemons.stop(daemons.start_and_wait()) == 0
    assert daemons.records("patient") == daemons.records("strict") == []
    state = daemons.state()
    assert state is not None
    away_since = datetime.now(UTC) - timedelta(days=3)
    daemons.change_state(
        counted={name: counted.evolve(since=away_since) for name, counted in state.counted.items()}
    )
    daemon = daemons.start_and_wait()
    caught = until(lambda: [r for r in daemons.records("patient") if r.trigger == "catch-up"], "a catch-up")[
        0
    ]
    assert attempts.finished(daemons, "patient", 2)
    assert daemons.stop(daemon) == 0
    (missed,) = [record for record in daemons.records("patient") if record.status is Status.MISSED]
    assert (missed.missed_runs, missed.scheduled_for) == (2, caught.scheduled_for - timedelta(days=1))
    (strict,) = daemons.records("strict")
    assert (strict.status, strict.missed_runs, strict.database) == (Status.MISSED, 3, "")
    assert strict.scheduled_for == caught.scheduled_for
    assert strict.message.startswith("3 runs were due and did not start, the last of them at")
    assert "the daemon was not running then" in strict.message
    # Started once more, it neither catches up nor misses anything again.
    again = daemons.start_and_wait()
    assert daemons.stop(again) == 0
    assert (len(daemons.records("patient")), len(daemons.records("strict"))) == (2, 1)


def test_a_paused_plan_is_neither_run_nor_missed(daemons: Daemons) -> None:
    daemons.configure({"paused": {"schedule": EACH_SECOND, "enabled": False}, "other": {"schedule": SELDOM}})
    daemon = daemons.start_and_wait()
    beat = daemons.state()
    assert beat is not None
    seconds = timedelta(seconds=3)
    until(lambda: (now := daemons.state()) and now.heartbeat_at - beat.heartbeat_at > seconds, "some time")
    assert daemons.records("paused") == []
    assert "paused" not in beat.next_runs
    daemons.configure({"paused": {"schedule": "*/2 * * * * *"}, "other": {"schedule": SELDOM}})
    resumed = datetime.now(UTC)
    daemon.send_signal(signal.SIGHUP)
    attempts.finished(daemons, "paused")
    assert daemons.stop(daemon) == 0
    dues = daemons.by_due("paused")
    # Where processes start slowly, the next due time may be missed; none from before counts.
    before = max(0, dues[min(dues)].missed_runs - 1)
    assert min(dues) - timedelta(seconds=2) * before >= resumed


def test_a_broken_configuration_is_refused_and_a_good_one_loaded(daemons: Daemons) -> None:
    daemons.configure({"old": {"schedule": EACH_SECOND}})
    daemon = daemons.start_and_wait()
    daemons.configure({"old": {"schedule": "nonsense"}, "new": {"retain": 7}})
    daemon.send_signal(signal.SIGHUP)
    for words in ("configuration refused", "plans.old.schedule", "plans.new.retain", "no cron expression"):
        until(lambda words=words: words in daemons.log(), words)  # type: ignore[misc]
    attempts.finished(daemons, "old", len(daemons.records("old")) + 1)
    daemons.configure({"new": {"schedule": EACH_SECOND}})
    daemon.send_signal(signal.SIGHUP)
    attempts.finished(daemons, "new")
    state = daemons.state()
    assert state is not None
    assert set(state.next_runs) == {"new"}
    assert daemons.stop(daemon) == 0


@pytest.mark.parametrize(
    "slip", ["foo: 2001-99-99", "foo: !x y", "<<: x", "a: &a [*a]", "a: " + "[" * 50_000]
)
def test_a_slip_of_yaml_leaves_the_daemon_as_it_was(daemons: Daemons, slip: str) -> None:
    daemons.configure({"old": {"schedule": EACH_SECOND}})
    daemon = daemons.start_and_wait()
    with daemons.file.open("a") as file:
        file.write("\n" + slip + "\n")
    daemon.send_signal(signal.SIGHUP)
    until(lambda: "configuration refused" in daemons.log(), "the refusal")
    assert "Traceback" not in daemons.log()
    attempts.finished(daemons, "old", len(daemons.records("old")) + 1)
    assert daemons.stop(daemon) == 0


def test_another_catalog_needs_another_daemon(daemons: Daemons, tmp_path: Path) -> None:
    daemons.configure({"old": {"schedule": SELDOM}})
    daemon = daemons.start_and_wait()
    daemons.configure({"old": {"schedule": SELDOM}}, catalog=str(tmp_path / "elsewhere"))
    daemon.send_signal(signal.SIGHUP)
    until(lambda: "The catalog is another folder now." in daemons.log(), "the refusal")
    assert not (tmp_path / "elsewhere").exists()
    assert daemons.stop(daemon) == 0


def test_receivers_are_started_again_and_end_with_the_daemon(daemons: Daemons) -> None:
    daemons.configure({"seldom": {"schedule": SELDOM}}, wal={"enabled": True})
    daemon = daemons.start_and_wait()
    first = until(lambda: daemons.starts("main"), "a receiver")[0]
    os.kill(first, signal.SIGKILL)
    second = until(lambda: daemons.starts("main")[1:], "a second one")[0]
    assert "receiver ended" in daemons.log()
    daemons.configure({"seldom": {"schedule": SELDOM}}, wal={"enabled": True, "slot": "another"})
    daemon.send_signal(signal.SIGHUP)
    third = until(lambda: daemons.starts("main")[2:], "one for the changed server")[0]
    assert attempts.is_gone(second)
    assert daemons.stop(daemon) == 0
    assert attempts.is_gone(third)
    assert len(daemons.starts("main")) == 3


def test_a_gap_in_the_wal_is_followed_by_one_base_backup(daemons: Daemons) -> None:
    daemons.configure({"base": {"backup_type": "physical", "schedule": SELDOM}, "dump": {"schedule": SELDOM}})
    daemon = daemons.start_and_wait()
    daemons.behave("base", "exit 1")
    _tell_of_gap(daemons, datetime.now(UTC))
    failed = attempts.finished(daemons, "base")[-1]
    assert (failed.trigger, failed.status, failed.scheduled_for) == ("wal-gap", Status.FAILED, None)
    daemons.behave("base", "sleep 0")
    until(lambda: daemons.records("base")[0].status is Status.SUCCEEDED, "a success after the pause")
    tries = len(daemons.records("base"))
    beat = daemons.state()
    assert beat is not None
    seconds = timedelta(seconds=4)
    until(lambda: (now := daemons.state()) and now.heartbeat_at - beat.heartbeat_at > seconds, "some time")
    assert len(daemons.records("base")) == tries
    assert daemons.records("dump") == []
    assert daemons.stop(daemon) == 0


def _tell_of_gap(daemons: Daemons, since: datetime) -> None:
    state = WalState(
        server="main",
        method="stream",
        status="down",
        started_at=since,
        updated_at=since,
        base_backup_wanted_since=since,
    )
    path = daemons.root / "state" / "wal" / "main.json"
    path.parent.mkdir(parents=True)
    path.write_text(state.model_dump_json())


def test_no_secret_in_argv_log_or_catalog(daemons: Daemons) -> None:
    secret = "correct-horse-battery"
    (daemons.folder / "password").write_text(secret + "\n")
    daemons.configure({"long": {"schedule": EACH_SECOND}}, server={"password_file": "password"})
    daemons.behave("long", "sleep 600")
    # What Python reads when it starts keeps the daemon from being a fork, whose words /proc does not show.
    daemon = daemons.start_and_wait(PYTHONUNBUFFERED="1")
    running = attempts.running(daemons, "long")
    family = [psutil.Process(daemon.pid), *psutil.Process(daemon.pid).children(recursive=True)]
    assert running.pid in {process.pid for process in family}
    for process in family:
        assert secret not in " ".join(process.cmdline())
        assert secret not in " ".join(process.environ().values())
    assert daemons.stop(daemon) == 0
    written = [path for path in daemons.root.rglob("*") if path.is_file()] + [daemons.folder / "log"]
    assert [path for path in written if secret.encode() in path.read_bytes()] == []
