"""Workers as processes around a real PostgreSQL: who runs what, and how often."""

import json
from itertools import pairwise

from pgbackstop_catalog.records import codec
from pgbackstop_catalog.records.attempt import Status
from pgbackstop_catalog.records.scheduler import SchedulerState
from tests.integration.daemon.attempts import EACH_SECOND, SELDOM
from tests.integration.daemon.conftest import until
from tests.integration.fleet.conftest import Fleet

EACH_TWO_SECONDS = "*/2 * * * * *"


def test_several_schedulers_make_one_run_of_each_due_time(fleet: Fleet) -> None:
    fleet.configure({"often": {"schedule": EACH_TWO_SECONDS}})
    hosts = [fleet.start(name) for name in ("a", "b", "c")]
    until(lambda: len(fleet.succeeded("often")) >= 5, "five successes")
    assert [host.stop() for host in hosts] == [0, 0, 0]
    records = fleet.records("often")
    # One that a worker handed back when it stopped has a record, and another of the worker that made it then.
    dues = [record.scheduled_for for record in records if record.status is not Status.INTERRUPTED]
    assert len(dues) == len(set(dues))
    assert {record.trigger for record in records} == {"schedule"}


def test_every_due_time_is_a_run_or_missed(fleet: Fleet) -> None:
    fleet.configure({"slow": {"schedule": EACH_SECOND}})
    fleet.behave("slow", "sleep 3")
    hosts = [fleet.start(name) for name in ("a", "b")]
    until(lambda: len(fleet.succeeded("slow")) >= 2, "two successes")
    assert [host.stop() for host in hosts] == [0, 0]
    records = {record.scheduled_for: record for record in fleet.records("slow") if record.scheduled_for}
    missed = [record for record in records.values() if record.status is Status.MISSED]
    assert missed
    accounted = sum(max(1, record.missed_runs) for record in records.values())
    assert accounted == (max(records) - min(records)).total_seconds() + 1
    spans = sorted((r.started_at, r.finished_at) for r in fleet.succeeded("slow") if r.finished_at)
    assert all(earlier[1] <= later[0] for earlier, later in pairwise(spans))


def test_a_queue_is_taken_from_by_its_workers(fleet: Fleet) -> None:
    fleet.configure(
        {"here": {"schedule": EACH_TWO_SECONDS, "server": "near"}, "there": {"schedule": EACH_TWO_SECONDS}},
        servers={"near": {"queue": "frankfurt"}, "main": {}},
    )
    near, usual = fleet.start("a", "--queues", "frankfurt"), fleet.start("b")
    until(lambda: fleet.succeeded("here") and fleet.succeeded("there"), "a success of each")
    for host, plan, other in ((near, "here", "there"), (usual, "there", "here")):
        started = [line for line in host.log().splitlines() if "event=started" in line]
        assert started
        assert all(f"plan={plan}" in line for line in started), other


def test_caps_of_a_host_a_server_and_a_storage_hold(fleet: Fleet) -> None:
    plans = {"x1": "x", "x2": "x", "y1": "y", "z1": "z"}
    fleet.configure(
        {plan: {"schedule": EACH_TWO_SECONDS, "server": server} for plan, server in plans.items()},
        servers={server: {} for server in ("x", "y", "z")},
        workers={"per_server": 1, "per_storage": 2},
    )
    for plan in plans:
        fleet.behave(plan, "sleep 0.3")
    fleet.start("a", "--concurrency", "1")
    fleet.start("b", "--concurrency", "4")
    until(lambda: all(fleet.succeeded(plan) for plan in plans), "a success of each")
    # A row of the table is written after its process has ended; the records have the process's own times.
    spans = {
        plan: [(r.started_at, r.finished_at) for r in fleet.succeeded(plan) if r.finished_at]
        for plan in plans
    }
    for group, most in (*((server, 1) for server in ("x", "y", "z")), ("", 2)):
        chosen = [span for plan in plans if plan.startswith(group) for span in spans[plan]]
        for start, _ in chosen:
            assert sum(begun <= start < ended for begun, ended in chosen) <= most, group


