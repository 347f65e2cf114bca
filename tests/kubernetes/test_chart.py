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

from tests.kubernetes import chart
from tests.kubernetes.chart import ALL, CHART, FULL, NAME, ROOT, SMALL, one
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
    of_runner = {f"{name}-{NAME}-0" for name in made} | chart.claims(chart.pods(objects)[0])
    doctor = one(objects, "Pod", f"{NAME}-doctor")
    assert chart.claims(doctor["spec"]) == of_runner
    assert len(of_runner) == 2
    annotations = doctor["metadata"]["annotations"]
    assert annotations["helm.sh/hook"] == "test"
    assert annotations["helm.sh/hook-delete-policy"] == "before-hook-creation", "its logs are to be read"


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


def test_the_storages_lie_on_the_volumes(tmp_path: Path) -> None:
    objects = chart.rendered(SMALL)
    config = chart.loaded(tmp_path, one(objects, "ConfigMap", f"{NAME}-runner"))
    for container in chart.containers(chart.pods(objects)[0]):
        mounts = {mount["mountPath"]: mount for mount in container["volumeMounts"]}
        storage = mounts[str(config.storages["backups"].path.parent)]
        catalog = mounts[str(config.catalog_folder().parent)]
        assert (storage["name"], catalog["name"]) == ("backups", "catalog")
        reads = container["name"] == "exporter"
        assert (storage.get("readOnly", False), catalog.get("readOnly", False)) == (reads, reads)


def test_the_exporter_has_the_secrets_that_it_needs_alone(full: list[dict[str, Any]]) -> None:
    of = {each["name"]: chart.secrets(each) for each in chart.containers(chart.pods(full)[0])}
    assert of["runner"] == of["storages"] == {"shop-backup", "shop-ca", "telegram", "sign-in"}
    assert of["exporter"] == {"shop-backup", "shop-ca"}
    exporter = next(each for each in chart.pods(full)[0]["containers"] if each["name"] == "exporter")
    assert exporter["securityContext"]["runAsUser"] == 10002
    assert "env" not in exporter


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


def test_one_daemon_has_the_state(objects: list[dict[str, Any]]) -> None:
    assert one(objects, "StatefulSet")["spec"]["replicas"] == 1


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
