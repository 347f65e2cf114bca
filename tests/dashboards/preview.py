"""What the panels would show, as lines of text: for a test's message and for whoever works on a page."""

from collections.abc import Sequence
from typing import Any

from tests.dashboards.documents import PlacedQuery

Answer = list[dict[str, Any]]


def text(answers: Sequence[tuple[PlacedQuery, Answer]]) -> str:
    """One block for each query: where it stands, and the newest value of each of its series."""
    return "\n".join(f"{asked.id}\n{_series(answer)}" for asked, answer in answers)


def _series(answer: Answer) -> str:
    return "\n".join(f"    {_labels(each['metric'])} = {_newest(each)}" for each in answer) or "    EMPTY"


def _labels(metric: dict[str, str]) -> str:
    return ", ".join(f"{name}={value}" for name, value in sorted(metric.items()) if name != "__name__")


def _newest(series: dict[str, Any]) -> str:
    values = series.get("values") or [series["value"]]
    return f"{values[-1][1]} ({len(values)} points)"
