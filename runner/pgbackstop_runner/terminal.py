"""The one module that prints: tables and sentences on standard output, errors on standard error."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pgbackstop_catalog import text as words

if TYPE_CHECKING:
    from pgbackstop_catalog.model import Model


@dataclass(frozen=True, kw_only=True)
class Column:
    """A table's column; words of a ``state`` have their colours at a terminal."""

    title: str
    right: bool = False
    state: bool = False


# https://en.wikipedia.org/wiki/ANSI_escape_code#Colors: nothing is said by a colour alone.
_GREEN, _YELLOW, _RED = "32", "33", "31"
_COLOURS = {
    **dict.fromkeys(("ok", "available", "succeeded", "there"), _GREEN),
    **dict.fromkeys(
        ("missed", "not proven", "never run", "never succeeded", "advice", "unknown", "?", "silent"), _YELLOW
    ),
    **dict.fromkeys(
        ("failed", "interrupted", "too old", "overdue", "missing", "rows vanished", "drill failed"), _RED
    ),
    **dict.fromkeys(("no WAL arrives", "gap", "unreadable", "NO", "MISSING", "NOT THERE"), _RED),
}


# No sentence of ours is longer; what a server or a tool said may be.
_MOST_LETTERS = 20_000


def say(text: str = "") -> None:
    """Lines on standard output."""
    sys.stdout.write(_shown(text) + "\n")


def complain(text: str) -> None:
    """Lines on standard error."""
    sys.stderr.write(_shown(text) + "\n")


def clear() -> None:
    """Empty the screen: https://en.wikipedia.org/wiki/ANSI_escape_code#CSI"""
    sys.stdout.write("\033[H\033[2J")


def _shown(text: str) -> str:
    """The text without what a terminal would obey, no line longer than any of ours."""
    return "\n".join(words.plain(words.bounded(line, _MOST_LETTERS)) for line in text.split("\n"))


def table(columns: Sequence[Column], rows: Iterable[Sequence[str]]) -> None:
    """Aligned columns under a line of titles; readable on a terminal and in a pipe alike."""
    content = [tuple(column.title for column in columns), *(tuple(map(plain, row)) for row in rows)]
    widths = [max(map(len, cells)) for cells in zip(*content, strict=True)]
    coloured = _has_colours()
    for number, row in enumerate(content):
        cells = (
            _cell(cell, width, column, coloured=coloured and number > 0)
            for cell, width, column in zip(row, widths, columns, strict=True)
        )
        sys.stdout.write("  ".join(cells).rstrip() + "\n")


def _cell(text: str, width: int, column: Column, *, coloured: bool) -> str:
    """A cell that a terminal may obey in nothing but its colour."""
    padding = " " * (width - len(text))
    shown = _shown(text)
    if coloured and column.state and text in _COLOURS:
        shown = f"\033[{_COLOURS[text]}m{shown}\033[0m"
    return padding + shown if column.right else shown + padding


def is_watched() -> bool:
    """Whether a person sees standard error, at a terminal where a line can be written over."""
    return sys.stderr is not None and sys.stderr.isatty() and os.environ.get("TERM", "dumb") != "dumb"


def _has_colours() -> bool:
    """Whether a person sees them, and wants to: https://no-color.org"""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def plain(text: str) -> str:
    """``text`` on one line without control characters: names and messages come from outside."""
    return words.plain(" ".join(text.split("\n")))


def values(records: Iterable[Model]) -> None:
    """A JSON array of records, for programs; each is written as it comes, so that many need no memory."""
    sys.stdout.write("[")
    for number, record in enumerate(records):
        sys.stdout.write(",\n" if number else "\n")
        _write(record.model_dump_json(indent=2))
    say("\n]")


def value(record: Model) -> None:
    """One record as JSON, for programs."""
    _write(record.model_dump_json(indent=2) + "\n")


def document(content: object) -> None:
    """Any JSON document, for programs."""
    _write(json.dumps(content, indent=2) + "\n")


def _write(document: str) -> None:
    """JSON as it is; what a terminal would obey is escaped, which means the same in JSON."""
    sys.stdout.write(words.plain(document, keep="\n"))


class Progress:
    """How far a long step has come, in a line each quarter where no bar is drawn of it."""

    def __init__(self, *, is_drawn: bool) -> None:
        self._is_drawn = is_drawn
        self._last = ("", -1)

    def show(self, what: str, share: float) -> None:
        """``share`` is from 0 to 1."""
        percent = int(share * 100)
        # The first word is the step: what follows it changes all the time.
        quarter = (what.partition(" ")[0], percent // 25)
        if quarter != self._last and 0 < percent < 100 and not self._is_drawn:
            say(f"  {percent:3d} %  {what}")
        self._last = quarter

    def step(self, text: str) -> None:
        """A step that is done."""
        say(f"  {text}")
        sys.stdout.flush()
