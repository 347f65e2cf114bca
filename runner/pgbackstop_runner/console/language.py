"""The language of a page: English, or one that has a catalog of translations here.

What is said in English elsewhere is said in the page's language where the page is made, and nowhere else:
records, logs, the command line and the API stay English.
"""

from __future__ import annotations

import gettext
from collections.abc import Iterable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any, Final

from aiohttp import hdrs, web
from markupsafe import Markup, escape

from pgbackstop_catalog.text import Said
from pgbackstop_runner.console.guard import Handler

ENGLISH: Final = "en"
NAMES: Final = {ENGLISH: "English", "ru": "Русский"}
COOKIE: Final = "pgbackstop_language"
# The thousands' and the decimals' separator of a number, as Python writes it, and as the language does.
_SEPARATORS: Final = {"ru": str.maketrans({",": "\u00a0", ".": ","})}
_MOST_ASKED: Final = 20
_current: ContextVar[str] = ContextVar("language", default=ENGLISH)


@dataclass(frozen=True)
class _Number:
    """A number in a sentence; its pattern says how it is written."""

    value: float
    separators: Mapping[int, str]

    def __format__(self, how: str) -> str:
        return format(self.value, how).translate(self.separators)


@dataclass(frozen=True, kw_only=True)
class Language:
    """Says sentences, of which it has those of its catalog; the others stay English."""

    code: str
    catalog: gettext.NullTranslations

    def sentence(self, text: str) -> str:
        """What was said, in this language; any other text as it is."""
        if not isinstance(text, Said) or not text.pattern:
            return str(text)
        pattern = self._pattern(text.pattern, text.many, text.values.get("n", 1))
        return pattern.format(**self._values(text.values)) if text.values else pattern

    def word(self, text: str) -> str:
        """A word that is in the catalog, as states are; any other as it is."""
        return self._pattern(text, "", 1)

    def number(self, value: float) -> str:
        """``1,204`` in English."""
        return format(self._value(value), ",")

    def say(self, pattern: str, **values: Any) -> Markup:
        """A sentence of a template; what is no markup among its values is escaped, and so is the pattern."""
        return escape(self._pattern(pattern, "", 1)).format(**self._values(values))

    def say_of(self, one: str, many: str, n: float, **values: Any) -> Markup:
        """The same of a number ``n`` of something."""
        return escape(self._pattern(one, many, n)).format(**self._values({"n": n, **values}))

    def _pattern(self, one: str, many: str, n: float) -> str:
        if many:
            return self.catalog.ngettext(one, many, int(n))
        return self.catalog.gettext(one) if one else ""  # of "" it has its own description

    def _values(self, values: Mapping[str, Any]) -> dict[str, Any]:
        return {name: self._value(each) for name, each in values.items()}

    def _value(self, value: Any) -> Any:
        if isinstance(value, Said):
            return self.sentence(value)
        if isinstance(value, int | float):
            return _Number(value, _SEPARATORS.get(self.code, {}))
        return value


@cache
def language(code: str) -> Language:
    """The language of that code."""
    if code == ENGLISH:
        return Language(code=code, catalog=gettext.NullTranslations())
    file = resources.files("pgbackstop_runner.console").joinpath("translations", f"{code}.mo")
    with file.open("rb") as opened:
        return Language(code=code, catalog=gettext.GNUTranslations(opened))


def current() -> Language:
    """That of the request which is being answered."""
    return language(_current.get())


def wanted(chosen: str, accepted: str) -> str:
    """The code of the language that was chosen, else of the first that the browser accepts. Pure."""
    if chosen in NAMES:
        return chosen
    return next((code for code in _by_weight(accepted) if code in NAMES), ENGLISH)


def _by_weight(accepted: str) -> Iterable[str]:
    """Of ``ru-RU,ru;q=0.9,en;q=0.8``, the most wanted first; what is not understood is left out."""
    found = []
    for each in accepted.split(",", _MOST_ASKED)[:_MOST_ASKED]:
        tag, _, weight = each.partition(";")
        try:
            quality = float(weight.strip().removeprefix("q=") or 1.0)
        except ValueError:
            continue
        if quality > 0:
            found.append((quality, tag.strip().lower().partition("-")[0]))
    return [code for _, code in sorted(found, key=lambda pair: pair[0], reverse=True)]


@web.middleware
async def chosen(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Let the answer be in the language of whoever asks."""
    accepted = request.headers.get(hdrs.ACCEPT_LANGUAGE, "")
    _current.set(wanted(request.cookies.get(COOKIE, ""), accepted))
    return await handler(request)
