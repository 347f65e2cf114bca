"""Writes pgbackstop/values.schema.json: that of the chart's own values, and in it that of pgbackstop.yaml.

usage: python packaging/helm/generate.py
"""

from __future__ import annotations

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
    # Where a reference of the configuration leads to.
    schema["$defs"] = config.pop("$defs")
    schema["properties"]["config"] = config
    return json.dumps(schema, indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    (FOLDER / "pgbackstop" / "values.schema.json").write_text(generated())
