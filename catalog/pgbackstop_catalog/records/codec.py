"""The one way in and out: JSON that a person can read, checked strictly on the way in."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final, TypeVar

from pydantic import ValidationError
from pydantic_core import PydanticSerializationError

from pgbackstop_catalog import errors, regular_file
from pgbackstop_catalog.model import Model
from pgbackstop_catalog.records import json_text
from pgbackstop_catalog.records.attempt import RECORD_VERSION

V = TypeVar("V", bound=Model)
# The record of a million tables with their files; a few kilobytes are usual.
MOST_BYTES: Final = 2**28


def encode(record: Model) -> bytes:
    """Indented JSON with a final newline. What is no text, half a surrogate pair, becomes a question mark."""
    try:
        return record.model_dump_json(indent=2).encode() + b"\n"
    except PydanticSerializationError:
        text = json.dumps(record.model_dump(mode="json"), indent=2, ensure_ascii=False)
        return text.encode(errors="replace") + b"\n"


def read(kind: type[V], path: Path) -> V:
    """Read a record's file. Raises as ``decode`` does, also for what is no file, and OSError."""
    try:
        return decode(kind, regular_file.read(path, MOST_BYTES), where=str(path))
    except regular_file.Unusual as error:
        raise _no_record(str(path), str(error.strerror)) from error


def decode(kind: type[V], content: bytes, *, where: str) -> V:
    """Read one record of ``kind``; ``where`` names its file for the error.

    Raises:
        NewerRecord: its ``record_version`` is greater than ours.
        CatalogError: it is no such record.
    """
    try:
        return kind.model_validate_json(content)
    except ValidationError as error:
        raise _explain(error, content, where) from error


def _explain(error: ValidationError, content: bytes, where: str) -> errors.CatalogError:
    version = _version(content)
    if version > RECORD_VERSION:
        return errors.NewerRecord(
            f"{where} was written by a newer pgbackstop "
            f"(record version {version}; this one reads {RECORD_VERSION}).",
            remedy="Upgrade pgbackstop on this host; nothing was changed.",
        )
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    place = ".".join(str(part) for part in first["loc"]) or "the file"
    return _no_record(where, f"{errors.one_line(place, 100)}: {errors.one_line(first['msg'], 200)}")


def _no_record(where: str, why: str) -> errors.CatalogError:
    return errors.CatalogError(
        f"{where} is no record of pgbackstop ({why}).",
        remedy="It is left where it is; move it away, or restore it with 'pgbackstop catalog rebuild'.",
    )


def _version(content: bytes) -> int:
    try:
        document = json_text.parse(content)
    except ValueError:
        return 0
    version = document.get("record_version") if isinstance(document, dict) else None
    return version if isinstance(version, int) else 0
