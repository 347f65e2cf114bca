"""A dashboard's JSON and the answers to its queries, as Grafana's data source hands them to its panels."""

import json
import re
from typing import Any

from tests.dashboards.documents import DOCUMENTS
from tests.dashboards.pictures.installation import Installation
from tests.dashboards.pictures.states import PLAN, State

Frame = dict[str, Any]
NARROW = 768  # pixels; below them Grafana puts each panel under the one before
# What the page of one plan has chosen.
CHOSEN = {"plan": "main-logical", "database": "shop"}


def page(uid: str, state: State, installation: Installation) -> dict[str, Any]:
    """What ``page.jsx`` draws."""
    document = DOCUMENTS[uid]
    choice = CHOSEN if uid == PLAN else {}
    return {
        "light": state.light,
        "width": state.width,
        "from": installation.first.isoformat(),
        "to": installation.last.isoformat(),
        "panels": [
            {"panel": panel, "frames": _frames(panel, choice, installation)} for panel in document["panels"]
        ],
    }


def height(content: dict[str, Any]) -> int:
    """In pixels, as ``page.jsx`` places panels."""
    places: list[dict[str, int]] = [each["panel"]["gridPos"] for each in content["panels"]]
    if content["width"] < NARROW:
        return 8 + sum(38 * place["h"] for place in places)
    return 8 + 38 * max(place["y"] + place["h"] for place in places)


def _chosen(expr: str, choice: dict[str, str]) -> str:
    return re.sub(r'=~"\$(\w+)"', lambda found: f"=~{json.dumps(choice.get(found[1], '.*'))}", expr)


def _frames(panel: dict[str, Any], choice: dict[str, str], installation: Installation) -> list[Frame]:
    if panel["type"] in {"row", "state-timeline"}:
        return []
    frames: list[Frame] = []
    for target in panel["targets"]:
        expr = _chosen(target["expr"], choice)
        if panel["type"] == "table":
            frames += _rows(target["refId"], installation.now(expr), is_only=len(panel["targets"]) == 1)
        elif panel["type"] == "stat":
            frames += [_series(target, each, [each["value"]]) for each in installation.now(expr)]
        else:
            answer = installation.over_time(expr, panel["maxDataPoints"])
            frames += [_series(target, each, each["values"]) for each in answer]
    return frames


def _rows(letter: str, answer: list[dict[str, Any]], *, is_only: bool) -> list[Frame]:
    """One frame of a query: the time, each label, the value."""
    if not answer:
        return []
    names = sorted({name for each in answer for name in each["metric"]})
    labels = [
        {"name": name, "type": "string", "values": [each["metric"].get(name) for each in answer]}
        for name in names
    ]
    value = {
        "name": "Value" if is_only else f"Value #{letter}",
        "type": "number",
        "values": [_number(each["value"][1]) for each in answer],
    }
    moments = [each["value"][0] * 1000 for each in answer]
    # Of one request, so equal: the rows of all queries meet by it too.
    time = {"name": "Time", "type": "time", "values": [int(moments[0] // 60000 * 60000)] * len(answer)}
    return [{"refId": letter, "fields": [time, *labels, value]}]


def _series(target: dict[str, Any], answer: dict[str, Any], points: list[list[Any]]) -> Frame:
    labels = answer["metric"]
    legend = re.sub(r"\{\{(\w+)\}\}", lambda found: str(labels.get(found[1], "")), target["legendFormat"])
    value = {
        "name": "Value",
        "type": "number",
        "labels": labels,
        "config": {"displayNameFromDS": legend},
        "values": [_number(each[1]) for each in points],
    }
    time = {"name": "Time", "type": "time", "values": [each[0] * 1000 for each in points]}
    return {"refId": target["refId"], "fields": [time, value]}


def _number(text: str) -> float | None:
    value = float(text)
    return value if value == value and abs(value) != float("inf") else None  # noqa: PLR0124 - NaN is not itself
