"""Turns values into Grafana's classic dashboard JSON; the only module that knows the SDK."""

from __future__ import annotations

import json
import math
import warnings
from collections.abc import Iterator, Mapping
from typing import Any, Final

import pgbackstop_catalog
from pgbackstop_dashboards import layout
from pgbackstop_dashboards.model import (
    Annotation,
    Dashboard,
    Link,
    Override,
    Panel,
    Query,
    Row,
    Step,
    Variable,
    Word,
)

with warnings.catch_warnings():
    # The SDK warns when it is imported that a newer schema exists, which Grafana 9.4 through 11 cannot read.
    warnings.simplefilter("ignore", DeprecationWarning)
    from grafana_foundation_sdk.builders import dashboard as build
    from grafana_foundation_sdk.builders import prometheus
    from grafana_foundation_sdk.cog import encoder
    from grafana_foundation_sdk.models import common
    from grafana_foundation_sdk.models import dashboard as sdk
    from grafana_foundation_sdk.models.prometheus import PromQueryFormat

# Grafana 9.4's. Newer versions migrate older schemas; 9.4 would read a newer one as if it were its own.
SCHEMA_VERSION: Final = 37
RANGE: Final = "now-30d"
TAG: Final = "pgbackstop"
VERSION: Final = pgbackstop_catalog.__version__
_COLOUR_MODES: Final = {
    "timeseries": sdk.FieldColorModeId.PALETTE_CLASSIC,
    "state-timeline": sdk.FieldColorModeId.FIXED,
}
_SOURCE: Final = common.DataSourceRef(type_val="prometheus", uid="${datasource}")


def to_json(page: Dashboard) -> str:
    """The text of the file: sorted, so that a change in the code is the same change in the file."""
    document = json.loads(encoder.JSONEncoder(sort_keys=True).encode(_dashboard(page)))
    document["schemaVersion"] = SCHEMA_VERSION
    for each in (*document["annotations"]["list"], *document["links"]):
        # The SDK always writes it; newer versions of Grafana would hide marks and links in a menu.
        each.pop("placement", None)
    _leave_out_open_ends(document)
    return json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def _leave_out_open_ends(node: object) -> None:
    """A range without an end has no ``to``: Grafana 9.4 reads null there as 0, and newer ones as infinity."""
    if isinstance(node, dict):
        if "from" in node and node.get("to", 0) is None:
            del node["to"]
        for each in node.values():
            _leave_out_open_ends(each)
    if isinstance(node, list):
        for each in node:
            _leave_out_open_ends(each)


def _dashboard(page: Dashboard) -> sdk.Dashboard:
    builder = (
        build.Dashboard(page.title)
        .uid(page.uid)
        .description(f"{page.description} Version {VERSION}.")
        .tags([TAG])
        .readonly()
        .timezone("browser")
        .tooltip(sdk.DashboardCursorSync.CROSSHAIR)
        .time(RANGE, "now")
        .refresh(page.refresh)
        .variables([_source_variable(), *(_variable(each) for each in page.variables)])
        .annotations([_annotation(each) for each in page.annotations])
        .links([_between_dashboards(), *(_page_link(each) for each in page.links)])
    )
    found = builder.build()
    found.panels = list(_panels(layout.place(page.rows)))
    return found


def _panels(placed: tuple[layout.PlacedRow, ...]) -> Iterator[sdk.Panel | sdk.RowPanel]:
    for row in placed:
        inside = [_panel(each) for each in row.panels]
        if row.row.title:
            yield _row(row.row, row.id, row.y, inside if row.row.collapsed else [])
        if not row.row.collapsed:
            yield from inside


def _row(row: Row, number: int, y: int, inside: list[sdk.Panel]) -> sdk.RowPanel:
    found = build.Row(row.title).collapsed(row.collapsed).id(number)
    built = found.grid_pos(sdk.GridPos(h=1, w=24, x=0, y=y)).build()
    built.panels = inside
    return built


def _panel(placed: layout.Placed) -> sdk.Panel:
    panel = placed.panel
    builder = (
        build.Panel()
        .type(panel.kind)
        .id(placed.id)
        .title(panel.title)
        .description(panel.description)
        .datasource(_SOURCE)
        .grid_pos(sdk.GridPos(h=panel.height, w=panel.width, x=placed.x, y=placed.y))
        .options(dict(panel.options))
        .transformations(
            [sdk.DataTransformerConfig(id_val=name, options=dict(how)) for name, how in panel.transformations]
        )
        .defaults(_defaults(panel))
    )
    if panel.max_points:
        builder.max_data_points(panel.max_points)
    for number, query in enumerate(panel.queries):
        builder.with_target(_target(query, chr(ord("A") + number), panel.kind))
    for override in panel.overrides:
        builder.with_override(_matcher(override), _properties(override.properties))
    return builder.build()


def _target(query: Query, name: str, kind: str) -> prometheus.Dataquery:
    """A range over the time where time is shown, else the newest value."""
    found = prometheus.Dataquery().ref_id(name).datasource(_SOURCE).expr(query.expr)
    if kind in {"timeseries", "state-timeline"}:
        return found.range().legend_format(query.legend).format(PromQueryFormat.TIME_SERIES)
    if kind == "table":
        return found.instant().format(PromQueryFormat.TABLE)
    return found.instant().legend_format(query.legend).format(PromQueryFormat.TIME_SERIES)


