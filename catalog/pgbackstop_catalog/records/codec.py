"""The one way in and out: JSON that a person can read, checked strictly on the way in."""

from __future__ import annotations

import json
from typing import Any, TypeVar

from pydantic import ValidationError

from pgbackstop_catalog import errors
from pgbackstop_catalog.model import Model
from pgbackstop_catalog.records.backup import RECORD_VERSION

V = TypeVar("V", bound=Model)


def encode(record: Model) -> bytes:
    """Indented JSON with a final newline."""
    return record.model_dump_json(indent=2).encode() + b"\n"


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
    first = error.errors(include_url=False, include_input=False)[0]
    place = ".".join(str(part) for part in first["loc"]) or "the file"
    return errors.CatalogError(
        f"{where} is no record of pgbackstop ({place}: {first['msg']}).",
        remedy="It is left where it is; move it away, or restore it with 'pgbackstop catalog rebuild'.",
    )


def _version(content: bytes) -> int:
    try:
        document: Any = json.loads(content)
    except ValueError:
        return 0
    version = document.get("record_version") if isinstance(document, dict) else None
    return version if isinstance(version, int) else 0
