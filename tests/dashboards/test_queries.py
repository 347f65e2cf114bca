"""Every query of every dashboard, asked of a real Prometheus that scrapes a real exporter."""

import contextlib
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from pgbackstop_dashboards import promql
from pgbackstop_exporter.metrics.contract import METRICS
from tests.alerts.test_rules import metrics_in as metrics_of_rule
from tests.alerts.test_rules import rules
from tests.dashboards import preview, world
from tests.dashboards.documents import ASKED, PlacedQuery, interpolate
from tests.dashboards.prometheus import Prometheus, program
from tests.support.servers import Server

pytestmark = pytest.mark.integration
# Prometheus' own.
FOREIGN = {"ALERTS", "ALERTS_FOR_STATE", "up"}


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory, pg17: Server) -> Iterator[Prometheus]:
    with world.running(tmp_path_factory.mktemp("dashboards"), pg17) as found:
        yield found


def ask(prometheus: Prometheus, asked: PlacedQuery) -> preview.Answer:
    look = prometheus.over_time if asked.is_range else prometheus.instant
    return look(asked.interpolated)


# What a Prometheus of a minute cannot know.
EMPTY = {"pgbackstop-backup-history / Free space / B": "a forecast wants two days"}


def test_no_query_is_empty(prometheus: Prometheus) -> None:
    answers: list[tuple[PlacedQuery, preview.Answer]] = []

    def are_there() -> bool:
        answers[:] = [(asked, ask(prometheus, asked)) for asked in ASKED]
        return {asked.id for asked, answer in answers if not answer} == set(EMPTY)

    # On a busy machine some sources are scraped later than others.
    with contextlib.suppress(AssertionError):
        prometheus.until(are_there, "an answer to every query")
    seen = preview.text(answers)
    sys.stdout.write(seen)
    assert {asked.id for asked, answer in answers if not answer} == set(EMPTY), seen


def test_every_plan_is_in_its_state(prometheus: Prometheus) -> None:
    answer = prometheus.instant(interpolate(promql.state()))
    assert {each["metric"]["plan"]: int(each["value"][1]) for each in answer} == world.STATES


def test_each_answer_has_as_many_series_as_there_are_plans(prometheus: Prometheus) -> None:
    """A join that matches too much or too little shows here: every series of a plan is there once."""
    of_plans = [each for each in ASKED if each.panel == "Every plan"]
    for asked in of_plans:
        plans = [each["metric"]["plan"] for each in ask(prometheus, asked)]
        assert len(plans) == len(set(plans)), asked.id
        assert set(plans) <= set(world.STATES), asked.id


def test_the_exporter_emits_every_metric_that_a_rule_uses(prometheus: Prometheus) -> None:
    scraped = prometheus.instant('count by (__name__) ({job="pgbackstop"})')
    emitted = {each["metric"]["__name__"] for each in scraped}
    used = set().union(*(metrics_of_rule(rule["expr"]) for rule in rules()))
    assert used
    assert used - {name for name in used if name.startswith(("prometheus_", "alertmanager_"))} <= emitted


def test_promtool_accepts_every_query(tmp_path: Path) -> None:
    rules = [{"record": f"query:{number}", "expr": asked.interpolated} for number, asked in enumerate(ASKED)]
    path = tmp_path / "queries.yml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "queries", "rules": rules}]}))
    answer = subprocess.run(
        [program("promtool"), "check", "rules", "--lint=none", str(path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.returncode == 0, answer.stdout + answer.stderr


def metrics_in(expr: str) -> set[str]:
    """Names that stand before a selector, a range or a space, and are no functions, labels or words."""
    bare = re.sub(r'"[^"]*"|\{[^}]*\}|\b(?:by|on|group_left|without)\s*\([^)]*\)', " ", expr)
    return set(re.findall(r"\b(?:backup|disk|ALERTS|up|scrape)\w*\b", bare))


@pytest.mark.parametrize("asked", ASKED, ids=lambda asked: asked.id)
def test_queries_use_only_what_the_contract_lists(asked: PlacedQuery) -> None:
    known = {metric.name for metric in METRICS} | FOREIGN
    found = metrics_in(asked.expr)
    assert found
    assert found <= known


def test_labels_in_selectors_are_those_of_the_contract() -> None:
    free = {"team"}  # of servers, that one of our dashboards knows
    labels = {metric.name: {*metric.labels, *(free if metric.free_labels else ())} for metric in METRICS}
    for asked in ASKED:
        for name, inside in re.findall(r"\b(\w+)\{([^}]*)\}", asked.expr):
            used = set(re.findall(r"(\w+)(?:=~|!~|!=|=)", inside))
            assert name in FOREIGN or used <= labels[name] | {"instance"}, asked.id


# A metric that no dashboard shows is a question that nobody can ask.
NOT_SHOWN = {
    **dict.fromkeys(
        (
            "backup_copy_oldest_verification_timestamp_seconds",
            "backup_wal_copy_oldest_verification_timestamp_seconds",
            "backup_wal_oldest_verification_timestamp_seconds",
        ),
        "its alert is on the first screen where something was not read for too long",
    ),
    "backup_wal_copy_given_up_timestamp_seconds": "its alert is on the first screen; Missing shows the gap",
    "backup_unconfigured_plan_bytes": "nothing is wrong: status, list and expire name the plan",
    "backup_discovery_success": "one try of many; discovery status and doctor say why it failed",
    "backup_age_seconds": "queries compute the age themselves, so that it grows while the exporter is away",
    "backup_postgres_clock_offset_seconds": "its alert is on the first screen where the clocks differ",
    "backup_wal_last_gap_timestamp_seconds": "its alert is on the first screen, and Gaps are those that last",
}


def test_what_is_left_out_is_left_out_on_purpose() -> None:
    shown = set().union(*(metrics_in(asked.expr) for asked in ASKED))
    assert {metric.name for metric in METRICS} - shown == set(NOT_SHOWN)
