"""The Helm chart, rendered by the real helm."""

from __future__ import annotations

import functools
import json
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from pgbackstop_catalog.config import load
from tests.support import install_helm

ROOT = Path(__file__).resolve().parents[2]
CHART = ROOT / "packaging" / "helm" / "pgbackstop"
RELEASE, NAMESPACE = "shop", "backups"
NAME = f"{RELEASE}-pgbackstop"
SERVERS = {"shop": {"host": "shop-rw.databases.svc", "password_file": "/run/secrets/shop-backup/password"}}
SMALL: dict[str, Any] = {
    "config": {"servers": SERVERS},
    "secrets": [{"name": "shop-backup", "exporter": True}],
}
# Everything that can be switched on.
FULL: dict[str, Any] = {
    "image": {"pullPolicy": "Always", "pullSecrets": [{"name": "registry"}]},
    "config": {
        "servers": {
            "shop": {
                **SERVERS["shop"],
                "host": ["shop-1.databases.svc", "shop-2.databases.svc"],
                "port": [5433, 5434],
                "sslmode": "verify-full",
                "sslrootcert": "/run/secrets/shop-ca/ca.crt",
            },
            "billing": {"host": "billing.databases.svc", "password_env": "BILLING_PASSWORD"},
        },
        "storages": {
            "offsite": {
                "kind": "s3",
                "bucket": "backups",
                "region": "eu-central-1",
                "size_limit": 2**40,
            },
        },
        "notifications": {
            "alertmanager": {"url": "http://alertmanager-operated.monitoring:9093"},
            "telegram": {"bot_token_file": "/run/secrets/telegram/token", "chat_id": -1001234567890},
        },
        "console": {
            "name": "shop",
            "oidc": {
                "issuer": "https://login.example.com",
                "client_id": "pgbackstop",
                "client_secret_file": "/run/secrets/sign-in/secret",
                "roles": {"admin": ["dba"]},
            },
        },
    },
    "secrets": [
        {"name": "shop-backup", "exporter": True},
        {"name": "shop-ca", "exporter": True, "items": [{"key": "ca.crt", "path": "ca.crt"}]},
        {"name": "telegram"},
        {"name": "sign-in"},
    ],
    "persistence": {
        "backups": {"size": "2Ti", "storageClass": "fast"},
        "catalog": {"existingClaim": "records"},
    },
    "runner": {
        "extraEnv": [
            {
                "name": "BILLING_PASSWORD",
                "valueFrom": {"secretKeyRef": {"name": "billing", "key": "password"}},
            }
        ],
        "extraVolumes": [{"name": "drills", "emptyDir": {"sizeLimit": "50Gi"}}],
        "extraVolumeMounts": [{"name": "drills", "mountPath": "/var/lib/pgbackstop-drills"}],
    },
    "console": {"enabled": True, "publicUrl": "https://backups.example.com/pgbackstop"},
    "serviceAccount": {"annotations": {"eks.amazonaws.com/role-arn": "arn:aws:iam::1:role/backups"}},
    "pod": {
        "labels": {"team": "dba"},
        "annotations": {"example.com/note": "a"},
        "nodeSelector": {"disk": "large"},
        "tolerations": [{"key": "backups", "operator": "Exists"}],
        "affinity": {"nodeAffinity": {}},
        "priorityClassName": "backups",
    },
    "networkPolicy": {"consoleFrom": [{"namespaceSelector": {"matchLabels": {"ingress": "yes"}}}]},
    "podDisruptionBudget": {"enabled": True},
    "serviceMonitor": {"enabled": True, "labels": {"release": "kube-prometheus-stack"}},
    "prometheusRule": {
        "enabled": True,
        "monitoring": True,
        "labels": {"release": "kube-prometheus-stack"},
    },
    "dashboards": {"enabled": True, "annotations": {"grafana_folder": "Backups"}},
}
# Existing objects in the place of all that the chart can make of them.
EXISTING: dict[str, Any] = {
    "existingConfig": {"secretName": "pgbackstop-config", "exporterKey": "exporter.yaml"},
    "persistence": {"backups": {"existingClaim": "backups"}, "catalog": {"existingClaim": "records"}},
    "console": {"enabled": True},
    "serviceAccount": {"create": False, "name": "given"},
    "networkPolicy": {"enabled": False},
}
# Workers around a catalog in PostgreSQL, whose nodes share a volume.
WORKERS: dict[str, Any] = {
    **SMALL,
    "config": {
        "servers": {"shop": {**SERVERS["shop"], "queue": "frankfurt"}},
        "catalog": {
            "postgres": {"host": "catalog.databases.svc", "password_file": "/run/secrets/catalog/password"}
        },
        "state_folder": "/var/lib/pgbackstop-catalog/catalog",
        "workers": {"enabled": True},
    },
    "secrets": [*SMALL["secrets"], {"name": "catalog", "exporter": True}],
    "persistence": {"backups": {"accessModes": ["ReadWriteMany"]}},
    "workers": {"replicas": 3, "queues": ["default", "frankfurt"], "drainSeconds": 900},
}
ALL = {"small": SMALL, "full": FULL, "existing": EXISTING, "workers": WORKERS}


