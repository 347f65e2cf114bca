"""The shipped rules: promtool runs their stories, and nothing in them is unknown, untested or unexplained."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from pgbackstop_exporter.contract import METRICS
from tests.alerts.cases import CASES, DAY, EXPORTER, HELD, NEVER_QUIET, Case

ALERTS = Path(__file__).parents[2] / "alerts"
RULES = ALERTS / "pgbackstop.rules.yml"
GOLDEN = Path(__file__).parent / "annotations.test.yml"
RUNBOOK_BASE = "https://github.com/pgbackstop/pgbackstop/blob/main/alerts/runbooks/"
SEVERITIES = {"critical", "warning", "info", "none"}
# Prometheus' own, and of another exporter.
FOREIGN = {"up"}


def rules() -> list[dict[str, Any]]:
    document = yaml.safe_load(RULES.read_text())
    return [rule for group in document["groups"] for rule in group["rules"]]


def alert_names() -> list[str]:
    return sorted({rule["alert"] for rule in rules()})


@pytest.fixture(scope="module")
def promtool() -> str:
    found = shutil.which("promtool")
    if found is None:
        pytest.skip("promtool is not installed: Debian's package prometheus has it")
    return found


def run(promtool: str, *arguments: str) -> None:
    answer = subprocess.run([promtool, *arguments], capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stdout + answer.stderr


def test_promtool_accepts_the_rules(promtool: str) -> None:
    run(promtool, "check", "rules", "--lint=all", "--lint-fatal", str(RULES))


def _series(name: str, labels: dict[str, str], values: str | float) -> dict[str, str]:
    inside = ",".join(f"{label}={json.dumps(value)}" for label, value in labels.items())
    return {
        "series": f"{name}{{{inside}}}",
        "values": values if isinstance(values, str) else f"{values}{HELD}",
    }


def _question(case: Case, minutes: int, severity: str | None) -> dict[str, Any]:
    firing = f'count by (severity) (ALERTS{{alertname="{case.alert}",alertstate="firing"}})'
    expected = [{"labels": f'{{severity="{severity}"}}', "value": 1}] if severity else []
    return {"expr": firing, "eval_time": f"{minutes}m", "exp_samples": expected}


@pytest.mark.parametrize("case", CASES, ids=[f"{case.alert}: {case.story}" for case in CASES])
def test_alert(promtool: str, tmp_path: Path, case: Case) -> None:
    labels = {**EXPORTER, **case.labels}
    # A story of days is told in steps of ten minutes, because promtool evaluates every rule at each step.
    step = "1m" if max(case.at) < 2 * DAY else "10m"
    document = {
        "rule_files": [str(RULES)],
        "evaluation_interval": step,
        "tests": [
            {
                "interval": step,
                "input_series": [_series(name, labels, values) for name, values in case.series.items()],
                "promql_expr_test": [_question(case, minutes, answer) for minutes, answer in case.at.items()],
            }
        ],
    }
    path = tmp_path / "case.test.yml"
    path.write_text(yaml.safe_dump(document))
    run(promtool, "test", "rules", str(path))


def test_a_person_reads_the_words_that_were_reviewed(promtool: str) -> None:
    run(promtool, "test", "rules", str(GOLDEN))


def test_the_words_of_every_rule_were_reviewed() -> None:
    document = yaml.safe_load(GOLDEN.read_text())
    read = {
        (test["alertname"], alert["exp_labels"]["severity"])
        for group in document["tests"]
        for test in group["alert_rule_test"]
        for alert in test["exp_alerts"]
    }
    assert read == {(rule["alert"], rule["labels"]["severity"]) for rule in rules()}


@pytest.mark.parametrize("name", alert_names())
def test_every_alert_has_a_case_that_fires_and_one_that_stays_quiet(name: str) -> None:
    answers = {bool(answer) for case in CASES if case.alert == name for answer in case.at.values()}
    assert answers == ({True} if name in NEVER_QUIET else {True, False})


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: f"{rule['alert']}-{rule['labels']['severity']}")
def test_every_rule_helps_who_is_woken(rule: dict[str, Any]) -> None:
    assert rule["labels"]["severity"] in SEVERITIES
    annotations = rule["annotations"]
    assert annotations["summary"]
    assert annotations["description"]
    assert annotations["runbook_url"] == f"{RUNBOOK_BASE}{rule['alert']}.md"
    runbook = (ALERTS / "runbooks" / f"{rule['alert']}.md").read_text()
    assert runbook.startswith(f"# {rule['alert']}\n")
    for heading in ("## What it means", "## What to do"):
        assert heading in runbook


def test_there_is_no_runbook_without_an_alert() -> None:
    found = {path.stem for path in (ALERTS / "runbooks").glob("*.md")}
    assert found == set(alert_names())


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: f"{rule['alert']}-{rule['labels']['severity']}")
def test_rules_use_only_what_the_contract_lists(rule: dict[str, Any]) -> None:
    known = {metric.name: set(metric.labels) for metric in METRICS}
    text = rule["expr"] + " ".join(rule["annotations"].values())
    names = set(re.findall(r"\b(?:backup|disk)_[a-z_]+\b", rule["expr"]))
    names |= set(re.findall(r"\b((?:backup|disk)_[a-z_]+)\{", text))
    names -= {"backup_type"}
    assert names <= set(known)
    used = set(re.findall(r"\$labels\.(\w+)", text)) - {"instance", "job"}
    of_metrics = set().union(*(known[name] for name in names))
    assert used <= of_metrics


def test_every_foreign_metric_is_meant() -> None:
    words = set(re.findall(r"\b[a-z_]+(?=\{)", " ".join(rule["expr"] for rule in rules())))
    assert words - {metric.name for metric in METRICS} == FOREIGN
