"""What the exporter says of a world step by step, in promtool's notation.

A simulated moment is a real date, because clocks change on dates; promtool's time begins at 0, so timestamps
are shifted.
"""

import re
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

from pgbackstop_exporter.families import servers
from pgbackstop_exporter.families.samples import Families
from pgbackstop_exporter.metrics.contract import METRICS
from pgbackstop_exporter.web import page
from tests.alerts import facts
from tests.alerts.world import World

_ZERO_IS_NEVER = {metric.name for metric in METRICS if "0 = never" in metric.help}
# Of what happened before it began, as if it had happened in its first second.
_AGE = "backup_age_seconds"
_IS_MOMENT = re.compile(r".*(_timestamp_seconds|_success_time)$")
Fault = Callable[[World, datetime], None]
Series = dict[tuple[str, str], list[float | None]]


def samples(
    world: World, days: float, fault: Fault | None = None, *, after: timedelta = timedelta()
) -> Series:
    """Every series of the exporter, a value or None for each step of so many days."""
    found: Series = {}
    steps = int(timedelta(days=days) / world.step)
    for step in range(steps + 1):
        now = world.begins + step * world.step
        world.live(now)
        if fault is not None and now - world.begins >= after:
            fault(world, now)
        up = ("up", "")
        found.setdefault(up, [None] * step).append(float(world.is_exporter_up))
        if world.is_exporter_up:
            for name, where, value in scrape(world, now):
                series = found.setdefault((name, where), [])
                series += [None] * (step - len(series))
                moved = _moved(name, value, world.begins.timestamp())
                clock = now + world.exporter_ahead
                series.append(
                    min(moved, (clock - world.begins).total_seconds() - 1) if name == _AGE else moved
                )
    return {key: [*values, *[None] * (steps + 1 - len(values))] for key, values in found.items()}


def _moved(name: str, value: float, begins: float) -> float:
    """A moment in promtool's time. What happened before it began happened in its first second: 0 is never."""
    if not _IS_MOMENT.fullmatch(name) or not value:
        return value
    return max(1.0, value - begins) if name in _ZERO_IS_NEVER else value - begins


def scrape(world: World, now: datetime) -> Iterator[tuple[str, str, float]]:
    """Each series that the exporter says at that moment: its name, its labels as text, its value."""
    clock = now + world.exporter_ahead
    snapshot = facts.snapshot(world, clock)
    health = Families()
    servers.add_health(health, snapshot)
    for families in (page.build(snapshot, now=clock.timestamp()), health):
        for metric, values in families.at(clock.timestamp()):
            for where, value in values:
                yield metric.name, where.text, value


def shorthand(values: list[float | None]) -> str:
    """promtool's notation: equal values, and values that rise or fall evenly, are told once."""
    told: list[str] = []
    position = 0
    while position < len(values):
        start = values[position]
        length = 1
        pace = _pace(values, position)
        while position + length < len(values) and _goes_on(values, position, length, pace):
            length += 1
        told.append(_told(start, pace, length))
        position += length
    return " ".join(told)


def _pace(values: list[float | None], position: int) -> float:
    following = values[position + 1] if position + 1 < len(values) else None
    here = values[position]
    return 0.0 if here is None or following is None else following - here


def _goes_on(values: list[float | None], position: int, length: int, pace: float) -> bool:
    start, here = values[position], values[position + length]
    if start is None or here is None:
        return start is here
    return abs(here - (start + pace * length)) < 1e-3


def _told(start: float | None, pace: float, length: int) -> str:
    if start is None:
        return f"_x{length}" if length > 1 else "_"
    if length == 1:
        return f"{start:.3f}"
    return f"{start:.3f}{pace:+.3f}x{length - 1}"
