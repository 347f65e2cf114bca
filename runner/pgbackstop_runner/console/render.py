"""Templates, and how values are written in them: the words and numbers of the command line."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from functools import cache, partial
from typing import Any, Final
from zoneinfo import ZoneInfo

import jinja2
from jinja2.ext import Extension
from markupsafe import Markup

from pgbackstop_catalog import units
from pgbackstop_catalog.model import format_time
from pgbackstop_catalog.text import Said, plain, said, word
from pgbackstop_runner.console import language
from pgbackstop_runner.console.bar import bar, holes
from pgbackstop_runner.console.language import Language
from pgbackstop_runner.overview import words

# What follows is a path from the root, or an expression that gives one; "#part" of the page is neither.
_ADDRESS: Final = re.compile(r'\b(?:href|src|action|formaction|hx-get|hx-post)="(?=/|\{\{)')
_TONES: Final = {
    "ok": "good",
    "available": "good",
    "succeeded": "good",
    "running": "busy",
    "ending": "busy",
    "warning": "warn",
    "missed": "warn",
    "interrupted": "warn",
    "cancelled": "warn",
    "incomplete": "warn",
    "unknown": "unknown",
    "critical": "bad",
    "failed": "bad",
}
# For those who see no colours.
_MARKS: Final = {"good": "✓", "bad": "✕", "warn": "!", "busy": "…"}


class _BelowPath(Extension):
    """Lets every address in a template begin with the console's path.

    All of them begin at the root; one of somebody else's is written by ``xmlattr``.
    """

    def preprocess(self, source: str, name: str | None, filename: str | None = None) -> str:
        """The template with the path before each address."""
        return _ADDRESS.sub(r"\g<0>{{ console_path }}", source)


@cache
def environment(path: str = "", code: str = language.ENGLISH) -> jinja2.Environment:
    """Escapes everything; a name that a template does not know is an error."""
    spoken = language.language(code)
    made = jinja2.Environment(
        extensions=[_BelowPath],
        loader=jinja2.PackageLoader("pgbackstop_runner.console"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=lambda value: spoken.sentence(value) if isinstance(value, Said) else value,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= _filters(spoken)
    made.tests["said"] = lambda value: isinstance(value, Said)
    made.globals |= {
        "_": spoken.say,
        "_n": spoken.say_of,
        "language": spoken,
        "languages": language.NAMES,
        "console_path": path,
        "bar": bar,
        "holes": holes,
        "restorable": words.restorable,
        "proven": words.proven,
        "row": words.row,
    }
    return made


def page(template: str, path: str = "", **values: Any) -> str:
    """The page, of a console at that path, in the language of the request."""
    return environment(path, language.current().code).get_template(template).render(**values)


def _filters(spoken: Language) -> dict[str, Callable[..., Any]]:
    return {
        "time": partial(_time, spoken),
        "stamp": lambda value: "" if value is None else spoken.sentence(words.shown(value)),
        "size": lambda value: "" if value is None else spoken.sentence(units.format_size(value)),
        "took": lambda value: "" if value is None else spoken.sentence(units.format_duration(value)),
        "number": spoken.number,
        "word": spoken.word,
        "sentence": spoken.sentence,
        "tone": lambda value: _TONES.get(str(value), "calm"),
        "name": partial(_name, spoken),
        "code": lambda value: Markup("<code>{}</code>").format(_name(spoken, value)),
        "lines": lambda text: plain(text, keep="\n\t"),
        "local": partial(_local, spoken),
        "mark": lambda state: _MARKS.get(_TONES.get(str(state), ""), "-"),
    }


def _time(spoken: Language, moment: datetime | None) -> Markup:
    if moment is None:
        return Markup("")
    shown = spoken.sentence(words.shown(moment))
    return Markup('<time datetime="{}">{} UTC</time>').format(format_time(moment), shown)


def _local(spoken: Language, moment: datetime) -> Markup:
    """In its own zone, which is named; a script writes the viewer's beside it."""
    zone = moment.tzinfo.key if isinstance(moment.tzinfo, ZoneInfo) else "UTC"
    shown = said("{day} {moment:%Y-%m-%d %H:%M}", day=word(f"{moment:%a}"), moment=moment)
    return Markup('<time datetime="{}" data-zone="{}">{} {}</time>').format(
        format_time(moment), zone, spoken.sentence(shown), zone
    )


def _name(spoken: Language, text: str) -> Markup:
    """A name or a sentence from outside, in a direction of its own and without control characters.

    What was said here is in the page's language.
    """
    return Markup("<bdi>{}</bdi>").format(plain(spoken.sentence(text))) if text else Markup("")
