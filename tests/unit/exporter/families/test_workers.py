"""The metrics of workers and queues: who is there, what waits, and since when."""

from dataclasses import replace
from pathlib import Path

import pytest

from pgbackstop_exporter.snapshot import CatalogFacts, DueRun, FleetFacts, Settings, Snapshot, WorkerFacts
from tests.support.factories import config
from tests.unit.exporter import pages_of
from tests.unit.exporter.filled import with_workers

SERVERS = {"main": {}, "far": {"queue": "frankfurt"}}
PLANS = {
    name: {"server": server, "backup_type": "logical"}
    for name, server in (("daily", "main"), ("hourly", "main"), ("distant", "far"))
}


def worker(host: str, *queues: str, is_alive: bool = True) -> WorkerFacts:
    return WorkerFacts(host=host, queues=queues, is_alive=is_alive)


def waits(plan: str, asked: float, queue: str = "default") -> DueRun:
    return DueRun(plan=plan, queue=queue, is_running=False, asked=asked)


def runs(plan: str, queue: str = "default") -> DueRun:
    return DueRun(plan=plan, queue=queue, is_running=True, asked=1.0)


@pytest.fixture
def snapshot(tmp_path: Path) -> Snapshot:
    found = with_workers(config(tmp_path, servers=SERVERS, plans=PLANS))
    return Snapshot(settings=Settings(config=found, seen_at=0.0), catalog=CatalogFacts())


def told(snapshot: Snapshot, *facts: WorkerFacts | DueRun) -> dict[tuple[str, str], float]:
    """By metric and by host or queue, what a page says of workers."""
    fleet = FleetFacts(
        workers=tuple(each for each in facts if isinstance(each, WorkerFacts)),
        runs=tuple(each for each in facts if isinstance(each, DueRun)),
    )
    assert snapshot.catalog is not None
    seen = replace(snapshot, catalog=replace(snapshot.catalog, fleet=fleet))
    return {
        (name.removeprefix("backup_"), labels.get("host") or labels["queue"]): value
        for name, labels, value in pages_of.samples(seen)
        if name.startswith(("backup_workers", "backup_queue"))
    }


def test_a_queue_of_a_server_has_no_worker_until_one_takes_from_it(snapshot: Snapshot) -> None:
    found = told(snapshot, worker("a", "default"), worker("b", "frankfurt", is_alive=False))
    assert (found["queue_workers", "default"], found["queue_workers", "frankfurt"]) == (1, 0)
    found = told(snapshot, worker("a", "default", "frankfurt"))
    assert (found["queue_workers", "default"], found["queue_workers", "frankfurt"]) == (1, 1)


def test_workers_are_counted_by_host(snapshot: Snapshot) -> None:
    found = told(snapshot, worker("a", "x"), worker("a", "x", is_alive=False), worker("b", "x"))
    assert [found["workers", host] for host in ("a", "b")] == [1, 1]
    assert [found["workers_lost", host] for host in ("a", "b")] == [1, 0]


def test_the_one_that_waits_the_longest_counts(snapshot: Snapshot) -> None:
    found = told(snapshot, waits("daily", 300.0), waits("hourly", 200.0), runs("distant", "frankfurt"))
    assert (found["queue_waiting_runs", "default"], found["queue_running_runs", "default"]) == (2, 0)
    assert found["queue_waiting_since_timestamp_seconds", "default"] == 200.0
    assert found["queue_running_runs", "frankfurt"] == 1
    assert found["queue_waiting_since_timestamp_seconds", "frankfurt"] == 0


def test_one_that_waits_for_its_own_plan_finds_room_by_itself(snapshot: Snapshot) -> None:
    found = told(snapshot, waits("hourly", 200.0), runs("hourly"))
    assert found["queue_waiting_runs", "default"] == 1
    assert found["queue_waiting_since_timestamp_seconds", "default"] == 0


def test_what_waits_for_a_plan_that_is_gone_waits_for_nobody(snapshot: Snapshot) -> None:
    found = told(snapshot, waits("removed", 200.0, "closed"))
    assert ("queue_workers", "closed") not in found


def test_a_queue_whose_plans_are_all_paused_needs_no_worker(snapshot: Snapshot, tmp_path: Path) -> None:
    plans = {**PLANS, "distant": {**PLANS["distant"], "enabled": False}}
    paused = with_workers(config(tmp_path, servers=SERVERS, plans=plans))
    found = told(replace(snapshot, settings=replace(snapshot.settings, config=paused)))
    assert found["queue_workers", "default"] == 0
    assert ("queue_workers", "frankfurt") not in found


def test_without_workers_nothing_is_said_of_them(snapshot: Snapshot, tmp_path: Path) -> None:
    alone = replace(snapshot.settings, config=config(tmp_path, servers=SERVERS, plans=PLANS))
    assert told(replace(snapshot, settings=alone), worker("a", "default")) == {}
