"""Families of samples under the names of the contract: what a page consists of."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache

from pgbackstop_exporter.metrics.contract import METRICS
from pgbackstop_exporter.metrics.metric import Metric


@dataclass(frozen=True, slots=True)
class Labels:
    """Label names and values, and how they stand in a page: sorted by name."""

    pairs: tuple[tuple[str, str], ...]
    text: str
    parts: tuple[str, ...]

    def plus(self, name: str, value: str) -> Labels:
        """These and one more; what was escaped once is not escaped again."""
        return _labels((*self.pairs, (name, value)), (*self.parts, _part(name, value)))


def labels(**values: str) -> Labels:
    """Labels of these names and values."""
    return _labels(tuple(values.items()), tuple(_part(name, value) for name, value in values.items()))


def _labels(pairs: tuple[tuple[str, str], ...], parts: tuple[str, ...]) -> Labels:
    return Labels(pairs, "{" + ",".join(sorted(parts)) + "}" if parts else "", parts)


@lru_cache(maxsize=1024)  # the same few reasons and servers come back with every plan
def _part(name: str, value: str) -> str:
    return f'{name}="{_escaped(value)}"'


def _escaped(value: str) -> str:
    if value.isalnum():
        return value
    return value.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")


NONE = labels()


@dataclass(frozen=True)
class Families:
    """Samples by metric. ``since`` holds moments whose age is the value, computed when a page is served."""

    values: dict[Metric, list[tuple[Labels, float]]] = field(default_factory=dict)
    since: dict[Metric, list[tuple[Labels, float]]] = field(default_factory=dict)

    def add(self, metric: Metric, where: Labels, value: float | None) -> None:
        """One sample; None is no sample."""
        if value is not None:
            self.values.setdefault(metric, []).append((where, float(value)))

    def add_age(self, metric: Metric, where: Labels, moment: float) -> None:
        """One sample whose value is the time since ``moment``, in Unix seconds; none where that is 0."""
        if moment:
            self.since.setdefault(metric, []).append((where, moment))

    def at(self, now: float) -> Iterator[tuple[Metric, list[tuple[Labels, float]]]]:
        """Every family that has samples, in the contract's order, as of ``now``."""
        for metric in METRICS:
            if metric in self.values:
                yield metric, self.values[metric]
            if metric in self.since:
                yield metric, ages(self.since[metric], now)


def ages(moments: list[tuple[Labels, float]], now: float) -> list[tuple[Labels, float]]:
    """How long ago each moment was, in seconds to the millisecond."""
    return [(where, round(now - moment, 3)) for where, moment in moments]
