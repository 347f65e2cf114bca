"""Templates, and how values are written in them: the words and numbers of the command line."""

from __future__ import annotations

import re
from datetime import datetime
from functools import cache
from typing import Any, Final
from zoneinfo import ZoneInfo

import jinja2
from jinja2.ext import Extension
from markupsafe import Markup

from pgbackstop_catalog import units
from pgbackstop_catalog.model import format_time
from pgbackstop_catalog.text import plain
from pgbackstop_runner.console.bar import bar, holes
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
    """Lets every address in a template, all of which begin at the root, begin with the console's path."""

    def preprocess(self, source: str, name: str | None, filename: str | None = None) -> str:
        """The template with the path before each address."""
        return _ADDRESS.sub(r"\g<0>{{ console_path }}", source)


@cache
def environment(path: str = "") -> jinja2.Environment:
    """Escapes everything; a name that a template does not know is an error."""
    made = jinja2.Environment(
        extensions=[_BelowPath],
        loader=jinja2.PackageLoader("pgbackstop_runner.console"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {
        "time": _time,
        "size": lambda value: "" if value is None else units.format_size(value),
        "took": lambda value: "" if value is None else units.format_duration(value),
        "tone": lambda value: _TONES.get(str(value), "calm"),
        "name": _name,
        "lines": lambda text: plain(text, keep="\n\t"),
        "local": _local,
        "mark": lambda state: _MARKS.get(_TONES.get(str(state), ""), "-"),
    }
    made.globals |= {
        "console_path": path,
        "bar": bar,
        "holes": holes,
        "restorable": words.restorable,
        "proven": words.proven,
        "row": words.row,
        "plan_titles": words.PLAN_TITLES,
    }
    return made


def page(template: str, path: str = "", **values: Any) -> str:
    """The page, of a console at that path."""
    return environment(path).get_template(template).render(**values)


def _time(moment: datetime | None) -> Markup:
    if moment is None:
        return Markup("")
    return Markup('<time datetime="{}">{} UTC</time>').format(format_time(moment), words.shown(moment))


def _local(moment: datetime) -> Markup:
    """In its own zone, which is named; a script writes the viewer's beside it."""
    zone = moment.tzinfo.key if isinstance(moment.tzinfo, ZoneInfo) else "UTC"
    return Markup('<time datetime="{}" data-zone="{}">{} {}</time>').format(
        format_time(moment), zone, f"{moment:%a %Y-%m-%d %H:%M}", zone
    )


def _name(text: str) -> Markup:
    """A name or a sentence from outside, in a direction of its own and without control characters."""
    return Markup("<bdi>{}</bdi>").format(plain(text)) if text else Markup("")
