"""The reference of the configuration, written from its model, so that nothing is forgotten or out of date."""

from __future__ import annotations

import inspect
import json
import types
from collections.abc import Iterator
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from pgbackstop_catalog import units
from pgbackstop_catalog.config.configuration import Config
from pgbackstop_catalog.config.group import Group

_HEAD = """\
# Configuration

One YAML file serves the runner and the exporter: the one named with `--config` or `$PGBACKSTOP_CONFIG`, else
`./pgbackstop.yaml`, else `/etc/pgbackstop/pgbackstop.yaml`. `pgbackstop config check` says every error of it
at once, `pgbackstop config show` prints it with all defaults, `pgbackstop config example` a commented one
to start from.

Unknown keys are errors. Secrets never stand in the file: `*_file` names a file of mode 0600, `*_env` an
environment variable, `*_command` a program that prints it. Relative paths count from the folder of the file.
Durations are seconds, or like `30s`, `15m`, `25h`, `7d`, `1h30m`; sizes are bytes, or like `500MB`, `2GiB`.
`NAME` is a name of your choice.

This page is printed by `pgbackstop config reference`; a test compares them.
"""


def document() -> str:
    """The page, in Markdown; what several kinds of storages have is told once."""
    return _HEAD + "".join(dict.fromkeys(_section(place, model) for place, model in sections()))


def sections() -> Iterator[tuple[str, type[BaseModel]]]:
    """Each mapping of the file: where it stands, and its model. The whole file is at ``""``."""
    yield from _below("", Config)


def models_in(annotation: Any) -> list[type[BaseModel]]:
    """The models that a value of this type may be."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for each in get_args(annotation) for model in models_in(each)]


def _below(place: str, model: type[BaseModel]) -> Iterator[tuple[str, type[BaseModel]]]:
    yield place, model
    if model is Group:  # whose keys are those of servers and plans
        return
    for name, field in model.model_fields.items():
        here = f"{place}.{name}".lstrip(".") + _step(field.annotation)
        for inner in models_in(field.annotation):
            yield from _below(here, inner)


def _step(annotation: Any) -> str:
    """Return what stands between a key and the mapping below it: a name, a place in a list, or nothing."""
    if get_origin(annotation) is dict:
        return ".NAME"
    return "[]" if get_origin(annotation) is tuple else ""


def _section(place: str, model: type[BaseModel]) -> str:
    title = f"`{place}`" if place else "The whole file"
    if "kind" in model.model_fields:
        title += f" with `kind: {get_args(model.model_fields['kind'].annotation)[0]}`"
    rows = "".join(_row(name, field) for name, field in model.model_fields.items())
    about = inspect.cleandoc(model.__doc__ or "").replace("``", "`")
    return f"\n## {title}\n\n{about}\n\n| key | value | default | meaning |\n|---|---|---|---|\n{rows}"


def _row(name: str, field: FieldInfo) -> str:
    kind = " or ".join(dict.fromkeys(_words(field.annotation, field)))
    return f"| `{name}` | {kind} | {_default(field)} | {field.description} |\n".replace("| |", "|  |")


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True)
    if value is None or value in ({}, (), "") or isinstance(value, BaseModel):
        return ""
    shown = _exact(value, field)
    return f"`{shown}`"


def _exact(value: Any, field: FieldInfo) -> str:
    for each in field.metadata:
        write = getattr(each, "func", None)
        if write is not None and type(each).__name__ == "PlainSerializer":
            return str(write(value))
    if _described(None, field) == "size":
        return units.format_exact_size(value)
    return value if isinstance(value, str) else json.dumps(value)


_WORDS = {str: "text", int: "number", float: "number", bool: "`true` or `false`"}


def _words(annotation: Any, field: FieldInfo) -> Iterator[str]:
    described = _described(annotation, field)
    origin = get_origin(annotation)
    if described:
        yield described
    elif origin is Annotated:
        yield from _words(get_args(annotation)[0], field)
    elif origin is Literal:
        yield ", ".join(f"`{each}`" for each in get_args(annotation))
    elif origin in {Union, types.UnionType}:
        for each in get_args(annotation):
            if each is not type(None):
                yield from _words(each, field)
    elif origin is tuple:
        yield "a list"
    elif origin is dict or models_in(annotation):
        yield "a mapping, see below"
    elif isinstance(annotation, type):
        yield _WORDS.get(annotation, annotation.__name__.lower())
    else:
        yield from _words(get_args(annotation)[0], field)


def _described(annotation: Any, field: FieldInfo) -> str:
    """The words of Duration and Size, which say themselves how they are written."""
    for each in (*field.metadata, *getattr(annotation, "__metadata__", ())):
        schema = getattr(each, "json_schema", None)
        if isinstance(schema, dict) and "description" in schema:
            return "duration" if "25h" in schema["description"] else "size"
    return ""
