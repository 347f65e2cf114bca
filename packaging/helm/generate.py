"""Writes pgbackstop/values.schema.json: that of the chart's own values, and in it that of pgbackstop.yaml.

usage: python packaging/helm/generate.py
"""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import yaml

from pgbackstop_catalog.config.configuration import Config

FOLDER = Path(__file__).resolve().parent


def generated() -> str:
    """The file's text."""
    schema: dict[str, Any] = yaml.safe_load((FOLDER / "values.schema.yaml").read_text())
    config = Config.model_json_schema()
    _let_null_take_away(config, "servers", "Server")
    _let_null_take_away(config, "plans", "Plan")
    # Where a reference of the configuration leads to.
    schema["$defs"] = config.pop("$defs")
    schema["properties"]["config"] = config
    return json.dumps(schema, indent=1, ensure_ascii=False) + "\n"


def _let_null_take_away(config: dict[str, Any], key: str, model: str) -> None:
    """Null takes away what a group or a list says, and in the place of a server or plan leaves it out."""
    own = copy.deepcopy(config["$defs"][model])
    own["properties"] = {
        name: {"anyOf": [value, {"type": "null"}]} for name, value in own["properties"].items()
    }
    config["$defs"][f"Own{model}"] = own
    patterns = config["properties"][key]["patternProperties"]
    for pattern in patterns:
        patterns[pattern] = {"anyOf": [{"$ref": f"#/$defs/Own{model}"}, {"type": "null"}]}


if __name__ == "__main__":
    (FOLDER / "pgbackstop" / "values.schema.json").write_text(generated())
