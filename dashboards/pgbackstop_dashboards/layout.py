"""Places panels on Grafana's grid: left to right, a new line where the next does not fit; pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from pgbackstop_dashboards.model import Panel, Row

GRID_WIDTH: Final = 24


@dataclass(frozen=True, kw_only=True)
class Placed:
    """A panel with its id and its upper left corner."""

    panel: Panel
    id: int
    x: int
    y: int


@dataclass(frozen=True, kw_only=True)
class PlacedRow:
    """A row's heading with its id and its line, and its panels."""

    row: Row
    id: int
    y: int
    panels: tuple[Placed, ...]


def place(rows: tuple[Row, ...]) -> tuple[PlacedRow, ...]:
    """Ids count from 1 over the whole page. A collapsed row takes one line, whatever it holds; a row
    without a title has no line of its own.
    """
    found: list[PlacedRow] = []
    number, y = 1, 0
    for row in rows:
        panels, bottom = _line_up(row.panels, number + 1, y + bool(row.title))
        found.append(PlacedRow(row=row, id=number, y=y, panels=panels))
        number += 1 + len(panels)
        y = y + 1 if row.collapsed else bottom
    return tuple(found)


def _line_up(panels: tuple[Panel, ...], number: int, top: int) -> tuple[tuple[Placed, ...], int]:
    """The panels in their places, and the first free line below them."""
    found: list[Placed] = []
    x, y, bottom = 0, top, top
    for panel in panels:
        if x + panel.width > GRID_WIDTH:
            x, y = 0, bottom
        found.append(Placed(panel=panel, id=number + len(found), x=x, y=y))
        x, bottom = x + panel.width, max(bottom, y + panel.height)
    return tuple(found), bottom
