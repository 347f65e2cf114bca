"""The one module that prints: tables and sentences on standard output, errors on standard error."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pgbackstop_catalog.values import Value


@dataclass(frozen=True, kw_only=True)
class Column:
    """A table's column."""

    title: str
    right: bool = False


def say(text: str = "") -> None:
    """A line on standard output."""
    sys.stdout.write(text + "\n")


def complain(text: str) -> None:
    """A line on standard error."""
    sys.stderr.write(text + "\n")


def table(columns: Sequence[Column], rows: Iterable[Sequence[str]]) -> None:
    """Aligned columns under a line of titles; readable on a terminal and in a pipe alike."""
    content = [tuple(column.title for column in columns), *(tuple(row) for row in rows)]
    widths = [max(map(len, cells)) for cells in zip(*content, strict=True)]
    for row in content:
        cells = (
            cell.rjust(width) if column.right else cell.ljust(width)
            for cell, width, column in zip(row, widths, columns, strict=True)
        )
        say("  ".join(cells).rstrip())


def values(records: Iterable[Value]) -> None:
    """A JSON array of records, for programs."""
    say(json.dumps([record.model_dump(mode="json") for record in records], indent=2))


def value(record: Value) -> None:
    """One record as JSON, for programs."""
    say(record.model_dump_json(indent=2))


def document(content: object) -> None:
    """Any JSON document, for programs."""
    say(json.dumps(content, indent=2))
