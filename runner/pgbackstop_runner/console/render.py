"""Templates, and how values are written in them: the words and numbers of the command line."""

from __future__ import annotations

from datetime import datetime
from functools import cache
from typing import Any, Final
from zoneinfo import ZoneInfo

import jinja2
from markupsafe import Markup

from pgbackstop_catalog import units
from pgbackstop_catalog.model import format_time
from pgbackstop_catalog.text import plain
from pgbackstop_runner.console.bar import bar
from pgbackstop_runner.overview import words

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


@cache
def environment() -> jinja2.Environment:
    """Escapes everything; a name that a template does not know is an error."""
    made = jinja2.Environment(
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
    }
    made.globals |= {
        "bar": bar,
        "restorable": words.restorable,
        "proven": words.proven,
        "row": words.row,
        "plan_titles": words.PLAN_TITLES,
    }
    return made


def page(template: str, **values: Any) -> str:
    """The page."""
    return environment().get_template(template).render(**values)


def _time(moment: datetime | None) -> Markup:
    if moment is None:
        return Markup("")
    return Markup('<time datetime="{}">{} UTC</time>').format(format_time(moment), words.shown(moment))


def _local(moment: datetime) -> str:
    """In its own zone, which is named."""
    zone = moment.tzinfo.key if isinstance(moment.tzinfo, ZoneInfo) else "UTC"
    return f"{moment:%a %Y-%m-%d %H:%M} {zone}"


def _name(text: str) -> Markup:
    """A name or a sentence from outside, in a direction of its own and without control characters."""
    return Markup("<bdi>{}</bdi>").format(plain(text))
