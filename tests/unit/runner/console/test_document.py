"""The API's document is the one in docs/reference, and says of every endpoint who may and what comes."""

import json
from pathlib import Path

import jsonschema

from pgbackstop_runner.console.api import document
from pgbackstop_runner.console.api.endpoint import BASE
from pgbackstop_runner.console.api.table import ENDPOINTS

REFERENCE = Path(__file__).parents[4] / "docs" / "reference" / "openapi.json"
MADE_BY = ".venv/bin/python -m pgbackstop_runner.console.api.document > docs/reference/openapi.json"


def test_it_is_the_one_in_the_reference() -> None:
    assert REFERENCE.read_text() == document.text(), MADE_BY


def test_every_endpoint_and_every_schema_is_there() -> None:
    whole = json.loads(document.text())
    names = {each["operationId"] for path in whole["paths"].values() for each in path.values()}
    assert names == {each.name for each in ENDPOINTS}
    for each in ENDPOINTS:
        responses = whole["paths"][BASE + each.path][each.method.lower()]["responses"]
        assert {"401", "403", *map(str, each.good)} <= set(responses)
    for name, schema in whole["components"]["schemas"].items():
        jsonschema.Draft202012Validator.check_schema(schema)
        assert "__" not in name, "two models have one name, and their modules are no business of a program"
        for reference in _references(schema):
            assert reference.removeprefix("#/components/schemas/") in whole["components"]["schemas"], name


def _references(value: object) -> list[str]:
    if isinstance(value, dict):
        own = [value["$ref"]] if isinstance(value.get("$ref"), str) else []
        return own + [each for inner in value.values() for each in _references(inner)]
    if isinstance(value, list):
        return [each for inner in value for each in _references(inner)]
    return []
