"""The one module that writes: one line an event to standard error, as logfmt or JSON, as the runner does.

By the standard library: structlog is the runner's, and would cost the exporter megabytes for this.
"""

from __future__ import annotations

import json
import logging
import sys
import time
from datetime import UTC, datetime
from typing import Any, Final, Literal

from pgbackstop_catalog.text import bounded, plain

_LOGGER: Final = logging.getLogger("pgbackstop_exporter")
_SELDOM_SECONDS: Final = 60.0
_seldom: dict[str, tuple[float, int]] = {}
LEVELS: Final = ("debug", "info", "warning", "error")
FORMATS: Final = ("logfmt", "json")


def configure(*, level: str, style: Literal["logfmt", "json"] | str) -> None:
    """Choose the least level that is written, and how; of other libraries only warnings are shown."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Json() if style == "json" else _Logfmt())
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    _LOGGER.setLevel(level.upper())


def info(event: str, **fields: object) -> None:
    """Something that an operator expects."""
    _LOGGER.info(event, extra={"fields": fields})


def warning(event: str, **fields: object) -> None:
    """Something that an operator may have to look at."""
    _LOGGER.warning(event, extra={"fields": fields})


def seldom(event: str, *, error: BaseException | None = None, **fields: object) -> None:
    """What a client can bring about as often as it likes: one line a minute, with how many were left out.

    ``error`` is one that nothing expects, with its traceback.
    """
    now = time.monotonic()
    told, left_out = _seldom.get(event, (-_SELDOM_SECONDS, 0))
    if now - told < _SELDOM_SECONDS:
        _seldom[event] = told, left_out + 1
        return
    _seldom[event] = now, 0
    more = {"left_out": left_out} if left_out else {}
    _LOGGER.warning(event, exc_info=error, extra={"fields": {**fields, **more}})


def bug(event: str, error: BaseException) -> None:
    """An exception that nothing expects, with its traceback."""
    _LOGGER.error(event, exc_info=error, extra={"fields": {}})


def _fields(record: logging.LogRecord, formatter: logging.Formatter) -> dict[str, Any]:
    moment = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
    fields = {
        "timestamp": moment.replace("+00:00", "Z"),
        "level": record.levelname.lower(),
        "event": record.getMessage(),
        **{name: _value(value) for name, value in getattr(record, "fields", {}).items()},
    }
    if record.exc_info:
        fields["traceback"] = formatter.formatException(record.exc_info)
    return fields


def _value(value: object) -> object:
    return value if isinstance(value, bool | int | float) else bounded(str(value))


class _Json(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return json.dumps(_fields(record, self), default=str)


class _Logfmt(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return " ".join(f"{name}={_quoted(str(value))}" for name, value in _fields(record, self).items())


def _quoted(text: str) -> str:
    is_plain = text and text.isprintable() and not any(each in text for each in ' "=\\')
    return text if is_plain else plain(json.dumps(text, ensure_ascii=False))
