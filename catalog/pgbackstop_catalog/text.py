"""Names, and words that come from outside: which are taken, and how they are shown. Imports nothing slow."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any, Final, Self

NAME_PATTERN: Final = r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$"
# What a server, a tool or a program that was asked says may be of any length.
MOST_LETTERS: Final = 2_000
_NAME = re.compile(NAME_PATTERN)
_ODD = re.compile(r"[^ -~]")


def is_name(text: str) -> bool:
    """Return whether it is a name of a plan, a server or a storage."""
    return _NAME.fullmatch(text) is not None


def plain(text: str, *, keep: str = "") -> str:
    """The text without what a terminal would obey: such letters are escaped as JSON escapes them.

    Those of ``keep`` stay as they are.
    """
    if text.isprintable():
        return text

    def shown(odd: re.Match[str]) -> str:
        return odd[0] if odd[0].isprintable() or odd[0] in keep else json.dumps(odd[0])[1:-1]

    return _ODD.sub(shown, text)


def bounded(text: str, most: int = MOST_LETTERS) -> str:
    """Its beginning, and how long it is, where it is longer than ``most`` letters."""
    return text if len(text) <= most else f"{text[:most]}… ({len(text)} letters)"


class Said(str):
    """A sentence in English that knows what it was made of, so that it can be said in another language.

    For everybody who does not ask it is a text like any other. ``pattern`` has a field for each of
    ``values``, and ``many`` is the pattern for another number ``n`` than one; "": there is none.
    """

    pattern: str
    many: str
    values: dict[str, Any]

    def __new__(
        cls, whole: str, pattern: str = "", many: str = "", values: dict[str, Any] | None = None
    ) -> Self:
        made = super().__new__(cls, whole)
        made.pattern, made.many, made.values = pattern, many, values or {}
        return made


def said(pattern: str, **values: Any) -> Said:
    """The sentence of a pattern as ``str.format`` takes it."""
    return Said(pattern.format(**values), pattern, values=values)


def said_of(one: str, many: str, n: float, **values: Any) -> Said:
    """The same for a number ``n`` of something, with the pattern that fits it."""
    whole = (one if n == 1 else many).format(n=n, **values)
    return Said(whole, one, many, {"n": n, **values})


def taken_apart(value: Any) -> Any:
    """What was said, as JSON has it; any other value as it is, a moment as the text that it makes."""
    if isinstance(value, Said) and value.pattern:
        values = {name: taken_apart(each) for name, each in value.values.items()}
        return {"pattern": value.pattern, "many": value.many, "values": values}
    return value if isinstance(value, str | int | float) else str(value)


def put_together(document: Any) -> Any:
    """What ``taken_apart`` made, as it was said. Raises KeyError, TypeError, ValueError for anything else."""
    if not isinstance(document, dict):
        return document
    values = {name: put_together(each) for name, each in document["values"].items()}
    if document["many"]:
        return said_of(document["pattern"], document["many"], **values)
    return said(document["pattern"], **values)


def word(text: str) -> Said:
    """A word that has a translation of its own."""
    return Said(text, text)


def joined(separator: str, parts: Iterable[str]) -> Said:
    """The parts, each of which can be said in another language, one after the other."""
    values = {f"part{number}": each for number, each in enumerate(parts)}
    return said(separator.join(f"{{{name}}}" for name in values), **values)
