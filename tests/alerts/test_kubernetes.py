"""The rules as objects of the Prometheus Operator: the same rules, as a fresh run writes them."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

from tests.alerts.test_rules import ALERTS, BOTH, run

FILE = ALERTS / "kubernetes" / "prometheusrule.yaml"
# All that the operator's v1 schema knows of a rule; it refuses others.
FIELDS = {"alert", "record", "expr", "for", "keep_firing_for", "labels", "annotations"}


def objects() -> list[dict[str, Any]]:
    return list(yaml.safe_load_all(FILE.read_text()))


def test_the_file_is_the_one_that_a_fresh_run_writes(tmp_path: Path) -> None:
    copied = tmp_path / "alerts" / "kubernetes"
    copied.mkdir(parents=True)
    for path in (*BOTH, ALERTS / "kubernetes" / "generate.py"):
        (tmp_path / "alerts" / path.relative_to(ALERTS)).write_text(path.read_text())
    subprocess.run([sys.executable, str(copied / "generate.py")], check=True)
    fresh = (copied / "prometheusrule.yaml").read_text()
    assert FILE.read_text() == fresh, "run: python alerts/kubernetes/generate.py"


def test_each_object_holds_the_groups_of_one_file() -> None:
    assert [each["spec"] for each in objects()] == [yaml.safe_load(path.read_text()) for path in BOTH]


def test_promtool_accepts_what_the_operator_hands_to_prometheus(promtool: str, tmp_path: Path) -> None:
    for each in objects():
        path = tmp_path / f"{each['metadata']['name']}.yml"
        path.write_text(yaml.safe_dump(each["spec"]))
        run(promtool, "check", "rules", "--lint=all", "--lint-fatal", str(path))


def test_the_operator_knows_every_field() -> None:
    for each in objects():
        assert (each["apiVersion"], each["kind"]) == ("monitoring.coreos.com/v1", "PrometheusRule")
        for group in each["spec"]["groups"]:
            for rule in group["rules"]:
                assert set(rule) <= FIELDS
                assert isinstance(rule["expr"], str)
