"""The one module that prints: tables and sentences on standard output, errors on standard error."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pgbackstop_catalog.model import Model


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
    content = [tuple(column.title for column in columns), *(tuple(map(plain, row)) for row in rows)]
    widths = [max(map(len, cells)) for cells in zip(*content, strict=True)]
    for row in content:
        cells = (
            cell.rjust(width) if column.right else cell.ljust(width)
            for cell, width, column in zip(row, widths, columns, strict=True)
        )
        say("  ".join(cells).rstrip())


def plain(text: str) -> str:
    """``text`` on one line without control characters: names and messages come from outside."""
    if text.isprintable():
        return text
    return "".join(letter if letter.isprintable() else " " for letter in text)


def values(records: Iterable[Model]) -> None:
    """A JSON array of records, for programs; each is written as it comes, so that many need no memory."""
    sys.stdout.write("[")
    for number, record in enumerate(records):
        sys.stdout.write(",\n" if number else "\n")
        sys.stdout.write(record.model_dump_json(indent=2))
    say("\n]")


def value(record: Model) -> None:
    """One record as JSON, for programs."""
    say(record.model_dump_json(indent=2))


def document(content: object) -> None:
    """Any JSON document, for programs."""
    say(json.dumps(content, indent=2))


class Progress:
    """How far a long step has come: one line that is written over on a terminal, else one each quarter."""

    def __init__(self) -> None:
        self._terminal = sys.stdout.isatty()
        self._last = ("", -1)
        self._open = False

    def show(self, what: str, share: float) -> None:
        """``share`` is from 0 to 1."""
        percent = int(share * 100)
        if self._terminal:
            sys.stdout.write(f"\r\033[K  {percent:3d} %  {what}")
            sys.stdout.flush()
            self._open = True
        else:
            # The first word is the step: what follows it changes all the time.
            quarter = (what.partition(" ")[0], percent // 25)
            if quarter != self._last and 0 < percent < 100:
                say(f"  {percent:3d} %  {what}")
            self._last = quarter

    def step(self, text: str) -> None:
        """A step that is done."""
        if self._open:
            sys.stdout.write("\r\033[K")
            self._open = False
        say(f"  {text}")
        sys.stdout.flush()
