"""Summaries of attempts, as lists show them, read without building whole records.

The one strict codec takes longer to import than a list may take to answer, and most of a record is row
counts and files that a list does not show. So the few keys that it shows are taken from the text, where
each stands on a line of its own. Whatever looks unusual goes to the codec, the only judge of what a record
is.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pgbackstop_catalog import errors, regular_file
from pgbackstop_catalog.store import listing

if TYPE_CHECKING:
    from pgbackstop_catalog.store.read_files import ReadFiles

_VERSION = 1  # records.RECORD_VERSION, which costs pydantic's import; a test compares them
# As the model's UtcTime, Count and Seconds, and codec.read: what the codec admits must be admitted here.
_YEARS = range(1970, 9000)
_MOST_COUNT = 2**63 - 1
_MOST_SECONDS = 1e10
_MOST_BYTES = 2**28
_TEXT = (str,)
_TEXT_OR_NONE = (str, type(None))
_TYPES: dict[str, tuple[type, ...]] = {
    "id": _TEXT,
    "plan": _TEXT,
    "server": _TEXT,
    "database": _TEXT,
    "backup_type": _TEXT,
    "method": _TEXT,
    "status": _TEXT,
    "started_at": _TEXT,
    "finished_at": _TEXT_OR_NONE,
    "expired_at": _TEXT_OR_NONE,
    "duration_seconds": (float, int, type(None)),
    "size_bytes": (int, type(None)),
    "reason": _TEXT_OR_NONE,
    "message": _TEXT,
    "missed_runs": (int,),
    "storage": _TEXT_OR_NONE,
}
# What spans lines, where there is any; old records have neither.
_VANISHED = re.compile(rb'\n  "vanished": (\[\n.*?\n  \])', re.DOTALL)
_ACKNOWLEDGED = b'\n  "acknowledged": {'
_COUNTED = ("excluded_tables", "schema_only_tables")
_LEFT_OUT = re.compile(rb'\n  "(excluded_tables|schema_only_tables)": (\[\n.*?\n  \])', re.DOTALL)
_LINE = re.compile(rf'\n  ("(?:{"|".join((*_TYPES, "record_version", "kind"))})": [^\n]*)'.encode())


@dataclass(frozen=True, kw_only=True, slots=True)
class BackupSummary:
    """The keys of a Backup that a list shows, of the same names and meaning.

    ``vanished`` has of each table its name, the rows before and the rows now; ``excluded_tables`` and
    ``schema_only_tables`` are how many tables the plan left out, and how many it left the rows out of.
    """

    id: str
    plan: str
    server: str
    database: str
    backup_type: str
    method: str
    status: str
    started_at: datetime
    finished_at: datetime | None
    expired_at: str | None
    duration_seconds: float | None
    size_bytes: int | None
    reason: str | None
    message: str
    missed_runs: int
    storage: str | None
    vanished: tuple[tuple[str, int, int | None], ...]
    is_acknowledged: bool
    excluded_tables: int
    schema_only_tables: int
    path: Path | None

    @property
    def state(self) -> str:
        """The status; a success is ``available`` while its bytes are kept, and ``expired`` after that."""
        if self.status != "succeeded":
            return self.status
        return "available" if self.expired_at is None else "expired"


def read(
    paths: Iterable[Path],
    on_invalid_record: Callable[[errors.CatalogError], None],
    known: ReadFiles[BackupSummary] | None = None,
) -> Iterator[BackupSummary]:
    """The headlines of these record files; ``on_invalid_record`` hears of each that is none, or is not ours.

    Those that are ``known`` are read again only where the file is another one.

    Raises CatalogError where the catalog cannot be read, NewerRecord for a record of a newer version.
    """
    for path in paths:
        try:
            yield known.read(path, parse) if known is not None else parse(path)
        except FileNotFoundError:
            continue  # removed since the folder was listed
        except OSError as error:
            if not listing.costs_itself(error):
                raise listing.unreadable(path, error) from error
            on_invalid_record(listing.unreadable(path, error))
        except errors.NewerRecord:
            raise
        except errors.CatalogError as error:
            on_invalid_record(error)


def parse(path: Path) -> BackupSummary:
    """The headline of one record. Raises OSError, and what the codec raises for it."""
    try:
        content = regular_file.read(path, _MOST_BYTES)
        return _headline(_scalars(content), _vanished(content) | _left_out(content), path)
    except (regular_file.Unusual, ValueError, TypeError, KeyError, ArithmeticError, RecursionError):
        return _by_the_codec(path)


KEYS: Final = (*_TYPES, "record_version", "kind", "vanished", "acknowledged", *_COUNTED)


def of_document(document: dict[str, Any]) -> BackupSummary:
    """The headline of a record's JSON, which may lack keys that are not in KEYS.

    Raises ValueError, TypeError, KeyError or ArithmeticError for what is unusual: the codec shall judge it.
    """
    scalars = {name: document[name] for name in (*_TYPES, "record_version", "kind")}
    nested = {
        "vanished": _losses(document.get("vanished", ())),
        "is_acknowledged": document.get("acknowledged") is not None,
        **{name: len(document.get(name, ())) for name in _COUNTED},
    }
    return _headline(scalars, nested, None)


def _losses(tables: Any) -> tuple[tuple[str, int, int | None], ...]:
    return tuple(_loss(each["table"], each["rows_before"], each["rows"]) for each in tables)


def _scalars(content: bytes) -> dict[str, Any]:
    """The keys of a list, from JSON as the codec and jq indent it: two spaces before each key of the record.

    A line break in JSON is never inside a string, and what is nested is indented by more.
    """
    if not content.endswith((b"}\n", b"}")):
        raise ValueError
    scalars: dict[str, Any] = json.loads(b"{" + b"".join(_LINE.findall(content)).rstrip(b",") + b"}")
    return scalars


def _vanished(content: bytes) -> dict[str, Any]:
    found = _VANISHED.search(content)
    tables: Any = json.loads(found[1]) if found else ()
    return {
        "vanished": _losses(tables),
        "is_acknowledged": _ACKNOWLEDGED in content,
    }


def _left_out(content: bytes) -> dict[str, Any]:
    lengths = {name.decode(): len(json.loads(names)) for name, names in _LEFT_OUT.findall(content)}
    return {**dict.fromkeys(_COUNTED, 0), **lengths}


def _loss(table: Any, before: Any, rows: Any) -> tuple[str, int, int | None]:
    if not (isinstance(table, str) and isinstance(before, int) and isinstance(rows, int | None)):
        raise TypeError
    _check_number(before)
    _check_number(rows)
    return table, before, rows


def _headline(scalars: dict[str, Any], nested: dict[str, Any], path: Path | None) -> BackupSummary:
    if scalars.pop("record_version") != _VERSION or scalars.pop("kind") != "backup":
        raise ValueError
    for name, types in _TYPES.items():
        if not isinstance(scalars[name], types):
            raise TypeError
        _check_number(scalars[name])
    scalars["started_at"] = _moment(scalars["started_at"])
    scalars["finished_at"] = _moment(scalars["finished_at"]) if scalars["finished_at"] else None
    return BackupSummary(**scalars, **nested, path=path)


def _check_number(value: Any) -> None:
    if isinstance(value, int) and not 0 <= value <= _MOST_COUNT:
        raise ValueError
    if isinstance(value, float) and not -_MOST_SECONDS <= value <= _MOST_SECONDS:
        raise ValueError


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None or moment.year not in _YEARS:
        raise ValueError
    return moment.astimezone(UTC)


def _by_the_codec(path: Path) -> BackupSummary:
    from pgbackstop_catalog.records import backup, codec  # noqa: PLC0415 - only for what is unusual, see above

    content = codec.encode(codec.read(backup.Backup, path))
    return _headline(_scalars(content), _vanished(content) | _left_out(content), path)
