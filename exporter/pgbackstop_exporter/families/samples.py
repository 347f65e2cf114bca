"""Families of samples under the names of the contract: what a page consists of."""

from __future__ import annotations

from array import array
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import chain
from typing import TypeVar

from pgbackstop_exporter.metrics.contract import METRICS
from pgbackstop_exporter.metrics.metric import Metric

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Labels:
    """Label names and values.

    ``flat`` is name, value, name, value: a pair would be a tuple for each, 3 MB of a thousand plans.
    """

    flat: tuple[str, ...]
    _text: str | None = field(default=None, compare=False, repr=False)

    @property
    def text(self) -> str:
        """How they stand in a page: sorted by name."""
        return _text(self.flat) if self._text is None else self._text

    @property
    def pairs(self) -> tuple[tuple[str, str], ...]:
        """Each name with its value."""
        return tuple(zip(self.flat[::2], self.flat[1::2], strict=True))

    def plus(self, name: str, value: str) -> Labels:
        """These and one more. Few samples have them, so that their text is made for each, and not kept."""
        return Labels((*self.flat, name, value))


def labels(**values: str) -> Labels:
    """Labels of these names and values."""
    flat = tuple(chain.from_iterable(values.items()))
    return Labels(flat, _text(flat))


def _text(flat: tuple[str, ...]) -> str:
    parts = sorted(map(_part, flat[::2], flat[1::2]))
    return "{" + ",".join(parts) + "}" if parts else ""


@lru_cache(maxsize=1024)  # the same few reasons and servers come back with every plan
def _part(name: str, value: str) -> str:
    return f'{name}="{_escaped(value)}"'


def _escaped(value: str) -> str:
    if value.isalnum():
        return value
    return value.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")


NONE = labels()


class Samples:
    """Labels and values of one metric: of a thousand plans 50,000 in all, of 16 bytes here, 104 as pairs."""

    def __init__(self) -> None:
        self._labels: list[Labels] = []
        self._values = array("d")

    def add(self, where: Labels, value: float) -> None:
        """One more."""
        self._labels.append(where)
        self._values.append(value)

    def __iter__(self) -> Iterator[tuple[Labels, float]]:
        return zip(self._labels, self._values, strict=True)


@dataclass(frozen=True)
class Families:
    """Samples by metric. ``since`` holds moments whose age is the value, computed when a page is served."""

    values: dict[Metric, Samples] = field(default_factory=lambda: defaultdict(Samples))
    since: dict[Metric, Samples] = field(default_factory=lambda: defaultdict(Samples))

    def add(self, metric: Metric, where: Labels, value: float | None) -> None:
        """One sample; None is no sample."""
        if value is not None:
            self.values[metric].add(where, value)

    def add_age(self, metric: Metric, where: Labels, moment: float) -> None:
        """One sample whose value is the time since ``moment``, in Unix seconds; none where that is 0."""
        if moment:
            self.since[metric].add(where, moment)

    def at(self, now: float) -> Iterator[tuple[Metric, Iterable[tuple[Labels, float]]]]:
        """Every family that has samples, in the contract's order, as of ``now``."""
        for metric in METRICS:
            if metric in self.values:
                yield metric, self.values[metric]
            if metric in self.since:
                yield metric, ages(self.since[metric], now)


def ages(moments: Iterable[tuple[T, float]], now: float) -> list[tuple[T, float]]:
    """How long ago each moment was, in seconds to the millisecond."""
    return [(where, round(now - moment, 3)) for where, moment in moments]
