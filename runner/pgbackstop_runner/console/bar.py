"""The recovery window as a bar: what can be restored, what of it is proven, and the gaps between. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from pgbackstop_runner.recover.recoverable_windows import Recoverable

# The bar's whole length, in the units of its drawing.
WIDTH = 1000.0
_LEAST = 2.0


@dataclass(frozen=True, kw_only=True)
class Piece:
    """A part of the bar; ``kind`` is ``window`` or ``proven``."""

    kind: str
    x: float
    width: float
    start: datetime
    end: datetime


def holes(found: Recoverable) -> tuple[tuple[datetime, datetime], ...]:
    """From when to when nothing can be restored to, between the windows of a server."""
    spans = sorted((span.window.start, span.window.end) for span in found.spans)
    between, until = [], spans[0][1] if spans else None
    for start, end in spans:
        if until is not None and start > until:
            between.append((until, start))
        until = max(end, until or end)
    return tuple(between)


def bar(found: Recoverable, now: datetime) -> tuple[Piece, ...]:
    """The pieces of a server's bar, from its earliest moment to now; what is proven lies on its window."""
    if not found.spans:
        return ()
    first = min(span.window.start for span in found.spans)
    last = max(now, *(span.window.end for span in found.spans))
    scale = WIDTH / max((last - first).total_seconds(), 1.0)

    def piece(kind: str, start: datetime, end: datetime) -> Piece:
        width = max((end - start).total_seconds() * scale, _LEAST)
        x = min((start - first).total_seconds() * scale, WIDTH - width)
        return Piece(kind=kind, x=round(x, 2), width=round(width, 2), start=start, end=end)

    pieces = []
    for span in found.spans:
        pieces.append(piece("window", span.window.start, span.window.end))
        if span.drill is not None and span.drill.proven_until is not None:
            pieces.append(piece("proven", span.window.start, span.drill.proven_until))
    return tuple(pieces)
