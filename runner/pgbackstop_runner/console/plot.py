"""A value of each run over time, as a drawing and as a sentence. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from pgbackstop_catalog.text import Said, said, said_of, word

# The drawing's size, in the units of its own.
WIDTH: Final = 600.0
HEIGHT: Final = 120.0
# So that no dot is cut off at the edge.
_MARGIN: Final = 6.0


@dataclass(frozen=True, kw_only=True)
class Run:
    """An attempt that has ended; ``value`` is None where it did not succeed."""

    id: str
    state: str
    at: datetime
    value: float | None


@dataclass(frozen=True, kw_only=True)
class Dot:
    """A run in the drawing; one that did not succeed stands at the bottom."""

    run: Run
    x: float
    y: float
    shown: Said


@dataclass(frozen=True, kw_only=True)
class Plot:
    """``lines`` are paths of SVG, broken where a run did not succeed; ``top`` is the highest value."""

    dots: tuple[Dot, ...]
    lines: tuple[str, ...]
    top: Said
    summary: Said


def plot(what: Said, runs: Sequence[Run], written: Callable[[float], Said]) -> Plot | None:
    """The runs, the oldest first; None where fewer than two have a value. ``written`` names a value."""
    values = [each.value for each in runs if each.value is not None]
    if len(values) < 2:
        return None
    dots = tuple(_dots(runs, max(values), written))
    return Plot(
        dots=dots,
        lines=tuple(_lines(dots)),
        top=written(max(values)),
        summary=_summary(what, values, len(runs) - len(values), written),
    )


def _summary(what: Said, values: Sequence[float], bad: int, written: Callable[[float], Said]) -> Said:
    told = said(
        "{what} of {n} runs: {first} at first, {last} at last, between {least} and {most}",
        what=what,
        n=len(values),
        first=written(values[0]),
        last=written(values[-1]),
        least=written(min(values)),
        most=written(max(values)),
    )
    if not bad:
        return said("{told}.", told=told)
    return said_of(
        "{told}; {n} run without, drawn as gaps.", "{told}; {n} runs without, drawn as gaps.", bad, told=told
    )


def _dots(runs: Sequence[Run], top: float, written: Callable[[float], Said]) -> list[Dot]:
    first, last = runs[0].at, runs[-1].at
    across = (WIDTH - 2 * _MARGIN) / max((last - first).total_seconds(), 1.0)
    up = (HEIGHT - 2 * _MARGIN) / (top or 1.0)
    return [
        Dot(
            run=each,
            x=round(_MARGIN + (each.at - first).total_seconds() * across, 1),
            y=round(HEIGHT - _MARGIN - (each.value or 0.0) * up, 1),
            shown=word(each.state) if each.value is None else written(each.value),
        )
        for each in runs
    ]


def _lines(dots: Sequence[Dot]) -> list[str]:
    """One for each stretch of runs that succeeded."""
    lines, drawn = [], list[str]()
    for dot in (*dots, None):
        if dot is not None and dot.run.value is not None:
            drawn.append(f"{dot.x} {dot.y}")
            continue
        if len(drawn) > 1:
            lines.append(f"M{' L'.join(drawn)}")
        drawn = []
    return lines