def test_a_paused_plan_is_left_alone(fleet: Fleet) -> None:
    plans = {"often": {"schedule": EACH_TWO_SECONDS}, "other": {"schedule": EACH_TWO_SECONDS}}
    fleet.configure(plans)
    fleet.start("a")
    until(lambda: fleet.succeeded("often"), "a success")
    fleet.behave("often", "sleep 5")
    fleet.running("often")
    until(lambda: "queued" in fleet.states("often"), "the next one waits")
    fleet.configure({**plans, "often": {**plans["often"], "enabled": False}})
    fleet.reload()
    until(lambda: "queued" not in fleet.states("often"), "what waits is withdrawn")
    until(lambda: "running" not in fleet.states("often"), "what runs ends")
    assert fleet.states("often")[-1] == "withdrawn"
    before, others = fleet.records("often"), len(fleet.succeeded("other"))
    until(lambda: len(fleet.succeeded("other")) > others, "others go on")
    assert fleet.records("often") == before


def test_a_run_that_waits_for_one_by_hand_is_made_afterwards(fleet: Fleet) -> None:
    fleet.configure({"often": {"schedule": EACH_TWO_SECONDS}})
    fleet.behave("often", "busy")
    host = fleet.start("a")
    until(lambda: host.log().count("exit_status=4") >= 2, "it is tried again")
    assert {record.status for record in fleet.records("often")} <= {Status.MISSED}
    fleet.behave("often", "sleep 0")
    until(lambda: fleet.succeeded("often"), "a success")


def test_a_process_that_leaves_no_record_gets_one(fleet: Fleet) -> None:
    fleet.configure({"often": {"schedule": EACH_TWO_SECONDS}})
    fleet.behave("often", "silent", "say it broke", "exit 3")
    fleet.start("a")
    record = until(
        lambda: [each for each in fleet.records("often") if each.status is Status.FAILED], "a failure"
    )[0]
    assert "exit status 3" in record.message
    assert "it broke" in record.message
    until(lambda: "failed" in fleet.states("often"), "the due time has failed, too")


def test_a_plan_without_due_times_makes_nothing(fleet: Fleet) -> None:
    fleet.configure({"seldom": {"schedule": SELDOM}})
    host = fleet.start("a")
    until(lambda: fleet.rows("select 1 from pgbackstop.scheduled_plan"), "the plan is known")
    assert host.stop() == 0
    assert fleet.records("seldom") == []
    assert fleet.states("seldom") == []


def test_a_daemon_beside_them_leaves_runs_to_workers(fleet: Fleet) -> None:
    fleet.configure({"often": {"schedule": EACH_TWO_SECONDS}})
    fleet.start_daemon("a")

    def told() -> object:
        path = fleet.folder / "state-a" / "state" / "scheduler.json"
        return codec.read(SchedulerState, path).next_runs.get("often") if path.exists() else None

    first = until(told, "the daemon's heartbeat")
    until(lambda: told() != first, "a due time has gone by")
    assert fleet.records("often") == []
    fleet.start("b")
    until(lambda: fleet.succeeded("often"), "a success")
    assert "event=started" not in fleet.hosts["a"].log()


def test_servers_that_are_discovered_are_backed_up(fleet: Fleet) -> None:
    lists = fleet.folder / "servers.json"
    lists.write_text("[]")
    fleet.configure(
        {"seldom": {"schedule": SELDOM}},
        groups={"found": {"plans": {"often": {"backup_type": "logical", "schedule": EACH_TWO_SECONDS}}}},
        discovery={"inventory": {"files": [lists.name], "interval": "5s", "group": "found"}},
    )
    fleet.start("a")
    labels = {"__meta_pgbackstop_name": "fresh"}
    lists.write_text(json.dumps([{"targets": ["127.0.0.1:5432"], "labels": labels}]))
    until(lambda: fleet.succeeded("fresh-often"), "a success")
