"""The workers of the Helm chart: what they are told, what they share, and what is their own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.kubernetes import chart
from tests.kubernetes.chart import FULL, NAME, WORKERS, one


def test_workers_are_told_what_they_are_there_for() -> None:
    objects = chart.rendered(WORKERS)
    assert one(objects, "StatefulSet", f"{NAME}-worker")["spec"]["replicas"] == 3
    (worker,) = chart.workers(objects)
    (container,) = worker["containers"]
    assert container["command"] == ["pgbackstop", "worker"]
    offer = ["--queues=default,frankfurt", "--concurrency=2", "--receivers=100", "--drain=900s"]
    assert container["args"] == offer
    # The command itself takes them: it gets as far as the configuration, which is not there.
    answer = subprocess.run(
        [sys.executable, "-m", "pgbackstop_runner.main", "--config=/nonexistent", "worker", *offer],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "/nonexistent" in answer.stderr


def test_a_run_has_its_time_to_end_before_a_worker_is_killed() -> None:
    (worker,) = chart.workers(chart.rendered(WORKERS))
    runner = chart.pods(chart.rendered(WORKERS))[0]
    assert worker["terminationGracePeriodSeconds"] == 900 + runner["terminationGracePeriodSeconds"]


def test_workers_share_the_volume_of_the_backups_and_have_a_state_of_their_own(tmp_path: Path) -> None:
    objects = chart.rendered(WORKERS)
    runner, _, worker = chart.pods(objects)
    assert chart.claims(worker) == {f"backups-{NAME}-0"}
    assert chart.claims(runner) == set()
    assert chart.claim_templates(objects, f"{NAME}-worker") == {"catalog"}
    config = chart.loaded(tmp_path, one(objects, "ConfigMap", f"{NAME}-runner"))
    assert str(config.state_root().parent) == "/var/lib/pgbackstop-catalog"
    for container in chart.containers(worker):
        assert chart.secrets(container) == {"shop-backup", "catalog"}
        mounts = {mount["mountPath"]: mount["name"] for mount in container["volumeMounts"]}
        assert mounts[str(config.state_root().parent)] == "catalog"


def test_workers_whose_backups_are_all_in_buckets_need_no_shared_volume() -> None:
    bucket = {"kind": "s3", "bucket": "backups", "region": "eu-central-1"}
    objects = chart.rendered(
        chart.workers_with(config={"storages": {"backups": None, "offsite": bucket}}, persistence={})
    )
    (worker,) = chart.workers(objects)
    assert {"name": "backups", "emptyDir": {}} in worker["volumes"]


def test_there_are_no_workers_unless_they_are_asked_for() -> None:
    assert chart.workers(chart.rendered(FULL)) == []


def test_what_selects_the_runner_finds_no_worker() -> None:
    objects = chart.rendered({**WORKERS, "podDisruptionBudget": {"enabled": True}})
    template = one(objects, "StatefulSet", f"{NAME}-worker")["spec"]["template"]
    labels = template["metadata"]["labels"]
    budget = one(objects, "PodDisruptionBudget")["spec"]["selector"]["matchLabels"]
    for selector in (one(objects, "Service")["spec"]["selector"], budget):
        assert not selector.items() <= labels.items()
    assert one(objects, "NetworkPolicy")["spec"]["podSelector"]["matchLabels"].items() <= labels.items()
