"""Names, and words that come from outside: which are taken, and how they are shown. Imports nothing slow."""

from __future__ import annotations

import json
import re
from typing import Final

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
