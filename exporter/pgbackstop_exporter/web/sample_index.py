"""The samples of a page by metric and labels, and their numbers in words for people: pure."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from pgbackstop_catalog import units
from pgbackstop_exporter.families.samples import NONE, Families, Labels
from pgbackstop_exporter.metrics.metric import Metric


class SampleIndex:
    """The samples of a page, by metric and labels, as of ``now``."""

    def __init__(self, families: Families, now: float) -> None:
        self.now = now
        self._samples = {
            (metric.name, where.text): (where, value)
            for metric, samples in families.at(now)
            for where, value in samples
        }

    def of(self, metric: Metric, where: Labels) -> float | None:
        """The sample's value; None where there is none."""
        found = self._samples.get((metric.name, where.text))
        return found[1] if found else None

    def own(self, metric: Metric) -> float | None:
        """The value of a sample without labels."""
        return self.of(metric, NONE)

    def each(self, *metrics: Metric) -> Iterator[tuple[Labels, dict[str, str]]]:
        """Every set of labels that one of these metrics has, once."""
        names = {metric.name for metric in metrics}
        seen = {
            where.text: where for (name, _text), (where, _value) in self._samples.items() if name in names
        }
        for where in seen.values():
            yield where, dict(where.pairs)

    def ago(self, moment: float | None, *, never: str = "never") -> str:
        """``3h00m ago``; for moments ahead ``in 3h00m``."""
        if not moment:
            return never
        passed = self.now - moment
        text = units.format_duration(abs(passed))
        return f"{text} ago" if passed >= 0 else f"in {text}"


def moment(unix: float) -> str:
    """``2026-11-22 02:00:00 UTC``."""
    return f"{datetime.fromtimestamp(unix, UTC):%Y-%m-%d %H:%M:%S} UTC"


def span(seconds: float) -> str:
    """``25h`` for whole minutes, else the shortest readable form."""
    return units.format_exact_duration(seconds) if seconds % 60 == 0 else units.format_duration(seconds)


def duration(seconds: float | None) -> str:
    """``3m05s``; empty where it is not known."""
    return "" if seconds is None else units.format_duration(seconds)


def size(number: float | None) -> str:
    """``4.2 MB``; empty where it is not known."""
    return "" if number is None else units.format_size(number)
