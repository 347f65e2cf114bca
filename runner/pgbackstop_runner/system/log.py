"""Structured logs on standard error: one line per step, as logfmt or JSON, for people and programs alike."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, MutableMapping
from typing import TYPE_CHECKING, Any, overload

from pgbackstop_catalog import errors, units
from pgbackstop_catalog.text import bounded, plain
from pgbackstop_runner import failures

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger

    from pgbackstop_catalog.config.configuration import Log

_KEY_ORDER = ["timestamp", "level", "event"]


class _Wanted:
    """Settings that structlog was not given yet."""

    settings: Log | None = None


def configure_when_needed(settings: Log) -> None:
    """Set up the logger when something is said: a command that reads seldom says anything.

    For a process of one thread: what another one imports meanwhile may be marked as absent.
    """
    if "structlog" in sys.modules:
        configure(settings)
    else:
        _Wanted.settings = settings


def configure(settings: Log, steps: Callable[[str], None] | None = None) -> None:
    """Set up the one logger of this process.

    ``steps`` is for a person at a terminal: it gets a line in words of each event, and the log nothing.
    """
    _Wanted.settings = None
    structlog = _structlog()
    renderer: Any = (
        _in_words
        if steps is not None
        else structlog.processors.JSONRenderer()
        if settings.format == "json"
        else structlog.processors.LogfmtRenderer(key_order=_KEY_ORDER, drop_missing=True, bool_as_flag=False)
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            _drop_empty,
            _clean,
            structlog.processors.add_log_level,
            structlog.processors.format_exc_info,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            renderer,
            _on_one_line,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(
            logging.getLevelNamesMapping()[settings.level.upper()]
        ),
        logger_factory=lambda *_: _Steps(steps) if steps is not None else structlog.PrintLogger(sys.stderr),
        cache_logger_on_first_use=True,
    )


def _structlog() -> Any:
    """Import structlog, which takes 60 ms.

    It imports rich wherever that is installed, to paint tracebacks that we never print: a fifth of the time
    until a backup starts. Marked as absent meanwhile, it stays out; later imports of it are free again.
    """
    absent: Any = {"rich": None} if {"rich", "structlog"}.isdisjoint(sys.modules) else {}
    sys.modules.update(absent)
    try:
        import structlog  # noqa: PLC0415 - see above
    finally:
        for name in absent:
            del sys.modules[name]
    return structlog


def _drop_empty(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """A fact that does not apply is left out, instead of standing there as nothing."""
    return {key: value for key, value in event.items() if value is not None}


def _clean(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """What a server or a tool said may be of any length."""
    return {key: bounded(value) if isinstance(value, str) else value for key, value in event.items()}


def _on_one_line(_logger: object, _method: str, line: Any) -> str:
    """Whatever was said, an entry is one line that a terminal does not obey; JSON means the same then."""
    return plain(line)


class _Steps:
    """A logger whose lines go to a function, whatever their level."""

    def __init__(self, write: Callable[[str], None]) -> None:
        self.debug = self.info = self.warning = self.error = self.critical = self.exception = write


# Known to who started it, or told at the end.
_LEFT_OUT = ("timestamp", "plan", "backup", "restore", "drill", "duration_seconds", "bytes", "attempts")


def _in_words(_logger: object, _method: str, event: MutableMapping[str, Any]) -> str:
    """What happened, how much and for how long; what is wrong with which level."""
    level, what, size = event.pop("level"), event.pop("event"), event.get("bytes")
    seconds = event.get("duration_seconds")
    said = [f"{key} {value}" for key, value in event.items() if key not in _LEFT_OUT and value != ""]
    said += [units.format_size(size)] if isinstance(size, int) and size else []
    said += [f"in {units.format_duration(seconds)}"] if isinstance(seconds, float) else []
    prefix = "" if level in {"info", "debug"} else f"{level}: "
    return f"  {prefix}{what}{': ' if said else ''}{', '.join(said)}"


@overload
def as_error(error: Exception, **facts: str) -> errors.PgbackstopError: ...
@overload
def as_error(error: BaseException, **facts: str) -> errors.Ending: ...
def as_error(error: BaseException, **facts: str) -> errors.Ending:
    """Return any exception as an error with a sentence; the traceback of a bug goes into the log."""
    known = failures.as_error(error)
    if isinstance(known, errors.Bug):
        logger().error("bug", exc_info=error, **facts)
    return known


def logger() -> FilteringBoundLogger:
    """The logger; its calls take an event in plain words and facts as keywords."""
    if _Wanted.settings is not None:
        configure(_Wanted.settings)
    bound: FilteringBoundLogger = _structlog().get_logger()
    return bound
