"""The API's description: OpenAPI 3.1, made of the endpoints and their models. Printed when run."""

from __future__ import annotations

import json
import re
from functools import cache
from http import HTTPStatus
from typing import Any, Final, Literal

from pydantic.json_schema import JsonSchemaMode, models_json_schema

from pgbackstop_catalog import __version__
from pgbackstop_catalog.model import Model
from pgbackstop_runner import terminal
from pgbackstop_runner.console import problems
from pgbackstop_runner.console.api import models
from pgbackstop_runner.console.api.endpoint import BASE, Endpoint
from pgbackstop_runner.console.api.table import ENDPOINTS

PATH: Final = f"{BASE}/openapi.json"
_COMMON: Final = (400, 401, 403, 503)
# As https://www.rfc-editor.org/rfc/rfc9110#section-15.5.14 has it; Python before 3.13 knows the older words.
_PHRASES: Final = {413: "Content Too Large"}
_TEMPLATE: Final = "#/components/schemas/{model}"
_Json = dict[str, Any]


@cache
def text() -> str:
    """The whole document, as it is served and as it lies in docs/reference."""
    return json.dumps(_document(), indent=2) + "\n"


def _document() -> _Json:
    schemas, definitions = _schemas()
    paths: dict[str, _Json] = {}
    for each in ENDPOINTS:
        paths.setdefault(BASE + each.path, {})[each.method.lower()] = _operation(each, schemas)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "pgbackstop",
            "version": __version__,
            "summary": "Ask whether you are safe; back up, verify, drill, pin, restore and recover.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "security": [{"token": []}],
        "paths": paths,
        "components": {
            "schemas": definitions,
            "securitySchemes": {
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "pgbackstop token create NAME prints one",
                }
            },
        },
    }


_Key = tuple[type[Model], Literal["validation", "serialization"]]


def _schemas() -> tuple[dict[_Key, _Json], _Json]:
    """A reference for each model that is sent or taken, and what they refer to."""
    wanted: dict[_Key, None] = {(models.Problem, "serialization"): None}
    for each in ENDPOINTS:
        wanted[each.answer, "serialization"] = None
        if each.body is not None:
            wanted[each.body, "validation"] = None
    inputs: list[tuple[type[Model], JsonSchemaMode]] = list(wanted)
    found, whole = models_json_schema(inputs, ref_template=_TEMPLATE)
    return {key: found[key] for key in wanted}, whole["$defs"]


def _operation(endpoint: Endpoint, schemas: dict[_Key, _Json]) -> _Json:
    made: _Json = {
        "operationId": endpoint.name,
        "summary": endpoint.summary,
        "description": f"Needs the role {endpoint.role}.",
        "responses": _responses(endpoint, schemas),
    }
    parameters = [*_in_path(endpoint.path), *_in_query(endpoint.query)]
    if parameters:
        made["parameters"] = parameters
    if endpoint.body is not None:
        made["requestBody"] = {
            "required": any(each.is_required() for each in endpoint.body.model_fields.values()),
            "content": {"application/json": {"schema": schemas[endpoint.body, "validation"]}},
        }
    return made


def _responses(endpoint: Endpoint, schemas: dict[_Key, _Json]) -> _Json:
    answer = {"application/json": {"schema": schemas[endpoint.answer, "serialization"]}}
    problem = {problems.MEDIA_TYPE: {"schema": schemas[models.Problem, "serialization"]}}
    statuses = sorted({*_COMMON, *endpoint.refusals, *((413, 415) if endpoint.body else ())})
    return {
        **{str(code): {"description": meaning, "content": answer} for code, meaning in endpoint.good.items()},
        **{
            str(code): {
                "description": f"{_PHRASES.get(code, HTTPStatus(code).phrase)}.",
                "content": problem,
            }
            for code in statuses
        },
    }


def _in_path(path: str) -> list[_Json]:
    names = re.findall(r"\{(\w+)\}", path)
    return [{"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in names]


def _in_query(query: type[Model] | None) -> list[_Json]:
    if query is None:
        return []
    properties: dict[str, _Json] = query.model_json_schema(ref_template=_TEMPLATE)["properties"]
    return [{"name": name, "in": "query", "schema": schema} for name, schema in properties.items()]


if __name__ == "__main__":
    terminal.say(text().rstrip("\n"))
