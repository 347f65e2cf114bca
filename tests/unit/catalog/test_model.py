"""Every number of every record and of the configuration is finite and bounded: none breaks what computes."""

import inspect
import pkgutil
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib import import_module
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from pgbackstop_catalog import records
from pgbackstop_catalog.config.configuration import Config
from pgbackstop_catalog.decisions import wal_copies, wal_segments
from pgbackstop_catalog.model import Model, UtcTime

_NAMES = [f"{records.__name__}.{each.name}" for each in pkgutil.iter_modules(records.__path__)]
MODELS = [
    each
    for module in (*map(import_module, _NAMES), wal_copies, wal_segments)
    for _name, each in inspect.getmembers(module, inspect.isclass)
    if issubclass(each, Model) and each.__module__ == module.__name__
]


def unbounded(schema: Any, where: str = "") -> Iterator[str]:
    """Places of a JSON schema that admit any number."""
    if isinstance(schema, dict):
        if str(schema.get("type")) in {"integer", "number"} and not {"maximum", "const"} & set(schema):
            yield where
        for name, each in schema.items():
            yield from unbounded(each, f"{where}/{name}")
    elif isinstance(schema, list):
        for number, each in enumerate(schema):
            yield from unbounded(each, f"{where}/{number}")


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_numbers_of_records_are_bounded(model: type[Model]) -> None:
    # What is checked by a function of ours has no bounds in the schema.
    found = [each for each in unbounded(model.model_json_schema()) if "segment_bytes" not in each]
    assert found == []


def test_numbers_of_the_configuration_are_bounded() -> None:
    assert [each for each in unbounded(Config.model_json_schema()) if "chat_id" not in each] == []


@pytest.mark.parametrize(
    "text",
    [
        "9999-12-31T23:59:59-14:00",
        "0001-01-01T00:00:00+14:00",
        "1969-12-31T00:00:00Z",
        "9000-01-01T00:00:00Z",
    ],
)
def test_times_that_nothing_can_be_added_to_are_none(text: str) -> None:
    adapter = TypeAdapter(UtcTime)
    with pytest.raises(ValidationError, match="must be a time of the years 1970 to 8999"):
        adapter.validate_json(f'"{text}"')


def test_a_time_becomes_utc() -> None:
    found = TypeAdapter(UtcTime).validate_json('"2026-11-22T02:00:00+02:00"')
    assert found == datetime(2026, 11, 22, tzinfo=UTC)
    assert found.tzinfo is UTC


@pytest.mark.parametrize("size", [0, 1, 2**19, 2**31, 3 * 2**20, -(2**24)])
def test_a_size_that_no_segment_has(size: int) -> None:
    with pytest.raises(ValidationError, match="a size of WAL segments"):
        wal_segments.WalIdentity(system_identifier="7", segment_bytes=size)
