"""What a dashboard is made of, as frozen values that know nothing of Grafana's JSON.

Sizes are in cells of Grafana's grid, which is 24 wide. Ids, places and the names of queries (A, B, …)
are given when the JSON is made, so that nobody counts them by hand.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Kind = Literal["stat", "table", "timeseries", "state-timeline"]
Options = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Query:
    """One PromQL expression. ``column`` is its heading in a table, ``legend`` its name elsewhere."""

    expr: str
    legend: str = ""
    column: str = ""


@dataclass(frozen=True, kw_only=True)
class Word:
    """What is shown for a number or a text, or for all numbers from ``value`` to ``until``."""

    text: str
    value: float | str
    until: float | None = None
    colour: str = ""


@dataclass(frozen=True, kw_only=True)
class Step:
    """From this value on, that colour. None is the beginning."""

    colour: str
    value: float | None = None


@dataclass(frozen=True, kw_only=True)
class Link:
    """To another page. Grafana puts values into ``${…}``."""

    title: str
    url: str
    new_tab: bool = False


@dataclass(frozen=True, kw_only=True)
class Override:
    """Other properties for the fields of that name, or whose name matches where it stands in slashes."""

    field: str
    properties: Options


@dataclass(frozen=True, kw_only=True)
class Panel:
    """One panel."""

    kind: Kind
    title: str
    description: str
    queries: tuple[Query, ...]
    unit: str
    width: int
    height: int
    options: Options
    custom: Options = field(default_factory=dict)
    words: tuple[Word, ...] = ()
    steps: tuple[Step, ...] = (Step(colour="text"),)
    overrides: tuple[Override, ...] = ()
    links: tuple[Link, ...] = ()
    transformations: tuple[tuple[str, Options], ...] = ()
    decimals: int | None = None
    minimum: float | None = None
    no_value: str = ""
    max_points: int | None = None


@dataclass(frozen=True, kw_only=True)
class Row:
    """A heading and the panels below it, from left to right and from top to bottom; no heading: no title."""

    title: str
    panels: tuple[Panel, ...]
    collapsed: bool = False


@dataclass(frozen=True, kw_only=True)
class Variable:
    """A choice at the top of the page: the values of ``label`` in the series of ``series``."""

    name: str
    title: str
    description: str
    series: str
    multiple: bool = True


@dataclass(frozen=True, kw_only=True)
class Annotation:
    """Marks over the time, at the moments in milliseconds that the series has as values.

    ``shown``: drawn until the reader turns it off with its switch, else not before it is turned on.
    """

    name: str
    expr: str
    title: str
    text: str
    colour: str
    tags: str
    shown: bool = False


@dataclass(frozen=True, kw_only=True)
class Dashboard:
    """The whole page."""

    uid: str
    title: str
    description: str
    variables: tuple[Variable, ...]
    annotations: tuple[Annotation, ...]
    rows: tuple[Row, ...]
    links: tuple[Link, ...]
    refresh: str = "1m"
