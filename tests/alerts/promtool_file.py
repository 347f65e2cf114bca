"""Stories as the files that promtool reads."""

import json
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tests.alerts.story import DAY, EXPORTER, HELD, Case


def fires(cases: Iterable[Case], rules: Path) -> list[dict[str, Any]]:
    """Asks at each moment of the stories which severities of their alert fire; one document for each step."""
    tests: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
    for case in cases:
        questions = [_question(case, minutes, answer) for minutes, answer in case.at.items()]
        tests[step(case)].append({"name": name(case), **_told(case), "promql_expr_test": questions})
    return [document([rules], told, each) for each, told in tests.items()]


def words(case: Case, minute: int, expected: list[dict[str, Any]]) -> dict[str, Any]:
    """Asks for all labels and annotations at that minute of the story."""
    question = {"eval_time": f"{minute}m", "alertname": case.alert, "exp_alerts": expected}
    return {"name": name(case), **_told(case), "alert_rule_test": [question]}


def name(case: Case) -> str:
    """How a story is called."""
    return f"{case.alert}: {case.story}"


def document(rules: Iterable[Path | str], tests: list[dict[str, Any]], step: str) -> dict[str, Any]:
    """A whole file."""
    return {"rule_files": [str(path) for path in rules], "evaluation_interval": step, "tests": tests}


def _told(case: Case) -> dict[str, Any]:
    labels = {**EXPORTER, **case.labels}
    series = [_series(each, labels, values) for each, values in case.series.items()]
    return {"interval": step(case), "input_series": series}


def step(case: Case) -> str:
    """A story of days is told in steps of ten minutes, because promtool evaluates every rule at each."""
    return "1m" if max(case.at) < 2 * DAY else "10m"


def _series(key: str, labels: dict[str, str], values: str | float) -> dict[str, str]:
    metric, _, own = key.partition("{")
    inside = [f"{label}={json.dumps(value)}" for label, value in labels.items() if f"{label}=" not in own]
    return {
        "series": f"{metric}{{{','.join([*inside, own.rstrip('}')] if own else inside)}}}",
        "values": values if isinstance(values, str) else f"{values}{HELD}",
    }


def _question(case: Case, minutes: int, severity: str | None) -> dict[str, Any]:
    firing = f'count by (severity) (ALERTS{{alertname="{case.alert}",alertstate="firing"}})'
    expected = [{"labels": f'{{severity="{severity}"}}', "value": 1}] if severity else []
    return {"expr": firing, "eval_time": f"{minutes}m", "exp_samples": expected}
