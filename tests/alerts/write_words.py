"""Writes annotations.*.test.yml: the words of every alert as promtool gives them, for a person to review.

usage: python -m tests.alerts.write_words
"""

import json
import re
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import yaml

from tests.alerts import promtool_file
from tests.alerts.cases import CASES
from tests.alerts.story import Case

FOLDER = Path(__file__).parent
RULES = ("../../alerts/pgbackstop.rules.yml", "../../alerts/prometheus.rules.yml")
_HEAD = """\
# The words of every alert as a person reads them, reviewed. promtool compares them letter by letter:
# where a rule's words change on purpose, run python -m tests.alerts.write_words and read the difference.
"""
_ALERT = re.compile(r"Labels:\{(.*)\}\n\s*Annotations:\{(.*)\}")
_PAIR = re.compile(r'(\w+)=("(?:[^"\\]|\\.)*")')


def chosen() -> list[tuple[Case, int]]:
    """For each alert and severity the first story in which it fires, and the minute."""
    found: dict[tuple[str, str], tuple[Case, int]] = {}
    for case in CASES:
        for minute, severity in case.at.items():
            if severity:
                found.setdefault((case.alert, severity), (case, minute))
    return list(found.values())


def says(case: Case, minute: int) -> list[dict[str, Any]]:
    """The alerts of a story at that minute."""
    tests = [promtool_file.words(case, minute, [])]
    rules = [(FOLDER / path).resolve() for path in RULES]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "words.test.yml"
        path.write_text(yaml.safe_dump(promtool_file.document(rules, tests, promtool_file.step(case))))
        done = subprocess.run(
            ["promtool", "test", "rules", str(path)], capture_output=True, text=True, check=False
        )
    found = [
        {"exp_labels": _pairs(labels), "exp_annotations": _pairs(annotations)}
        for labels, annotations in _ALERT.findall(done.stdout + done.stderr)
    ]
    assert found, done.stdout + done.stderr
    return found


def _pairs(text: str) -> dict[str, str]:
    pairs = {name: json.loads(value) for name, value in _PAIR.findall(text)}
    return {name: value for name, value in pairs.items() if name != "alertname"}


def main() -> None:
    """Write a file for each step of time."""
    for step in ("1m", "10m"):
        tests = [
            promtool_file.words(case, minute, says(case, minute))
            for case, minute in chosen()
            if promtool_file.step(case) == step
        ]
        text = yaml.safe_dump(promtool_file.document(RULES, tests, step), sort_keys=False, width=110)
        (FOLDER / f"annotations.{step}.test.yml").write_text(_HEAD + text)


if __name__ == "__main__":
    main()
