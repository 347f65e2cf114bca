"""The rules that Grafana's dashboard-linter publishes, and ours about words, limits and links.

Its rules about the labels job and instance do not fit: every metric's name is ours alone, and who reads
backups chooses a server and a plan, not an exporter. Variables for those are asked for instead.
"""

import re
from pathlib import Path
from typing import Any

import pytest

from pgbackstop_dashboards import alerts
from pgbackstop_dashboards import theme
from pgbackstop_exporter.metrics import METRICS
from pgbackstop_exporter.metrics import PLAN
from pgbackstop_exporter.metrics import SERVER
from tests.alerts.test_rules import RULES, alert_names, rules
from tests.dashboards.documents import ASKED, DOCUMENTS, Asked, every_panel

EVERY_DOCUMENT = pytest.mark.parametrize("document", DOCUMENTS.values(), ids=DOCUMENTS)
EVERY_PANEL = pytest.mark.parametrize(
    "panel",
    [panel for _, panel in every_panel()],
    ids=[f"{name} {panel['title']}" for name, panel in every_panel()],
)
EVERY_QUERY = pytest.mark.parametrize("asked", ASKED, ids=lambda asked: asked.id)

ROOT = Path(__file__).parents[2]
SOURCE = {"type": "prometheus", "uid": "${datasource}"}
# Of Grafana's list of units.
UNITS = {"short", "s", "bytes", "percentunit", "cps", "dateTimeFromNow", "suffix: rounds"}
COUNTERS = {metric.name for metric in METRICS if metric.kind == "counter"}
PROJECT = "https://github.com/pgbackstop/pgbackstop/blob/main/"


def fields(panel: dict[str, Any]) -> list[dict[str, Any]]:
    """The defaults of a panel, and of each column that is overridden."""
    config = panel["fieldConfig"]
    columns = [
        {each["id"]: each["value"] for each in override["properties"]} for override in config["overrides"]
    ]
    return [config["defaults"], *columns]


@EVERY_DOCUMENT
def test_the_data_source_is_a_variable(document: dict[str, Any]) -> None:
    first = document["templating"]["list"][0]
    assert (first["name"], first["label"]) == ("datasource", "Data source")
    assert (first["type"], first["query"]) == ("datasource", "prometheus")


@EVERY_DOCUMENT
def test_variables_follow_the_time_and_the_data_source(document: dict[str, Any]) -> None:
    for variable in document["templating"]["list"][1:]:
        assert variable["refresh"] == 2
        assert variable["datasource"] == SOURCE
        assert variable["label"]
        # The database of a whole server is empty, and must be among all.
        assert variable.get("allValue", ".*") == ".*"
    for annotation in document["annotations"]["list"]:
        assert annotation["datasource"] == SOURCE


@EVERY_PANEL
def test_every_panel_is_explained_and_measured(panel: dict[str, Any]) -> None:
    assert panel["title"]
    assert panel["description"].endswith(".")
    assert panel["datasource"] == SOURCE
    assert panel["targets"]
    assert all(target["datasource"] == SOURCE for target in panel["targets"])
    assert panel["fieldConfig"]["defaults"]["unit"] in UNITS
    assert {field["unit"] for field in fields(panel) if "unit" in field} <= UNITS


@EVERY_QUERY
def test_rates_are_over_grafanas_interval(asked: Asked) -> None:
    ranges = re.findall(r"\b(\w+)\([^()]*\[([^\]]+)\]", asked.expr)
    for function, over in ranges:
        if function in {"rate", "irate", "increase"}:
            assert over == "$__rate_interval"
    assert len(ranges) == asked.expr.count("[")


@EVERY_QUERY
def test_counters_are_shown_as_rates(asked: Asked) -> None:
    for counter in COUNTERS:
        for found in re.finditer(rf"\b{counter}\b", asked.expr):
            assert re.search(r"\b(rate|increase)\($", asked.expr[: found.start()])


@EVERY_QUERY
def test_what_the_reader_chose_is_what_is_shown(asked: Asked) -> None:
    if asked.panel == "variables":
        return
    labels = {metric.name: metric.labels for metric in METRICS}
    for name, inside in re.findall(r"\b((?:backup|disk)_\w+)\b(?!\s*[,)=])(\{[^}]*\})?", asked.expr):
        if name not in labels:
            continue
        chosen = set(re.findall(r'(\w+)=~"\$\1"', inside))
        assert chosen >= {label for label in labels[name] if label in {*PLAN, *SERVER}}, name


@EVERY_PANEL
def test_a_moment_that_is_zero_is_never(panel: dict[str, Any]) -> None:
    for field in fields(panel):
        if field.get("unit") == "dateTimeFromNow":
            words = {
                value: each["text"]
                for mapping in field["mappings"]
                if mapping["type"] == "value"
                for value, each in mapping["options"].items()
            }
            assert words == {"0": "never"}


@EVERY_QUERY
def test_moments_are_milliseconds(asked: Asked) -> None:
    """A timestamp that is no operand of a difference or a comparison is shown, so it must be in ms."""
    name = r"(?:backup_last_success_time|backup_\w+_timestamp_seconds)"
    bare = re.fullmatch(rf"(?:max by \([^)]*\) \(|max\(|min\()?{name}(?:\{{[^}}]*\}})?\)?", asked.expr)
    assert bare is None


@EVERY_PANEL
def test_limits_are_metrics(panel: dict[str, Any]) -> None:
    """Steps stand at 1: the limit itself of a ratio, the first of what should be none."""
    for field in fields(panel):
        steps = {step["value"] for step in field.get("thresholds", {}).get("steps", [])}
        allowed = {None, theme.LOW_DISK} if panel["title"] in {"Fullest disk", "Free share"} else {None, 1}
        assert steps <= allowed


def test_the_one_constant_is_that_of_the_alert() -> None:
    expr = next(rule["expr"] for rule in rules() if rule["alert"] == "BackupDiskSpaceLow")
    assert float(expr.rpartition("<")[2]) == theme.LOW_DISK


def test_our_alerts_are_known_by_their_names() -> None:
    missing = [name for name in alert_names() if not re.fullmatch(alerts.NAMES, name)]
    assert missing == ["Watchdog"], f"dashboards/pgbackstop_dashboards/alerts.py leaves out alerts of {RULES}"


def links() -> set[str]:
    """Every address in every dashboard."""
    found = set()
    for document in DOCUMENTS.values():
        found |= {each["url"] for each in document["links"] if each["type"] == "link"}
    for _, panel in every_panel():
        found |= {link["url"] for field in fields(panel) for link in field.get("links", [])}
    return found


def test_links_to_the_project_lead_to_files() -> None:
    paths = [url.removeprefix(PROJECT) for url in links() if url.startswith(PROJECT)]
    assert paths
    for path in paths:
        assert (ROOT / path.replace("${__value.raw}.md", "")).exists(), path


def test_links_between_dashboards_lead_to_dashboards() -> None:
    inside = [url for url in links() if not url.startswith(PROJECT)]
    assert inside
    for url in inside:
        assert re.match(r"/d/([\w-]+)\?", url), url
        assert url.split("/")[2].partition("?")[0] in DOCUMENTS


@EVERY_DOCUMENT
def test_dashboards_find_each_other_by_their_tag(document: dict[str, Any]) -> None:
    tagged = next(each for each in document["links"] if each["type"] == "dashboards")
    assert tagged["tags"] == document["tags"] == ["pgbackstop"]
    assert tagged["includeVars"]
    assert tagged["keepTime"]
