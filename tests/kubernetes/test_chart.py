"""The Helm chart: what helm makes of it is valid, confined, and holds exactly what we ship."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import kubernetes_validate  # type: ignore[import-untyped]
import pytest
import yaml

from pgbackstop_catalog.config import load
from tests.kubernetes import chart
from tests.kubernetes.chart import ALL, CHART, FULL, NAME, ROOT, SMALL, WORKERS, one
from tests.support import install_helm

# Of Kubernetes: the oldest that Chart.yaml names, and the newest with published schemas.
VERSIONS = ("1.27", "1.37")
OPERATOR = "monitoring.coreos.com/v1"
# All that those kinds have and we use; their published types let others pass.
FIELDS = {
    "ServiceMonitor": {"selector", "endpoints"},
    "PrometheusRule": {"groups"},
    "endpoint": {"port", "interval", "relabelings"},
    "relabeling": {"targetLabel", "replacement"},
    "group": {"name", "rules"},
    "rule": {"alert", "expr", "for", "keep_firing_for", "labels", "annotations"},
}


@pytest.fixture(params=ALL)
def objects(request: pytest.FixtureRequest) -> list[dict[str, Any]]:
    return chart.rendered(ALL[request.param])


@pytest.fixture
def full() -> list[dict[str, Any]]:
    return chart.rendered(FULL)


def test_the_schema_of_the_values_is_the_one_that_a_fresh_run_writes(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "packaging" / "helm", tmp_path / "helm", symlinks=True)
    subprocess.run([sys.executable, str(tmp_path / "helm" / "generate.py")], check=True)
    fresh = (tmp_path / "helm" / "pgbackstop" / "values.schema.json").read_text()
    written = (CHART / "values.schema.json").read_text()
    assert written == fresh, "run: .venv/bin/python packaging/helm/generate.py"


@pytest.mark.parametrize("values", ALL.values(), ids=ALL)
def test_helm_finds_nothing_to_say(tmp_path: Path, values: dict[str, Any]) -> None:
    (tmp_path / "values.yaml").write_text(yaml.safe_dump(values))
    answer = chart.helm("lint", "--strict", str(CHART), f"--values={tmp_path / 'values.yaml'}")
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert "0 chart(s) failed" in answer.stdout
    assert "[WARNING]" not in answer.stdout


@pytest.mark.parametrize("version", VERSIONS)
def test_kubernetes_knows_every_field(objects: list[dict[str, Any]], version: str) -> None:
    for each in objects:
        if each["apiVersion"] != OPERATOR:
            kubernetes_validate.validate(each, version, strict=True)


def test_the_operator_knows_its_objects(full: list[dict[str, Any]], tmp_path: Path) -> None:
    install_helm.program()
    found = [each for each in full if each["apiVersion"] == OPERATOR]
    assert [each["kind"] for each in found] == ["PrometheusRule", "PrometheusRule", "ServiceMonitor"]
    (tmp_path / "objects.json").write_text(json.dumps(found))
    script = install_helm.PACKAGES.pins / "validate.mjs"
    command = ["node", str(script), str(install_helm.PACKAGES.modules), str(tmp_path / "objects.json")]
    answer = subprocess.run(command, capture_output=True, text=True, check=True)
    assert answer.stdout == ""
    for each in found:
        assert set(each["spec"]) <= FIELDS[each["kind"]]
        for endpoint in each["spec"].get("endpoints", []):
            assert set(endpoint) <= FIELDS["endpoint"]
            assert all(set(relabeling) <= FIELDS["relabeling"] for relabeling in endpoint["relabelings"])
        for group in each["spec"].get("groups", []):
            assert set(group) <= FIELDS["group"]
            assert all(set(rule) <= FIELDS["rule"] for rule in group["rules"])


def test_what_is_wrong_is_found() -> None:
    """The checks above can fail."""
    service = one(chart.rendered(SMALL), "Service")
    service["spec"]["portz"] = []
    with pytest.raises(kubernetes_validate.ValidationError, match="portz"):
        kubernetes_validate.validate(service, VERSIONS[0], strict=True)


def test_nothing_has_a_right_that_it_does_not_need(objects: list[dict[str, Any]]) -> None:
    """The restricted standard of Kubernetes for pods, and a read-only file system besides."""
    for pod in chart.pods(objects):
        assert pod["automountServiceAccountToken"] is False
        assert not pod.keys() & {"hostNetwork", "hostPID", "hostIPC", "hostUsers"}
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        for container in chart.containers(pod):
            context = container["securityContext"]
            assert context["allowPrivilegeEscalation"] is False, container["name"]
            assert context["readOnlyRootFilesystem"] is True, container["name"]
            assert context["capabilities"] == {"drop": ["ALL"]}, container["name"]
            assert "privileged" not in context
            assert container["resources"]["limits"]["memory"], container["name"]
            assert container["resources"]["requests"].keys() == {"cpu", "memory"}, container["name"]
        assert {next(iter(each.keys() - {"name"})) for each in pod["volumes"]} <= {
            "configMap", "emptyDir", "persistentVolumeClaim", "secret",
        }  # fmt: skip


def test_every_mount_has_its_volume(objects: list[dict[str, Any]]) -> None:
    runner, doctor, *workers = chart.pods(objects)
    of_workers = [(each, chart.claim_templates(objects, f"{NAME}-worker")) for each in workers]
    for pod, further in ((runner, chart.claim_templates(objects)), (doctor, set[str]()), *of_workers):
        volumes = {each["name"] for each in pod["volumes"]} | further
        assert len(volumes) == len(pod["volumes"]) + len(further)
        mounted = {mount["name"] for each in chart.containers(pod) for mount in each["volumeMounts"]}
        assert mounted == volumes
        for container in chart.containers(pod):
            places = [mount["mountPath"] for mount in container["volumeMounts"]]
            # Nobody can make a mount point in a volume that is read-only.
            assert not any(one.startswith(f"{other}/") for one in places for other in places), places


def test_the_test_looks_at_the_volumes_of_the_runner(objects: list[dict[str, Any]]) -> None:
    made = chart.claim_templates(objects)
    of_runner = {f"{name}-{NAME}-0" for name in made} | claims(chart.pods(objects)[0])
    doctor = one(objects, "Pod", f"{NAME}-doctor")
    assert claims(doctor["spec"]) == of_runner
    assert len(of_runner) == 2
    annotations = doctor["metadata"]["annotations"]
    assert annotations["helm.sh/hook"] == "test"
    assert annotations["helm.sh/hook-delete-policy"] == "before-hook-creation", "its logs are to be read"


def claims(pod: dict[str, Any]) -> set[str]:
    """The names of the claims that it mounts."""
    found = (each.get("persistentVolumeClaim") for each in pod["volumes"])
    return {each["claimName"] for each in found if each}


def test_what_selects_the_runner_finds_it_alone(full: list[dict[str, Any]]) -> None:
    labels = one(full, "StatefulSet")["spec"]["template"]["metadata"]["labels"]
    others = one(full, "Pod", f"{NAME}-doctor")["metadata"]["labels"]
    service = one(full, "Service")
    budget = one(full, "PodDisruptionBudget")["spec"]["selector"]["matchLabels"]
    for selector in (service["spec"]["selector"], budget):
        assert selector.items() <= labels.items()
        assert not selector.items() <= others.items()
    monitored = one(full, "ServiceMonitor")["spec"]["selector"]["matchLabels"]
    assert monitored.items() <= service["metadata"]["labels"].items()
    policy = one(full, "NetworkPolicy")["spec"]
    assert policy["podSelector"]["matchLabels"].items() <= labels.items() & others.items()


def test_the_programs_take_their_configurations(full: list[dict[str, Any]], tmp_path: Path) -> None:
    runner, exporter = (
        loaded(tmp_path, one(full, "ConfigMap", f"{NAME}-{who}")) for who in ("runner", "exporter")
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


def loaded(folder: Path, configmap: dict[str, Any]) -> Any:
    """The configuration in it, as pgbackstop reads it."""
    file = folder / f"{configmap['metadata']['name']}.yaml"
    file.write_text(configmap["data"]["pgbackstop.yaml"])
    return load.load(file)


def test_the_storages_lie_on_the_volumes(tmp_path: Path) -> None:
    objects = chart.rendered(SMALL)
    config = loaded(tmp_path, one(objects, "ConfigMap", f"{NAME}-runner"))
    for container in chart.containers(chart.pods(objects)[0]):
        mounts = {mount["mountPath"]: mount for mount in container["volumeMounts"]}
        storage = mounts[str(config.storages["backups"].path.parent)]
        catalog = mounts[str(config.catalog_folder().parent)]
        assert (storage["name"], catalog["name"]) == ("backups", "catalog")
        reads = container["name"] == "exporter"
        assert (storage.get("readOnly", False), catalog.get("readOnly", False)) == (reads, reads)


def test_the_exporter_has_the_secrets_that_it_needs_alone(full: list[dict[str, Any]]) -> None:
    of = {each["name"]: secrets(each) for each in chart.containers(chart.pods(full)[0])}
    assert of["runner"] == of["storages"] == {"shop-backup", "shop-ca", "telegram", "sign-in"}
    assert of["exporter"] == {"shop-backup", "shop-ca"}
    exporter = next(each for each in chart.pods(full)[0]["containers"] if each["name"] == "exporter")
    assert exporter["securityContext"]["runAsUser"] == 10002
    assert "env" not in exporter


def secrets(container: dict[str, Any]) -> set[str]:
    """The names below /run/secrets, all read-only."""
    found = [each for each in container["volumeMounts"] if each["mountPath"].startswith("/run/secrets/")]
    assert all(each["readOnly"] is True for each in found)
    return {Path(each["mountPath"]).name for each in found}


def test_no_secret_is_written_anywhere(objects: list[dict[str, Any]]) -> None:
    assert not [each for each in objects if each["kind"] == "Secret"]
    assert "password_hash" not in json.dumps([each for each in objects if each["kind"] == "ConfigMap"])


def test_the_rules_are_those_that_we_ship(full: list[dict[str, Any]]) -> None:
    for name, file in ((NAME, "pgbackstop.rules.yml"), (f"{NAME}-prometheus", "prometheus.rules.yml")):
        shipped = yaml.safe_load((ROOT / "alerts" / file).read_text())
        assert one(full, "PrometheusRule", name)["spec"] == shipped


def test_the_rules_find_the_job(full: list[dict[str, Any]]) -> None:
    """And an instance that stays when the pod gets another address."""
    (endpoint,) = one(full, "ServiceMonitor")["spec"]["endpoints"]
    assert {each["targetLabel"]: each["replacement"] for each in endpoint["relabelings"]} == {
        "job": "pgbackstop",
        "instance": f"{chart.NAMESPACE}/{NAME}",
    }
    moved = {**FULL, "serviceMonitor": {**FULL["serviceMonitor"], "instance": "north/shop"}}
    (endpoint,) = one(chart.rendered(moved), "ServiceMonitor")["spec"]["endpoints"]
    assert {"targetLabel": "instance", "replacement": "north/shop"} in endpoint["relabelings"]
    assert endpoint["port"] in {each["name"] for each in one(full, "Service")["spec"]["ports"]}


def test_the_dashboards_are_those_that_we_ship(full: list[dict[str, Any]]) -> None:
    maps = [each for each in full if each["metadata"]["labels"].get("grafana_dashboard") == "1"]
    shown = {name: json.loads(text) for each in maps for name, text in each["data"].items()}
    shipped = {path.name: json.loads(path.read_text()) for path in (ROOT / "dashboards").glob("*.json")}
    assert shown == shipped
    for each in maps:
        # What `kubectl apply` writes beside an object holds all of it, and may have 256 KiB.
        assert len(json.dumps(each)) < 2**18, each["metadata"]["name"]


def test_the_policy_lets_through_what_is_configured(full: list[dict[str, Any]]) -> None:
    policy = one(full, "NetworkPolicy")["spec"]
    names, ports = ([each["port"] for each in rule["ports"]] for rule in policy["egress"])
    assert (names, sorted(ports)) == ([53, 53], [443, 5432, 5433, 5434, 9093])
    opened = {rule["ports"][0]["port"]: rule["from"] for rule in policy["ingress"]}
    assert opened.keys() == {"metrics", "console"}
    assert all(opened.values()), "a rule without peers lets everybody in"


def test_servers_of_groups_and_a_shared_catalog_can_be_reached(tmp_path: Path) -> None:
    shared = {"host": "catalog.databases.svc", "port": 5439, "password_file": "/run/secrets/catalog/password"}
    config = {
        "groups": {"pay": {"servers": ["pay-[1:2]"], "server": {"host": "{server}.svc", "port": 5438}}},
        "catalog": {"postgres": shared},
        "state_folder": "/var/lib/pgbackstop-catalog/catalog",
    }
    objects = chart.rendered({"config": config})
    for who in ("runner", "exporter"):
        found = loaded(tmp_path, one(objects, "ConfigMap", f"{NAME}-{who}"))
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
    found = loaded(tmp_path, one(objects, "ConfigMap", f"{NAME}-runner"))
    assert found.plans.keys() == {"pay-1-logical", "pay-1-physical", "pay-2-logical"}
    assert [server.port for server in found.servers.values()] == [5438, 5432]
    group["server"] = {"port": None}
    refused = chart.rendered_by(tmp_path, {"config": config})
    assert "at '/config/groups/pay/server/port'" in refused.stderr


def test_a_preparation_may_have_several_lines() -> None:
    objects = chart.rendered({**SMALL, "runner": {"prepare": "first\nsecond"}})
    (script,) = chart.pods(objects)[0]["initContainers"][0]["args"]
    assert script.splitlines()[-2:] == ["first", "second"]


def test_one_daemon_has_the_state(objects: list[dict[str, Any]]) -> None:
    assert one(objects, "StatefulSet")["spec"]["replicas"] == 1


def workers_with(**changed: dict[str, Any]) -> dict[str, Any]:
    """Values with workers, of which some are others; those of config are added."""
    config = {**WORKERS["config"], **changed.pop("config", {})}
    return {**WORKERS, "config": config, **changed}


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
    assert claims(worker) == {f"backups-{NAME}-0"}
    assert claims(runner) == set()
    assert chart.claim_templates(objects, f"{NAME}-worker") == {"catalog"}
    config = loaded(tmp_path, one(objects, "ConfigMap", f"{NAME}-runner"))
    assert str(config.state_root().parent) == "/var/lib/pgbackstop-catalog"
    for container in chart.containers(worker):
        assert secrets(container) == {"shop-backup", "catalog"}
        mounts = {mount["mountPath"]: mount["name"] for mount in container["volumeMounts"]}
        assert mounts[str(config.state_root().parent)] == "catalog"


def test_workers_whose_backups_are_all_in_buckets_need_no_shared_volume() -> None:
    bucket = {"kind": "s3", "bucket": "backups", "region": "eu-central-1"}
    objects = chart.rendered(
        workers_with(config={"storages": {"backups": None, "offsite": bucket}}, persistence={})
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
            workers_with(config={"catalog": "/var/lib/pgbackstop-catalog/catalog"}),
            "set config.catalog.postgres",
        ),
        (
            workers_with(config={"state_folder": "/var/lib/pgbackstop/state"}),
            "set config.state_folder to a folder",
        ),
        (workers_with(persistence={}), "set persistence.backups.accessModes to [ReadWriteMany]"),
        (workers_with(workers={"replicas": 1, "queues": ["a b"]}), "/workers/queues/0"),
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


def test_the_package_holds_files_and_no_links(tmp_path: Path) -> None:
    answer = chart.helm("package", str(CHART), f"--destination={tmp_path}")
    assert answer.returncode == 0, answer.stderr
    (made,) = tmp_path.glob("*.tgz")
    with tarfile.open(made) as archive:
        names = {each.name for each in archive if each.isfile()}
        rules = archive.extractfile("pgbackstop/files/rules/pgbackstop.rules.yml")
        assert rules is not None
        assert rules.read() == (ROOT / "alerts" / "pgbackstop.rules.yml").read_bytes()
    dashboards = {path.name for path in (ROOT / "dashboards").glob("*.json")}
    assert {f"pgbackstop/files/dashboards/{name}" for name in dashboards} < names


def test_the_images_are_those_of_this_version() -> None:
    document = yaml.safe_load((CHART / "Chart.yaml").read_text())
    version = next(
        line.split('"')[1]
        for line in (ROOT / "pyproject.toml").read_text().splitlines()
        if line.startswith("version = ")
    )
    assert document["version"] == document["appVersion"] == version
    compose = (ROOT / "compose.yaml").read_text().replace("${POSTGRES_VERSION:-17.11}", "17.11")
    images = yaml.safe_load((CHART / "values.yaml").read_text())["image"]
    assert f"image: {images['exporter']}\n" in compose
    assert f"{images['runner']}\n" in compose
