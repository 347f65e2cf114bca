"""One function per kind of panel, with options that Grafana 9.4 through 13 share.

Where a version renamed an option, the name of 9.4 is written and the schema version of 9.4 beside it, so that
newer ones migrate it themselves; see ``grafana.SCHEMA_VERSION``.
"""

from __future__ import annotations

from typing import Any, Final

from pgbackstop_dashboards import theme
from pgbackstop_dashboards.model import Link, Options, Override, Panel, Query, Step, Word

_LAST: Final = {"calcs": ["lastNotNull"], "fields": "", "values": False}
_LEGEND: Final = {"displayMode": "list", "placement": "bottom", "showLegend": True, "calcs": []}
# Backups are hours apart: a value holds until the next one, and is not on its way there.
_STEPPED: Final = {
    "drawStyle": "line",
    "lineInterpolation": "stepAfter",
    "lineWidth": 2,
    "fillOpacity": 5,
    "showPoints": "never",
    "spanNulls": False,
}
_DASHED: Final = {"custom.lineStyle": {"fill": "dash", "dash": [8, 6]}, "custom.fillOpacity": 0}


def stat(
    title: str,
    description: str,
    *queries: Query,
    unit: str,
    width: int = 4,
    height: int = 4,
    words: tuple[Word, ...] = (),
    steps: tuple[Step, ...] = theme.PLAIN,
    links: tuple[Link, ...] = (),
    **more: Any,
) -> Panel:
    """Big values, one per series; the background has the colour where colours say something."""
    return Panel(
        kind="stat",
        title=title,
        description=description,
        queries=queries,
        unit=unit,
        width=width,
        height=height,
        words=words,
        steps=steps,
        links=links,
        options={
            "reduceOptions": _LAST,
            "colorMode": "background" if is_coloured(words, steps) else "none",
            "graphMode": "none",
            "justifyMode": "auto",
            "orientation": "auto",
            "textMode": "auto",
        },
        **more,
    )


def lines(
    title: str,
    description: str,
    *queries: Query,
    unit: str,
    width: int = 12,
    height: int = 8,
    **more: Any,
) -> Panel:
    """Lines over the time. Limits and expectations, told by the end of their legend, are dashed."""
    return Panel(
        kind="timeseries",
        title=title,
        description=description,
        queries=queries,
        unit=unit,
        width=width,
        height=height,
        options={"legend": _LEGEND, "tooltip": {"mode": "multi", "sort": "none"}},
        custom=_STEPPED,
        overrides=(Override(field="/(usual|limit|target|forecast|size of the disk)$/", properties=_DASHED),),
        **{"steps": (Step(colour=theme.GOOD),), "minimum": 0, **more},
    )


def bars(title: str, description: str, *queries: Query, width: int = 8, height: int = 7) -> Panel:
    """Events per interval, stacked."""
    custom = {
        "drawStyle": "bars",
        "fillOpacity": 80,
        "lineWidth": 1,
        "showPoints": "never",
        "stacking": {"mode": "normal", "group": "A"},
    }
    return Panel(
        kind="timeseries",
        title=title,
        description=description,
        queries=queries,
        unit="short",
        width=width,
        height=height,
        options={"legend": _LEGEND, "tooltip": {"mode": "multi", "sort": "none"}},
        custom=custom,
        decimals=0,
        minimum=0,
    )


def timeline(
    title: str, description: str, *queries: Query, words: tuple[Word, ...], width: int = 24, height: int = 8
) -> Panel:
    """Which state held when, one band per series."""
    return Panel(
        kind="state-timeline",
        title=title,
        description=description,
        queries=queries,
        unit="short",
        width=width,
        height=height,
        words=words,
        options={
            "mergeValues": True,
            "showValue": "auto",
            "alignValue": "left",
            "rowHeight": 0.9,
            "legend": {**_LEGEND, "showLegend": False},
            "tooltip": {"mode": "single", "sort": "none"},
        },
        custom={"fillOpacity": 80, "lineWidth": 0},
    )


def table(
    title: str,
    description: str,
    *queries: Query,
    labels: dict[str, str],
    width: int = 24,
    height: int = 8,
    columns: tuple[Override, ...] = (),
    sort_by: tuple[Options, ...] = (),
    unit: str = "short",
    **more: Any,
) -> Panel:
    """One row per combination of ``labels`` (with their headings), one column per query."""
    return Panel(
        kind="table",
        title=title,
        description=description,
        queries=queries,
        unit=unit,
        width=width,
        height=height,
        options={"showHeader": True, "sortBy": [dict(each) for each in sort_by]},
        custom={"align": "auto", "filterable": True},
        overrides=columns,
        transformations=(("merge", {}), ("organize", _organized(queries, labels))),
        **more,
    )


def column(
    name: str,
    *,
    unit: str = "",
    decimals: int | None = None,
    words: tuple[Word, ...] = (),
    steps: tuple[Step, ...] = (),
    links: tuple[Link, ...] = (),
) -> Override:
    """How the column of that heading theme; its text has the colour where colours say something."""
    found: dict[str, Any] = {
        "unit": unit or None,
        "decimals": decimals,
        "mappings": words,
        "thresholds": steps,
        "links": links,
        "custom.displayMode": "color-text" if is_coloured(words, steps) else None,
    }
    return Override(
        field=name, properties={key: value for key, value in found.items() if value not in {None, ()}}
    )


def is_coloured(words: tuple[Word, ...], steps: tuple[Step, ...]) -> bool:
    """Whether any value has a colour of its own."""
    colours = {word.colour for word in words} | {step.colour for step in steps}
    return not colours <= {"", theme.QUIET}


def _organized(queries: tuple[Query, ...], labels: dict[str, str]) -> Options:
    """Labels first, then the values, under their headings; the time and unnamed values are left out."""
    letters = [chr(ord("A") + index) for index in range(len(queries))]
    values = ["Value"] if len(queries) == 1 else [f"Value #{letter}" for letter in letters]
    order = [*labels, *values]
    headings = {**labels, **dict(zip(values, (query.column for query in queries), strict=True))}
    return {
        "excludeByName": {"Time": True, **{name: True for name in values if not headings[name]}},
        "indexByName": {name: index for index, name in enumerate(order)},
        "renameByName": {name: heading for name, heading in headings.items() if heading},
    }
