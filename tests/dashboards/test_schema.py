"""The JSON is a classic dashboard that Grafana 9.4 through 13 read in the same way."""

import itertools
from collections.abc import Iterator
from typing import Any

import pytest

from tests.dashboards.documents import DOCUMENTS, every_panel, panels

GRID_WIDTH = 24
EVERY_DOCUMENT = pytest.mark.parametrize("document", DOCUMENTS.values(), ids=DOCUMENTS)
EVERY_PANEL = pytest.mark.parametrize(
    "panel",
    [panel for _, panel in every_panel()],
    ids=[f"{name} {panel['title']}" for name, panel in every_panel()],
)

# What both the oldest and the newest version know. `displayMode` of tables is migrated by newer versions,
# because the schema version is older than its successor.
OPTIONS = {
    "stat": {"reduceOptions", "colorMode", "graphMode", "justifyMode", "orientation", "textMode"},
    "table": {"showHeader", "sortBy"},
    "timeseries": {"legend", "tooltip"},
    "state-timeline": {"mergeValues", "showValue", "alignValue", "rowHeight", "legend", "tooltip"},
}
CUSTOM = {
    "stat": set[str](),
    "table": {"align", "filterable"},
    "timeseries": {
        "drawStyle",
        "lineInterpolation",
        "lineWidth",
        "fillOpacity",
        "showPoints",
        "spanNulls",
        "stacking",
    },
    "state-timeline": {"fillOpacity", "lineWidth"},
}
PROPERTIES = {
    "unit",
    "decimals",
    "mappings",
    "thresholds",
    "links",
    "custom.displayMode",
    "custom.lineStyle",
    "custom.fillOpacity",
}
TRANSFORMATIONS = {"merge", "organize"}


@EVERY_DOCUMENT
def test_it_is_a_classic_dashboard_for_provisioning(document: dict[str, Any]) -> None:
    assert "__inputs" not in document
    assert "spec" not in document
    assert "id" not in document
    assert document["schemaVersion"] == 37
    assert document["editable"] is False


@EVERY_DOCUMENT
def test_it_opens_as_designed(document: dict[str, Any]) -> None:
    assert document["time"] == {"from": "now-30d", "to": "now"}
    assert document["refresh"] == "1m"
    assert [each["name"] for each in document["templating"]["list"]] == [
        "datasource",
        "server",
        "database",
        "plan",
        "backup_type",
    ]


@EVERY_DOCUMENT
def test_ids_are_unique(document: dict[str, Any]) -> None:
    rows = [panel for panel in document["panels"] if panel["type"] == "row"]
    ids = [panel["id"] for panel in (*rows, *panels(document))]
    assert len(ids) == len(set(ids))
    assert all(isinstance(each, int) and each > 0 for each in ids)


def _cells(panel: dict[str, Any]) -> Iterator[tuple[int, int]]:
    place = panel["gridPos"]
    return itertools.product(
        range(place["x"], place["x"] + place["w"]), range(place["y"], place["y"] + place["h"])
    )


def _levels(document: dict[str, Any]) -> Iterator[list[dict[str, Any]]]:
    """What is seen at once: the page, and what each collapsed row holds."""
    yield document["panels"]
    yield from (panel["panels"] for panel in document["panels"] if panel["type"] == "row")


@EVERY_DOCUMENT
def test_panels_lie_on_the_grid_and_on_no_other(document: dict[str, Any]) -> None:
    for level in _levels(document):
        cells = [cell for panel in level for cell in _cells(panel)]
        assert len(cells) == len(set(cells))
        assert all(0 <= x < GRID_WIDTH and y >= 0 for x, y in cells)


@EVERY_DOCUMENT
def test_titles_are_unique(document: dict[str, Any]) -> None:
    titles = [panel["title"] for panel in panels(document)]
    assert len(titles) == len(set(titles))


@EVERY_PANEL
def test_only_what_every_version_knows(panel: dict[str, Any]) -> None:
    assert set(panel["options"]) <= OPTIONS[panel["type"]]
    config = panel["fieldConfig"]
    assert set(config["defaults"].get("custom", {})) <= CUSTOM[panel["type"]]
    properties = {each["id"] for override in config["overrides"] for each in override["properties"]}
    assert properties <= PROPERTIES
    assert {each["id"] for each in panel["transformations"]} <= TRANSFORMATIONS


@EVERY_PANEL
def test_queries_are_named_and_unique(panel: dict[str, Any]) -> None:
    names = [target["refId"] for target in panel["targets"]]
    assert names
    assert all(names)
    assert len(names) == len(set(names))


@EVERY_PANEL
def test_a_query_is_over_the_time_or_of_one_moment(panel: dict[str, Any]) -> None:
    over_time = panel["type"] in {"timeseries", "state-timeline"}
    for target in panel["targets"]:
        assert (target["range"], target["instant"]) == (over_time, not over_time)
        assert target["format"] == ("table" if panel["type"] == "table" else "time_series")


@EVERY_PANEL
def test_a_table_names_what_it_shows(panel: dict[str, Any]) -> None:
    """A heading that is misspelt in an override would silently change nothing."""
    if panel["type"] != "table":
        return
    organize = next(each["options"] for each in panel["transformations"] if each["id"] == "organize")
    headings = set(organize["renameByName"].values())
    overridden = {each["matcher"]["options"] for each in panel["fieldConfig"]["overrides"]}
    assert overridden <= headings
    values = [name for name in organize["indexByName"] if name.startswith("Value")]
    assert len(values) == len(panel["targets"])
    hidden = {name for name, is_hidden in organize["excludeByName"].items() if is_hidden}
    assert set(values) <= set(organize["renameByName"]) | hidden