def helm(*words: str) -> subprocess.CompletedProcess[str]:
    """What helm said; its own settings are nobody's home."""
    command = [str(install_helm.program()), *words]
    environment = {"HOME": "/nonexistent", "PATH": "/usr/bin:/bin"}
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)


def rendered_by(folder: Path, values: Mapping[str, Any], *flags: str) -> subprocess.CompletedProcess[str]:
    """What ``helm template`` said to these values."""
    file = folder / "values.yaml"
    file.write_text(yaml.safe_dump(dict(values)))
    return helm("template", RELEASE, str(CHART), f"--namespace={NAMESPACE}", f"--values={file}", *flags)


def rendered(values: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The objects. Fails with helm's own words."""
    return [each for each in yaml.load_all(_rendered(json.dumps(values)), Loader=yaml.CSafeLoader) if each]


@functools.cache
def _rendered(values: str) -> str:
    with tempfile.TemporaryDirectory() as folder:
        answer = rendered_by(Path(folder), json.loads(values))
    assert answer.returncode == 0, answer.stderr
    return answer.stdout


def one(objects: list[dict[str, Any]], kind: str, name: str = NAME) -> dict[str, Any]:
    """The object of that kind and name."""
    (found,) = (each for each in objects if (each["kind"], each["metadata"]["name"]) == (kind, name))
    return found


def pods(objects: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What each pod is made of: the runner's, that of ``helm test``, and that of workers if there are any."""
    doctor = one(objects, "Pod", f"{NAME}-doctor")["spec"]
    return [one(objects, "StatefulSet")["spec"]["template"]["spec"], doctor, *workers(objects)]


def workers(objects: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What a worker's pod is made of, where there are workers."""
    named = {each["metadata"]["name"]: each for each in objects if each["kind"] == "StatefulSet"}
    return [named[f"{NAME}-worker"]["spec"]["template"]["spec"]] if f"{NAME}-worker" in named else []


def claim_templates(objects: list[dict[str, Any]], name: str = NAME) -> set[str]:
    """The names of the volumes that a StatefulSet makes for each of its pods."""
    templates = one(objects, "StatefulSet", name)["spec"].get("volumeClaimTemplates", [])
    return {each["metadata"]["name"] for each in templates}


def containers(pod: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Those that prepare, too."""
    return [*pod.get("initContainers", []), *pod["containers"]]


def claims(pod: dict[str, Any]) -> set[str]:
    """The names of the claims that it mounts."""
    found = (each.get("persistentVolumeClaim") for each in pod["volumes"])
    return {each["claimName"] for each in found if each}


def secrets(container: dict[str, Any]) -> set[str]:
    """The names below /run/secrets, all read-only."""
    found = [each for each in container["volumeMounts"] if each["mountPath"].startswith("/run/secrets/")]
    assert all(each["readOnly"] is True for each in found)
    return {Path(each["mountPath"]).name for each in found}


def loaded(folder: Path, configmap: dict[str, Any]) -> Any:
    """The configuration in it, as pgbackstop reads it."""
    file = folder / f"{configmap['metadata']['name']}.yaml"
    file.write_text(configmap["data"]["pgbackstop.yaml"])
    return load.load(file)


def workers_with(**changed: dict[str, Any]) -> dict[str, Any]:
    """Values with workers, of which some are others; those of config are added."""
    config = {**WORKERS["config"], **changed.pop("config", {})}
    return {**WORKERS, "config": config, **changed}
