"""The committed dashboards as Grafana reads them: JSON, its panels and its queries."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parents[2] / "dashboards"
PATHS = sorted(FOLDER.glob("*.json"))
DOCUMENTS: dict[str, dict[str, Any]] = {path.stem: json.loads(path.read_text()) for path in PATHS}
# What Grafana puts in place of its variables when everything is chosen and a point stands for a few seconds.
INTERPOLATED = {"$__rate_interval": "20s", "$__interval": "5s", "$__range": "60s"}


@dataclass(frozen=True, kw_only=True)
class PlacedQuery:
    """One query with where it stands. ``is_range``: over the time, else at one moment."""

    dashboard: str
    panel: str
    name: str
    expr: str
    is_range: bool

    @property
    def id(self) -> str:
        """For messages and the names of tests."""
        return f"{self.dashboard} / {self.panel} / {self.name}"

    @property
    def interpolated(self) -> str:
        """As Grafana sends it."""
        return interpolate(self.expr)


def interpolate(expr: str) -> str:
    """With everything chosen."""
    for name, value in INTERPOLATED.items():
        expr = expr.replace(name, value)
    return re.sub(r'=~"\$\w+"', '=~".*"', expr)


def panels(document: dict[str, Any]) -> list[dict[str, Any]]:
    """Every panel, also those in collapsed rows; rows are not among them."""
    found: list[dict[str, Any]] = []
    for panel in document["panels"]:
        found += panel.get("panels", []) if panel["type"] == "row" else [panel]
    return found


def every_panel() -> list[Any]:
    """(dashboard, panel) of every dashboard."""
    return [(name, panel) for name, document in DOCUMENTS.items() for panel in panels(document)]


def _of_panels() -> Iterator[PlacedQuery]:
    for dashboard, panel in every_panel():
        for target in panel["targets"]:
            yield PlacedQuery(
                dashboard=dashboard,
                panel=panel["title"],
                name=target["refId"],
                expr=target["expr"],
                is_range=target["range"],
            )


def _of_pages() -> Iterator[PlacedQuery]:
    for dashboard, document in DOCUMENTS.items():
        for annotation in document["annotations"]["list"]:
            yield PlacedQuery(
                dashboard=dashboard,
                panel="annotations",
                name=annotation["name"],
                expr=annotation["expr"],
                is_range=True,
            )
        for variable in document["templating"]["list"]:
            if variable["type"] == "query":
                yield PlacedQuery(
                    dashboard=dashboard,
                    panel="variables",
                    name=variable["name"],
                    expr=series_of(variable),
                    is_range=False,
                )


def series_of(variable: dict[str, Any]) -> str:
    """The series whose labels are a variable's values."""
    found = re.fullmatch(r"label_values\((.+), (\w+)\)", variable["query"]["query"])
    assert found, variable
    assert found[2] == variable["name"]
    return found[1]


ASKED = [*_of_panels(), *_of_pages()]
