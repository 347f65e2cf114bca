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
# Limits and expectations: dashed, and not in the legend, which they would double.
_DASHED: Final = {
    "custom.lineStyle": {"fill": "dash", "dash": [8, 6]},
    "custom.fillOpacity": 0,
    "custom.hideFrom": {"legend": True, "tooltip": False, "viz": False},
}
# Free space of 2 TB every 15 s for 30 days would be a hundred million samples.
_POINTS: Final = 200
# Events are counted by interval, and more bars than these are hairlines.
_BARS: Final = 60
NOT_KNOWN: Final = "not known"
# What series have besides what a table shows of them.
_LABELS: Final = ("job", "instance", "plan", "server", "database", "backup_type", "path")


def stat(
    title: str,
    description: str,
    *queries: Query,
    unit: str,
    width: int = 4,
    height: int = 4,
    words: tuple[Word, ...] = (),
    steps: tuple[Step, ...] = theme.PLAIN,
    overrides: tuple[Override, ...] = (),
    **more: Any,
) -> Panel:
    """Big values, one per series, on the colour where colours say something; of moments, which have a colour
    only where a word stands for them, the text has it.
    """
    is_colour = is_coloured(words, steps) or bool(overrides)
    on = "value" if unit.startswith("dateTime") else "background"
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
        overrides=overrides,
        options={
            "reduceOptions": _LAST,
            "colorMode": on if is_colour else "none",
            "graphMode": "none",
            "justifyMode": "auto",
            "orientation": "auto",
            "textMode": "auto",
        },
        **{"no_value": NOT_KNOWN, **more},
    )


def tile(name: str, *, words: tuple[Word, ...], unit: str = "short") -> Override:
    """How the series of that name looks among the others of a stat panel: 0 is good, more is bad."""
    return Override(
        field=name, properties={"unit": unit, "mappings": words, "thresholds": theme.NONE_IS_GOOD}
    )


def lines(
    title: str,
    description: str,
    *queries: Query,
    unit: str,
    width: int = 12,
    height: int = 8,
    logarithmic: bool = False,
    **more: Any,
) -> Panel:
    """Lines over the time. Limits and expectations, told by the end of their legend, are dashed.

    ``logarithmic``: for values of which some are a thousand times others.
    """
    scale = {"scaleDistribution": {"type": "log", "log": 10}} if logarithmic else {}
    return Panel(
        kind="timeseries",
        title=title,
        description=description,
        queries=queries,
        unit=unit,
        width=width,
        height=height,
        options={"legend": _LEGEND, "tooltip": {"mode": "multi", "sort": "none"}},
        custom=_STEPPED | scale,
        overrides=(
            Override(field="/ (usual|expected|limit|target|forecast|size of the disk)$/", properties=_DASHED),
        ),
        no_value=NOT_KNOWN,
        max_points=_POINTS,
        **{"minimum": None if logarithmic else 0, **more},
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
        no_value=NOT_KNOWN,
        max_points=_BARS,
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
        steps=(),
        options={
            "mergeValues": True,
            "showValue": "auto",
            "alignValue": "left",
            "rowHeight": 0.9,
            "legend": {**_LEGEND, "showLegend": False},
            "tooltip": {"mode": "single", "sort": "none"},
        },
        custom={"fillOpacity": 80, "lineWidth": 0},
        no_value=NOT_KNOWN,
        max_points=_POINTS,
    )


def table(
    title: str,
    description: str,
    *queries: Query,
    labels: dict[str, str],
    columns: tuple[Override, ...],
    sort_by: str,
    width: int = 24,
    height: int = 8,
    no_value: str = NOT_KNOWN,
) -> Panel:
    """One row per combination of ``labels`` (with their headings), one column per query, the worst first.

    ``columns``: one for each heading, from left to right. ``sort_by``: that whose largest value is the worst.
    ``no_value``: what an empty table says; empty cells have their column's own word.
    """
    return Panel(
        kind="table",
        title=title,
        description=description,
        queries=queries,
        unit="short",
        width=width,
        height=height,
        options={"showHeader": True, "sortBy": [{"displayName": sort_by, "desc": True}]},
        custom={"align": "auto", "filterable": True},
        overrides=columns,
        transformations=(("merge", {}), ("organize", _organized(queries, labels, columns))),
        no_value=no_value,
    )


def column(
    name: str,
    width: int,
    *,
    unit: str = "",
    decimals: int | None = None,
    words: tuple[Word, ...] = (),
    steps: tuple[Step, ...] = (),
    links: tuple[Link, ...] = (),
    no_value: str = theme.NOTHING,
) -> Override:
    """How the column of that heading looks, ``width`` in pixels; its text has the colour where colours say
    something.
    """
    is_text = bool(words) and not unit
    found: dict[str, Any] = {
        "custom.width": width,
        "custom.align": "left" if is_text else None,
        "unit": unit or None,
        "decimals": decimals,
        "mappings": words,
        "thresholds": steps,
        "links": links,
        "custom.displayMode": "color-text" if is_coloured(words, steps) else None,
        "noValue": no_value,
    }
    return Override(
        field=name, properties={key: value for key, value in found.items() if value not in {None, ()}}
    )


def filled(column: Override) -> Override:
    """The same with the colour as background, for the one column that is to be seen first."""
    properties = {**column.properties, "custom.displayMode": "color-background-solid"}
    return Override(field=column.field, properties=properties)


def moment(name: str, width: int = 120, *, words: tuple[Word, ...] = theme.NEVER, **more: Any) -> Override:
    """A column of moments, as how long ago they are."""
    return column(name, width, unit="dateTimeFromNow", words=words, **more)


def clock(
    name: str, width: int = 170, *, words: tuple[Word, ...] = theme.NEVER_IS_BAD, **more: Any
) -> Override:
    """A column of moments, to the second on the reader's clock."""
    return column(name, width, unit="dateTimeAsIso", words=words, **more)


def span(name: str, width: int = 120, **more: Any) -> Override:
    """A column of durations, in their two largest units."""
    return column(name, width, unit="dtdurations", decimals=1, **more)


def stopwatch(name: str, width: int = 125, **more: Any) -> Override:
    """A column of durations to the second, ``1 d 02:03:04``."""
    return column(name, width, unit="dtdhms", **more)


def share(name: str, width: int = 75, **more: Any) -> Override:
    """A column of shares of a limit, which is at 100 %."""
    return column(name, width, **{"unit": "percentunit", "decimals": 0, "steps": theme.LIMIT, **more})


def is_coloured(words: tuple[Word, ...], steps: tuple[Step, ...]) -> bool:
    """Whether any value has a colour of its own."""
    colours = {word.colour for word in words} | {step.colour for step in steps}
    return not colours <= {"", theme.QUIET}


def _organized(queries: tuple[Query, ...], labels: dict[str, str], columns: tuple[Override, ...]) -> Options:
    """The columns in their order, under their headings; all else is left out.

    The first value is also known by the name that it has when no other query has an answer.
    """
    values = {f"Value #{chr(ord('A') + index)}": query.column for index, query in enumerate(queries)}
    headings = {**labels, "Value": queries[0].column, **(values if len(queries) > 1 else {})}
    shown = {name: heading for name, heading in headings.items() if heading}
    places = {each.field: place for place, each in enumerate(columns)}
    hidden = ("Time", "__name__", *_LABELS, *headings)
    return {
        "excludeByName": {name: True for name in hidden if name not in shown},
        "indexByName": {name: places[heading] for name, heading in shown.items()},
        "renameByName": shown,
    }
