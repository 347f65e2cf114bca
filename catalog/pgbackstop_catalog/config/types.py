"""Types of single values of the file: durations, sizes, time zones, cron expressions, addresses."""

from __future__ import annotations

import functools
from typing import Annotated, Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer, WithJsonSchema

from pgbackstop_catalog import units
from pgbackstop_catalog.config import hashed_schedule, labels, table_pattern
from pgbackstop_catalog.config.schedule import Schedule
from pgbackstop_catalog.model import utc_now


def _seconds(value: Any) -> Any:
    return units.parse_duration(value) if isinstance(value, str) else value


def _bytes(value: Any) -> Any:
    return units.parse_size(value) if isinstance(value, str) else value


def _hosts(value: Any) -> Any:
    return ",".join(map(str, value)) if isinstance(value, (list, tuple)) else value


def _ports(value: Any) -> Any:
    each = value if isinstance(value, (list, tuple)) else str(value).split(",")
    try:
        numbers = [int(str(port)) for port in each]
    except ValueError:
        numbers = []
    if not numbers or not all(1 <= number <= 65535 for number in numbers):
        msg = "must be a port from 1 to 65535, or a list of them"
        raise ValueError(msg)
    return numbers[0] if len(numbers) == 1 else ",".join(map(str, numbers))


def _zone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (KeyError, ValueError, OSError):
        msg = f"{value!r} is no time zone: write it like UTC or Europe/Berlin"
        raise ValueError(msg) from None
    return value


@functools.lru_cache(maxsize=4096)
def _due_some_day(value: str) -> str:
    if next(Schedule(expression=hashed_schedule.resolved(value, "")).after(utc_now()), None) is None:
        msg = f"{value!r} is never due"
        raise ValueError(msg)
    return value


def _table_pattern(value: str) -> str:
    table_pattern.parse(value)
    return value


def _http_address(value: str) -> str:
    if "@" in value:
        msg = "a secret must not stand in this file: leave out user and password"
        raise ValueError(msg)
    if not _is_http(value):
        msg = "must be an address like https://host or http://127.0.0.1:9093"
        raise ValueError(msg)
    return value


def _label_name(value: str) -> str:
    if problem := labels.problem_of_name(value):
        raise ValueError(problem)
    return value


def _label_value(value: str) -> str:
    if problem := labels.problem_of_value(value):
        raise ValueError(problem)
    return value


def _is_http(value: str) -> bool:
    try:
        parts = urlsplit(value)
        leads_somewhere = bool(parts.hostname) and parts.port != 0
    except ValueError:  # of a port that is none, or half an IPv6 address
        return False
    return leads_somewhere and value.startswith(("http://", "https://")) and value.split() == [value]


Duration = Annotated[
    float,
    BeforeValidator(_seconds),
    Field(ge=0, le=units.MOST_SECONDS, allow_inf_nan=False),
    PlainSerializer(units.format_exact_duration, when_used="json"),
    WithJsonSchema({"type": ["string", "number"], "description": "seconds, or like 30s, 15m, 25h, 7d"}),
]
Size = Annotated[
    int,
    BeforeValidator(_bytes),
    Field(ge=0, le=units.MOST_BYTES),
    WithJsonSchema({"type": ["string", "integer"], "description": "bytes, or like 500MB, 2GiB"}),
]
TablePatternText = Annotated[str, AfterValidator(_table_pattern)]
# Several are held as libpq takes them, with commas.
Hosts = Annotated[
    str, BeforeValidator(_hosts), WithJsonSchema({"type": ["string", "array"], "items": {"type": "string"}})
]
Ports = Annotated[
    int | str,
    BeforeValidator(_ports),
    WithJsonSchema({"type": ["integer", "string", "array"], "minimum": 1, "maximum": 65535}),
]
TimeZone = Annotated[str, AfterValidator(_zone)]
CronExpression = Annotated[str, AfterValidator(_due_some_day)]
HttpAddress = Annotated[
    str, AfterValidator(_http_address), Field(json_schema_extra={"pattern": r"^https?://[^\s@]+$"})
]
FreeLabels = Annotated[
    dict[Annotated[str, AfterValidator(_label_name)], Annotated[str, AfterValidator(_label_value)]],
    Field(max_length=labels.MOST),
]
