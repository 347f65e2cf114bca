"""The rules that Grafana's dashboard-linter publishes, and ours about words, limits and links.

Of its two variables, job and instance, only the second fits: every metric's name is ours alone.
"""

import re
from pathlib import Path
from typing import Any

import pytest

from pgbackstop_catalog.records.attempt import Reason
from pgbackstop_dashboards import alerts, promql, theme
from pgbackstop_dashboards.rows import restorable
from pgbackstop_exporter import unreachable
from pgbackstop_exporter.metrics.contract import METRICS
from pgbackstop_exporter.metrics.metric import PLAN, SERVER
from tests.alerts.test_rules import RULES, alert_names, rules
from tests.dashboards.documents import ASKED, DOCUMENTS, PlacedQuery, every_panel

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
UNITS = {"short", "s", "decbytes", "percentunit", "dateTimeFromNow", "dateTimeAsIso", "dtdurations", "dtdhms"}
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
    # Without it Grafana takes the first by name.
    assert first["current"] == {"text": "default", "value": "default"}


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
    units = {field["unit"] for field in fields(panel) if "unit" in field}
    assert {unit for unit in units if not unit.startswith("suffix: ")} <= UNITS
    # As many parts of a duration as the command line says.
    spans = [field for field in fields(panel) if field.get("unit") == "dtdurations"]
    assert all(field["decimals"] <= 1 for field in spans)


@EVERY_QUERY
def test_rates_are_over_grafanas_interval(asked: PlacedQuery) -> None:
    for function, over in re.findall(r"\b(\w+)\([^()]*\[([^\]]+)\]", asked.expr):
        if function in {"rate", "irate"}:
            assert over == "$__rate_interval"
    assert "increase(" not in asked.expr, "it extrapolates, and loses what is between two windows"


@EVERY_QUERY
def test_graphs_of_counters_are_of_their_steps(asked: PlacedQuery) -> None:
    for counter in COUNTERS:
        for found in re.finditer(rf"\b{counter}(\{{[^}}]*\}})?", asked.expr):
            before, behind = asked.expr[: found.start()], asked.expr[found.end() :]
            is_step = behind.startswith((" - ", " offset $__interval")) and "clamp_min(" in before
            assert is_step or before.endswith("rate(") or not asked.is_range


@EVERY_QUERY
def test_an_absent_alert_is_no_good_news(asked: PlacedQuery) -> None:
    """Without an exporter, or without rules, nothing fires: that is no 0."""
    assert "or vector(0)" not in asked.expr
    if "ALERTS{" in asked.expr and asked.panel != "annotations":
        assert 'alertname="Watchdog"' in asked.expr or asked.panel == "What fires"


@EVERY_PANEL
def test_an_empty_panel_names_no_cause_that_nobody_knows(panel: dict[str, Any]) -> None:
    """A word of its own is for a panel that has a line, and is not empty, while nothing is known."""
    if panel["fieldConfig"]["defaults"]["noValue"] == "not known":
        return
    asked = " ".join(target["expr"] for target in panel["targets"])
    unknown = {"What fires": 'unless on () ALERTS{alertname="Watchdog"'}
    assert unknown.get(panel["title"], "unless on () backup_exporter_build_info") in asked


@EVERY_DOCUMENT
def test_marks_are_where_something_began(document: dict[str, Any]) -> None:
    """Grafana looks at 100 moments of a page: what lasts would be a carpet, what is short would be lost."""
    for annotation in document["annotations"]["list"]:
        assert annotation["useValueForTime"]
        if "ALERTS" in annotation["expr"]:
            assert annotation["expr"].startswith("(ALERTS_FOR_STATE{")
            assert 'severity="critical"' in annotation["expr"]


@EVERY_PANEL
def test_the_worst_is_first(panel: dict[str, Any]) -> None:
    if panel["type"] == "table":
        assert [each["desc"] for each in panel["options"]["sortBy"]] == [True]
    if panel["title"] in {"What fires", "Not well", "Every plan"}:
        by = panel["options"]["sortBy"][0]["displayName"]
        assert by == ("Severity" if panel["title"] == "What fires" else "State")


@EVERY_PANEL
def test_limits_are_dashed_and_no_entries_of_the_legend(panel: dict[str, Any]) -> None:
    """They would double it."""
    if panel["type"] != "timeseries":
        return
    overrides = panel["fieldConfig"]["overrides"]
    dashed = next((each for each in overrides if each["matcher"]["id"] == "byRegexp"), None)
    ends = r"\b(usual|expected|limit|target|forecast|size of the disk|promised)$"
    for target in panel["targets"]:
        if re.search(ends, target["legendFormat"]):
            assert dashed is not None
            assert re.search(dashed["matcher"]["options"].strip("/"), target["legendFormat"])
    if dashed is not None:
        hidden = {each["id"]: each["value"] for each in dashed["properties"]}["custom.hideFrom"]
        assert hidden["legend"] is True