def _defaults(panel: Panel) -> sdk.FieldConfig:
    is_timeline = panel.kind == "state-timeline"
    return sdk.FieldConfig(
        unit=panel.unit,
        decimals=panel.decimals,
        min_val=panel.minimum,
        no_value=panel.no_value or None,
        mappings=_mappings(panel.words),
        # A state timeline would draw the steps, and no longer its words.
        thresholds=None if is_timeline else _thresholds(panel.steps),
        color=sdk.FieldColor(mode=_COLOUR_MODES.get(panel.kind, sdk.FieldColorModeId.THRESHOLDS)),
        links=[_data_link(link) for link in panel.links] or None,
        custom=dict(panel.custom) or None,
    )


def _thresholds(steps: tuple[Step, ...]) -> sdk.ThresholdsConfig:
    found = [sdk.Threshold(value=step.value, color=step.colour) for step in steps]
    return sdk.ThresholdsConfig(mode=sdk.ThresholdsMode.ABSOLUTE, steps=found)


def _mappings(words: tuple[Word, ...]) -> list[sdk.ValueMapping]:
    single = {
        word.value if isinstance(word.value, str) else f"{word.value:g}": sdk.ValueMappingResult(
            text=word.text, color=word.colour or None, index=index
        )
        for index, word in enumerate(words)
        if word.until is None
    }
    ranges: list[sdk.ValueMapping] = [_range(word) for word in words if word.until is not None]
    return ([sdk.ValueMap(options=single)] if single else []) + ranges


def _range(word: Word) -> sdk.RangeMap:
    until = None if word.until is None or math.isinf(word.until) else word.until
    result = sdk.ValueMappingResult(text=word.text, color=word.colour or None, index=0)
    return sdk.RangeMap(
        options=sdk.DashboardRangeMapOptions(from_val=float(word.value), to=until, result=result)
    )


def _matcher(override: Override) -> sdk.MatcherConfig:
    kind = "byRegexp" if override.field.startswith("/") else "byName"
    return sdk.MatcherConfig(id_val=kind, options=override.field)


def _properties(properties: Mapping[str, Any]) -> list[sdk.DynamicConfigValue]:
    """Words, steps and links are values of ours; anything else is what Grafana calls it."""
    makers: dict[str, Any] = {
        "mappings": _mappings,
        "thresholds": _thresholds,
        "links": lambda links: [_data_link(link) for link in links],
    }
    return [
        sdk.DynamicConfigValue(id_val=name, value=makers[name](value) if name in makers else value)
        for name, value in properties.items()
    ]


def _data_link(link: Link) -> sdk.DashboardLink:
    """Grafana's data links are smaller than links of dashboards, and the SDK has one type for both."""
    return _DataLink(link)


class _DataLink(sdk.DashboardLink):
    def __init__(self, link: Link) -> None:
        super().__init__(title=link.title, url=link.url, target_blank=link.new_tab)

    def to_json(self) -> dict[str, object]:
        return {"title": self.title, "url": self.url, "targetBlank": self.target_blank}


def _between_dashboards() -> build.DashboardLink:
    """By tag, because that also works where Grafana lives below a path."""
    link = build.DashboardLink("Dashboards of pgbackstop").type(sdk.DashboardLinkType.DASHBOARDS)
    return link.tags([TAG]).include_vars(True).keep_time(True).as_dropdown(True)


def _page_link(link: Link) -> build.DashboardLink:
    found = build.DashboardLink(link.title).type(sdk.DashboardLinkType.LINK).url(link.url)
    return found.icon("doc").target_blank(link.new_tab)


def _source_variable() -> build.DatasourceVariable:
    found = build.DatasourceVariable("datasource").label("Data source").type("prometheus")
    found.current(sdk.VariableOption(text="default", value="default"))
    return found.description("The Prometheus that scrapes the exporter.")


def _variable(variable: Variable) -> build.QueryVariable:
    """An empty value must be matched too: the database of a whole server is empty."""
    query = f"label_values({variable.series}, {variable.name})"
    found = (
        build.QueryVariable(variable.name)
        .label(variable.title)
        .description(variable.description)
        .datasource(_SOURCE)
        .query({"query": query, "refId": f"Variable-{variable.name}"})
        .definition(query)
        .multi(variable.multiple)
        .include_all(variable.multiple)
        .refresh(sdk.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(sdk.VariableSort.ALPHABETICAL_ASC)
    )
    if variable.multiple:
        everything = sdk.VariableOption(selected=True, text="All", value="$__all")
        found.all_value(".*").current(everything)
    return found


def _annotation(annotation: Annotation) -> build.AnnotationQuery:
    found = build.AnnotationQuery().name(annotation.name).datasource(_SOURCE)
    found.enable(annotation.shown)
    found.expr(annotation.expr).icon_color(annotation.colour).title_format(annotation.title)
    found.text_format(annotation.text).use_value_for_time(True).tag_keys(annotation.tags)
    return found
