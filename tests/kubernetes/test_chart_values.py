"""The values of the Helm chart: what they become, which are refused, and what the notes say of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.kubernetes import chart
from tests.kubernetes.chart import ALL, CHART, FULL, NAME, SMALL, WORKERS, one


def test_the_programs_take_their_configurations(tmp_path: Path) -> None:
    full = chart.rendered(FULL)
    runner, exporter = (
        chart.loaded(tmp_path, one(full, "ConfigMap", f"{NAME}-{who}")) for who in ("runner", "exporter")
    )
    assert runner.servers == exporter.servers
    assert runner.console.listen == "0.0.0.0:9854"
    assert runner.console.public_url == "https://backups.example.com/pgbackstop"
    assert runner.console.is_served
    assert not exporter.console.is_served
    # Helm reads numbers as floating-point ones.
    assert runner.notifications.telegram is not None
    assert runner.notifications.telegram.chat_id == -1001234567890
    assert runner.storages["offsite"].size_limit == 2**40
    assert str(runner.catalog_folder()) == "/var/lib/pgbackstop-catalog/catalog"


def test_servers_of_groups_and_a_shared_catalog_can_be_reached(tmp_path: Path) -> None:
    shared = {"host": "catalog.databases.svc", "port": 5439, "password_file": "/run/secrets/catalog/password"}
    config = {
        "groups": {"pay": {"servers": ["pay-[1:2]"], "server": {"host": "{server}.svc", "port": 5438}}},
        "catalog": {"postgres": shared},
        "state_folder": "/var/lib/pgbackstop-catalog/catalog",
    }
    objects = chart.rendered({"config": config})
    for who in ("runner", "exporter"):
        found = chart.loaded(tmp_path, one(objects, "ConfigMap", f"{NAME}-{who}"))
        assert [server.host for server in found.servers.values()] == ["pay-1.svc", "pay-2.svc"]
        assert found.catalog_database.host == "catalog.databases.svc"
        assert str(found.state_root().parent) == "/var/lib/pgbackstop-catalog"
    egress = one(objects, "NetworkPolicy")["spec"]["egress"]
    assert {5438, 5439} < {each["port"] for rule in egress for each in rule["ports"]}


def test_a_list_of_servers_is_enough() -> None:
    objects = chart.rendered(
        {"config": {"discovery": {"fleet": {"url": "https://cmdb.example.com/databases"}}}}
    )
    config = yaml.safe_load(one(objects, "ConfigMap", f"{NAME}-runner")["data"]["pgbackstop.yaml"])
    assert config["discovery"].keys() == {"fleet"}


def test_null_takes_away_what_a_group_says(tmp_path: Path) -> None:
    group = {
        "servers": ["pay-[1:2]"],
        "server": {"host": "{server}.svc", "port": 5438},
        "plans": {kind: {"backup_type": kind} for kind in ("logical", "physical")},
    }
    config = {
        "groups": {"pay": group},
        "servers": {"pay-1": None, "pay-2": {"port": None}},
        "plans": {"pay-2-physical": None},
    }
    objects = chart.rendered({"config": config})
    found = chart.loaded(tmp_path, one(objects, "ConfigMap", f"{NAME}-runner"))
    assert found.plans.keys() == {"pay-1-logical", "pay-1-physical", "pay-2-logical"}
    assert [server.port for server in found.servers.values()] == [5438, 5432]
    group["server"] = {"port": None}
    refused = chart.rendered_by(tmp_path, {"config": config})
    assert "at '/config/groups/pay/server/port'" in refused.stderr


def test_a_preparation_may_have_several_lines() -> None:
    objects = chart.rendered({**SMALL, "runner": {"prepare": "first\nsecond"}})
    (script,) = chart.pods(objects)[0]["initContainers"][0]["args"]
    assert script.splitlines()[-2:] == ["first", "second"]


def test_a_changed_configuration_starts_the_pod_anew() -> None:
    def annotations(values: dict[str, Any]) -> dict[str, str]:
        template = one(chart.rendered(values), "StatefulSet")["spec"]["template"]
        return dict(template["metadata"]["annotations"])

    changed = {**SMALL, "config": {**SMALL["config"], "log": {"level": "debug"}}}
    assert annotations(SMALL) == annotations(SMALL) != annotations(changed)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({}, "config.servers names no PostgreSQL server: name one"),
        ({**SMALL, "console": {"enabled": True}}, "Nobody could log in to the console: set"),
        (
            {"config": {**SMALL["config"], "console": {"users": {"a": {"password_hash": "$2b$12$"}}}}},
            "config.console.users holds hashes of passwords",
        ),
        ({"config": {"servers": {"shop": {"hots": "a"}}}}, "additional properties 'hots' not allowed"),
        ({**SMALL, "workers": {"replicas": 2}}, "set config.workers.enabled"),
        (
            chart.workers_with(config={"catalog": "/var/lib/pgbackstop-catalog/catalog"}),
            "set config.catalog.postgres",
        ),
        (
            chart.workers_with(config={"state_folder": "/var/lib/pgbackstop/state"}),
            "set config.state_folder to a folder",
        ),
        (chart.workers_with(persistence={}), "set persistence.backups.accessModes to [ReadWriteMany]"),
        (chart.workers_with(workers={"replicas": 1, "queues": ["a b"]}), "/workers/queues/0"),
        ({**SMALL, "image": {"runner": "pgbackstop/runner:latest"}}, "/image/runner"),
        ({**SMALL, "image": {"runner": "pgbackstop/runner"}}, "/image/runner"),
        ({**SMALL, "replicas": 2}, "additional properties 'replicas' not allowed"),
        ({**SMALL, "dashboards": {"enabled": "yes"}}, "/dashboards/enabled"),
    ],
)
def test_values_that_cannot_be_used_are_refused(tmp_path: Path, values: dict[str, Any], words: str) -> None:
    answer = chart.rendered_by(tmp_path, values)
    assert answer.returncode != 0
    assert words in answer.stderr


@pytest.mark.parametrize(
    ("values", "said", "unsaid"),
    [
        (SMALL, ("helm test shop", "NOBODY IS TOLD"), ("console", "no NetworkPolicy")),
        (FULL, ("https://backups.example.com/pgbackstop",), ("NOBODY IS TOLD", "port-forward")),
        (ALL["existing"], ("port-forward", "no NetworkPolicy"), ("workers",)),
        (WORKERS, ("3 workers, for the queues default, frankfurt",), ("console",)),
    ],
)
def test_the_notes_say_what_to_do_next(
    tmp_path: Path, values: dict[str, Any], said: tuple[str, ...], unsaid: tuple[str, ...]
) -> None:
    (tmp_path / "values.yaml").write_text(yaml.safe_dump(values))
    flags = ("--dry-run=client", f"--namespace={chart.NAMESPACE}", f"--values={tmp_path / 'values.yaml'}")
    answer = chart.helm("install", chart.RELEASE, str(CHART), *flags)
    assert answer.returncode == 0, answer.stderr
    notes = answer.stdout.partition("NOTES:")[2]
    assert all(words in notes for words in said), notes
    assert not any(words in notes for words in unsaid), notes
