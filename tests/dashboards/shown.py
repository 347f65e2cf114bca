"""What stat panels and tables of a page show for a number: its word and its colour, as Grafana decides."""

from collections.abc import Iterator
from typing import Any

Field = dict[str, Any]
ALARMING = {"red", "orange", "purple"}


def word(field: Field, value: float) -> str:
    """The word of a value, or the value with its unit."""
    found = _mapped(field, value)
    if found:
        return str(found["text"])
    unit = str(field.get("unit", ""))
    number = f"{value:.0%}" if unit == "percentunit" else f"{value:g}"
    return f"{number} {unit.removeprefix('suffix: ')}" if unit.startswith("suffix: ") else number


def colour(field: Field, value: float) -> str:
    """That of its word, else that of the highest step that it reaches."""
    found = _mapped(field, value)
    if found and found.get("color"):
        return str(found["color"])
    steps = field.get("thresholds", {}).get("steps", [])
    reached = [step["color"] for step in steps if step["value"] is None or value >= step["value"]]
    return str(reached[-1]) if reached else ""


def fields(panel: dict[str, Any]) -> Iterator[tuple[str, str, Field]]:
    """(heading, query, how it looks) of each query of a stat panel or a table."""
    config = panel["fieldConfig"]
    overrides = {
        each["matcher"]["options"]: {one["id"]: one["value"] for one in each["properties"]}
        for each in config["overrides"]
    }
    organized = [each["options"] for each in panel["transformations"] if each["id"] == "organize"]
    headings = organized[0]["renameByName"] if organized else {}
    for target in panel["targets"]:
        alone = len(panel["targets"]) == 1
        column = headings.get("Value" if alone else f"Value #{target['refId']}", "")
        heading = column if panel["type"] == "table" else target["legendFormat"]
        yield heading, target["expr"], config["defaults"] | overrides.get(heading, {})


def _mapped(field: Field, value: float) -> dict[str, Any]:
    for mapping in field.get("mappings", []):
        if mapping["type"] == "value" and f"{value:g}" in mapping["options"]:
            return dict(mapping["options"][f"{value:g}"])
    return {}
