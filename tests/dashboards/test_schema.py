"""The JSON is a classic dashboard that Grafana 9.4 through 13 read in the same way."""

import itertools
from collections.abc import Iterator
from typing import Any

import pytest

from pgbackstop_exporter.metrics.metric import PLAN
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
        "scaleDistribution",
    },
    "state-timeline": {"fillOpacity", "lineWidth"},
}
PROPERTIES = {
    "unit",
    "decimals",
    "mappings",
    "thresholds",
    "links",
    "noValue",
    "custom.align",
    "custom.displayMode",
    "custom.fillOpacity",
    "custom.hideFrom",
    "custom.lineStyle",
    "custom.width",
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
    assert document["refresh"] in {"1m", "5m"}
    first, *others = [each["name"] for each in document["templating"]["list"]]
    assert first == "datasource"
    of_teams = {"team"} if document["uid"] == "pgbackstop-backup-fleet" else set()
    assert set(others) == {"instance", "server", "database", "plan", "backup_type", *of_teams}


def test_the_page_of_one_plan_shows_one_database() -> None:
    """Thirty databases in a tile are a tile of dashes."""
    variables = {each["name"]: each for each in DOCUMENTS["pgbackstop-backup-plan"]["templating"]["list"]}
    single = [name for name, each in variables.items() if not each.get("includeAll")]
    assert single == ["datasource", "plan", "database"]


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
def test_panels_fill_the_grid_and_lie_on_no_other(document: dict[str, Any]) -> None:
    for level in _levels(document):
        cells = [cell for panel in level for cell in _cells(panel)]
        assert len(cells) == len(set(cells))
        lines = [y for _, y in cells]
        whole = itertools.product(range(GRID_WIDTH), range(min(lines, default=0), max(lines, default=-1) + 1))
        assert set(whole) - set(cells) == set(), "holes"
        assert {x for x, _ in cells} <= set(range(GRID_WIDTH))


def test_the_first_screen_is_one_screen_and_a_half() -> None:
    """A line of the grid is 38 pixels high, and a screen 1080, less 100 of Grafana's own."""
    document = DOCUMENTS["pgbackstop-backup-status"]
    bottom = max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in document["panels"])
    assert bottom * 38 <= 1.5 * 1080
    first = document["panels"][0]
    assert (first["title"], first["gridPos"]["y"]) == ("Need somebody", 0)


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
    letters = [target["refId"] for target in panel["targets"]]
    # The first has two names, for when it is the only one with an answer.
    values = {"Value", *(f"Value #{letter}" for letter in letters if len(letters) > 1)}
    hidden = {name for name, is_hidden in organize["excludeByName"].items() if is_hidden}
    assert values <= set(organize["renameByName"]) | hidden
    assert {"Time", "__name__", "job", *PLAN} <= set(organize["renameByName"]) | hidden
    assert set(organize["indexByName"]) == set(organize["renameByName"])
    assert headings == overridden, "each column has a width"


# Of 24 columns of the grid at 1920 pixels, less what a panel keeps at its sides.
PIXELS = 75


@EVERY_PANEL
def test_every_column_of_a_table_is_on_the_screen(panel: dict[str, Any]) -> None:
    if panel["type"] != "table":
        return
    widths = [properties(each)["custom.width"] for each in panel["fieldConfig"]["overrides"]]
    assert sum(widths) <= PIXELS * panel["gridPos"]["w"]


def properties(override: dict[str, Any]) -> dict[str, Any]:
    """Those of an override by their names."""
    return {each["id"]: each["value"] for each in override["properties"]}


@EVERY_PANEL
def test_a_cell_without_a_value_does_not_speak_for_the_table(panel: dict[str, Any]) -> None:
    """Grafana writes the ``noValue`` of an empty table into each empty cell of a table that has rows."""
    if panel["type"] != "table":
        return
    assert panel["fieldConfig"]["defaults"]["noValue"]
    for override in panel["fieldConfig"]["overrides"]:
        assert "noValue" in properties(override), override["matcher"]


@EVERY_PANEL
def test_a_state_timeline_has_colours_of_its_words(panel: dict[str, Any]) -> None:
    """With ``thresholds`` Grafana merges values by steps before it looks at words: one bar without a word."""
    if panel["type"] != "state-timeline":
        return
    defaults = panel["fieldConfig"]["defaults"]
    assert defaults["color"]["mode"] == "fixed"
    assert "thresholds" not in defaults
    assert defaults["mappings"]


@EVERY_PANEL
def test_what_is_missing_has_no_colour(panel: dict[str, Any]) -> None:
    """A missing value has the colour of the first step, and says neither good nor bad."""
    config = panel["fieldConfig"]
    every = [config["defaults"], *(properties(each) for each in config["overrides"])]
    for field in every:
        steps = field.get("thresholds", {}).get("steps", [])
        assert [step["color"] for step in steps if step["value"] is None] in (["text"], [])
        assert (not steps) or steps[0]["value"] is None


@EVERY_PANEL
def test_ranges_of_words_have_no_empty_end(panel: dict[str, Any]) -> None:
    """Grafana 9.4 reads null as 0, newer versions as infinity."""
    config = panel["fieldConfig"]
    for field in (config["defaults"], *(properties(each) for each in config["overrides"])):
        for mapping in field.get("mappings", []):
            if mapping["type"] == "range":
                assert mapping["options"].get("to", 0) is not None


@EVERY_DOCUMENT
def test_marks_do_not_bury_the_graphs(document: dict[str, Any]) -> None:
    shown = [each for each in document["annotations"]["list"] if each["enable"]]
    assert len(shown) <= 2
    if document["uid"] == "pgbackstop-backup-status":
        assert document["annotations"]["list"] == shown, "each has a switch, which is a line on a phone"


@EVERY_PANEL
def test_graphs_ask_for_no_more_points_than_they_can_show(panel: dict[str, Any]) -> None:
    assert (panel["type"] in {"timeseries", "state-timeline"}) == ("maxDataPoints" in panel)