# Sums over all that is shown, whoever scraped it.
OF_ALL = {("plan",), ("reason",), ("storage",), ("team",), ("channel",), ("alertname", "where")}


@EVERY_QUERY
def test_equal_names_of_two_hosts_stay_apart(asked: PlacedQuery) -> None:
    for kind, inside in re.findall(r"\b(by|on|ignoring|without)\s*\(([^)]*)\)", asked.expr):
        labels = tuple(filter(None, re.split(r",\s*", inside)))
        if kind == "by":
            assert {"job", "instance"} <= set(labels) or labels in OF_ALL, asked.id
        elif kind == "on":
            assert {"job", "instance"} <= set(labels) or not labels, asked.id
        else:
            assert labels == ("alertstate",)


@EVERY_QUERY
def test_what_the_reader_chose_is_what_is_shown(asked: PlacedQuery) -> None:
    if asked.panel == "variables":
        return
    labels = {metric.name: metric.labels for metric in METRICS}
    for name, inside in re.findall(r"\b((?:backup|disk)_\w+)\b(?!\s*[,)=])(\{[^}]*\})?", asked.expr):
        if name not in labels:
            continue
        chosen = set(re.findall(r'(\w+)=~"\$\1"', inside))
        assert chosen >= {label for label in labels[name] if label in {*PLAN, *SERVER}} | {"instance"}, name


@EVERY_PANEL
def test_a_moment_that_is_zero_is_never(panel: dict[str, Any]) -> None:
    for field in fields(panel):
        if field.get("unit") in {"dateTimeFromNow", "dateTimeAsIso"}:
            words = {
                value: each["text"]
                for mapping in field["mappings"]
                if mapping["type"] == "value"
                for value, each in mapping["options"].items()
                if float(value) >= 0
            }
            assert words == {"0": "never"}


@EVERY_QUERY
def test_moments_are_milliseconds(asked: PlacedQuery) -> None:
    """A timestamp that is no operand of a difference or a comparison is shown, so it must be in ms."""
    name = r"(?:backup_last_success_time|backup_\w+_timestamp_seconds)"
    bare = re.fullmatch(rf"(?:max by \([^)]*\) \(|max\(|min\()?{name}(?:\{{[^}}]*\}})?\)?", asked.expr)
    assert bare is None


@EVERY_PANEL
def test_limits_are_metrics(panel: dict[str, Any]) -> None:
    """Steps stand at 0 and 1: the limit itself of a ratio, the first of what should be none."""
    for field in fields(panel):
        steps = {step["value"] for step in field.get("thresholds", {}).get("steps", [])}
        of_disks = panel["title"] in {"Free on the fullest disk", "Every disk"}
        assert steps <= {None, 0, 1, *([theme.LOW_DISK] if of_disks else [])}


def test_the_one_constant_is_that_of_the_alert() -> None:
    expr = next(rule["expr"] for rule in rules() if rule["alert"] == "BackupDiskSpaceLow")
    assert float(expr.rpartition("<")[2]) == theme.LOW_DISK


def test_the_limit_of_the_archive_is_that_of_the_alert() -> None:
    expr = next(rule["expr"] for rule in rules() if rule["alert"] == "WalLagging")
    assert f"backup_wal_lag_seconds > {restorable.LAG_LIMIT}" in expr


def test_every_reason_has_words() -> None:
    words = {word.value for word in theme.REASONS}
    assert words - {promql.DAMAGED, promql.FILES_GONE, promql.HANGS, promql.NOT_STARTED} == set(Reason)


def test_words_of_reasons_fit_into_their_column() -> None:
    """At about eight pixels a letter."""
    longest = max(len(word.text) for word in theme.REASONS)
    of_servers = [*unreachable.WORDS]
    assert max(longest, *map(len, of_servers)) * 8 <= 210


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


@EVERY_PANEL
def test_the_database_of_a_row_leads_to_itself(panel: dict[str, Any]) -> None:
    for override in panel["fieldConfig"]["overrides"]:
        for each in override["properties"]:
            if each["id"] == "links" and override["matcher"]["options"] == "Database":
                assert all("var-database=${__value.text}" in link["url"] for link in each["value"])


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
    assert tagged["asDropdown"], "on a phone each link is a line"
    assert tagged["includeVars"]
    assert tagged["keepTime"]
