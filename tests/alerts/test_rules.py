"""The shipped rules: promtool runs their stories, and nothing in them is unknown, untested or unexplained."""

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from pgbackstop_catalog import units
from pgbackstop_exporter.metrics.contract import METRICS
from tests.alerts import promtool_file
from tests.alerts.cases import CASES, NEVER_QUIET

ALERTS = Path(__file__).parents[2] / "alerts"
RULES = ALERTS / "pgbackstop.rules.yml"
BOTH = (RULES, ALERTS / "prometheus.rules.yml")
GOLDEN = sorted(Path(__file__).parent.glob("annotations.*.test.yml"))
RUNBOOK_BASE = "https://github.com/pgbackstop/pgbackstop/blob/main/alerts/runbooks/"
SEVERITIES = {"critical", "warning", "info", "none"}
# Prometheus' and Alertmanager's own.
FOREIGN = {
    "up",
    "prometheus_rule_evaluation_failures_total",
    "prometheus_notifications_alertmanagers_discovered",
    "prometheus_notifications_dropped_total",
    "prometheus_config_last_reload_successful",
    "alertmanager_notifications_failed_total",
    "alertmanager_config_last_reload_successful",
}


def rules() -> list[dict[str, Any]]:
    documents = [yaml.safe_load(path.read_text()) for path in BOTH]
    return [rule for document in documents for group in document["groups"] for rule in group["rules"]]


def alert_names() -> list[str]:
    return sorted({rule["alert"] for rule in rules()})


def run(promtool: str, *arguments: str) -> None:
    answer = subprocess.run([promtool, *arguments], capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stdout + answer.stderr


def test_promtool_accepts_the_rules(promtool: str) -> None:
    run(promtool, "check", "rules", "--lint=all", "--lint-fatal", *map(str, BOTH))


def only(name: str) -> dict[str, Any]:
    """The rules of one alert: promtool evaluates all that it is given at each step."""
    return {"groups": [{"name": "one", "rules": [rule for rule in rules() if rule["alert"] == name]}]}


@pytest.mark.parametrize("name", alert_names())
def test_the_stories_of(promtool: str, tmp_path: Path, name: str) -> None:
    path = tmp_path / "one.rules.yml"
    path.write_text(yaml.safe_dump(only(name)))
    paths = []
    for number, document in enumerate(
        promtool_file.fires((each for each in CASES if each.alert == name), path)
    ):
        paths.append(tmp_path / f"{number}.test.yml")
        paths[-1].write_text(yaml.safe_dump(document))
    run(promtool, "test", "rules", *map(str, paths))


def test_a_person_reads_the_words_that_were_reviewed(promtool: str) -> None:
    """Where words change on purpose: python -m tests.alerts.write_words, and read its difference."""
    run(promtool, "test", "rules", *map(str, GOLDEN))


def test_the_words_of_every_rule_were_reviewed() -> None:
    read = {
        (test["alertname"], alert["exp_labels"]["severity"])
        for path in GOLDEN
        for group in yaml.safe_load(path.read_text())["tests"]
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
    for heading in ("## What it means", "## What to do", "## When to wake someone", "## When it ends"):
        assert heading in runbook


def test_there_is_no_runbook_without_an_alert() -> None:
    found = {path.stem for path in (ALERTS / "runbooks").glob("*.md")}
    assert found == set(alert_names())


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: f"{rule['alert']}-{rule['labels']['severity']}")
def test_rules_use_only_what_the_contract_lists(rule: dict[str, Any]) -> None:
    known = {metric.name: set(metric.labels) for metric in METRICS}
    text = rule["expr"] + " ".join(rule["annotations"].values())
    names = metrics_in(rule["expr"]) | set(re.findall(r"\b((?:backup|disk)_[a-z_]+)\{", text))
    assert names <= set(known) | FOREIGN
    used = set(re.findall(r"\$labels\.(\w+)", text)) - {"instance", "job"}
    of_metrics = {"rule_group", "integration"} if names & FOREIGN else set()
    assert used <= of_metrics.union(*(known.get(name, set()) for name in names))


def metrics_in(expr: str) -> set[str]:
    """Names that are no label, function or word of PromQL."""
    bare = re.sub(r'"[^"]*"|\{[^}]*\}|\b(?:by|on|group_left|without)\s*\([^)]*\)', " ", expr)
    return set(re.findall(r"\b(?:backup|disk|up|prometheus|alertmanager)(?:_[a-z_]+)?\b", bare))


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: f"{rule['alert']}-{rule['labels']['severity']}")
def test_a_lost_scrape_starts_no_long_wait_anew(rule: dict[str, Any]) -> None:
    """A lost scrape or a restart ends what is pending: a long wait is a look back in the expression."""
    assert units.parse_duration(rule.get("for", "0s")) <= 900


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: f"{rule['alert']}-{rule['labels']['severity']}")
def test_equal_names_of_two_hosts_stay_apart(rule: dict[str, Any]) -> None:
    for word, inside in re.findall(r"\b(by|on)\s*\(([^)]*)\)", rule["expr"]):
        assert {"job", "instance"} <= set(re.split(r",\s*", inside)), word
    for text in rule["annotations"].values():
        for selector in re.findall(r"\{(\w+=%q[^}]*)\}", text):
            assert selector.startswith("job=%q,instance=%q,"), text
    of_host = not re.search(r"\$labels\.(plan|server)", rule["annotations"]["summary"])
    if of_host and "instance" in labels_of(rule):
        assert "$labels.instance" in rule["annotations"]["summary"], "two hosts would say the same"


def labels_of(rule: dict[str, Any]) -> set[str]:
    """Those of the scrape, unless nothing is scraped or they are told apart by others."""
    nobody = {"BackupMetricsAbsent", "Watchdog", "MonitoringRulesFailing", "MonitoringDeliveryFailing"}
    return set() if rule["alert"] in nobody else {"instance"}


def test_every_foreign_metric_is_meant() -> None:
    used = set().union(*(metrics_in(rule["expr"]) for rule in rules()))
    assert used - {metric.name for metric in METRICS} == FOREIGN


def test_every_alert_leads_to_a_dashboard_that_there_is() -> None:
    dashboards = {path.stem for path in (ALERTS.parent / "dashboards").glob("*.json")}
    for rule in rules():
        found = re.match(
            r"\{\{ \$externalLabels.grafana_url \}\}/d/([\w-]+)", rule["annotations"]["dashboard_url"]
        )
        assert found, rule["alert"]
        assert found[1] in dashboards


def test_no_rule_needs_a_prometheus_that_is_newer_or_older() -> None:
    """promtool here is 2.42; what 3.x took away or changed is looked for as text."""
    for path in BOTH:
        document = yaml.safe_load(path.read_text())
        for group in document["groups"]:
            assert set(group) == {"name", "rules"}, "labels of groups are of 3.x, query_offset of 2.53"
    for rule in rules():
        assert set(rule) <= {"alert", "expr", "for", "keep_firing_for", "labels", "annotations"}
        gone_or_new = r"holt_winters|double_exponential_smoothing|info\(|sort_by_label|\bts_of|@|\.\*\?"
        assert not re.search(gone_or_new, rule["expr"]), rule["alert"]
        # In 3.x a regular expression's dot also matches a newline, and a range leaves out its left end.
        ranges = re.findall(r"\[(\w+)\]", rule["expr"])
        assert all(units.parse_duration(each) >= 300 for each in ranges), rule["alert"]
