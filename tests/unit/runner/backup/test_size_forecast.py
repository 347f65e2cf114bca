"""How big the next backup will be."""

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from pgbackstop_catalog.records.backup import Backup
from pgbackstop_runner.backup import size_forecast
from tests.support import factories

NOW = datetime(2026, 11, 22, tzinfo=UTC)
sizes = st.integers(min_value=1, max_value=10**15)


def backup(size: int | None, source: int | None = None) -> Backup:
    return factories.daily(size_bytes=size, source_size_bytes=source)


def test_first_guess() -> None:
    assert size_forecast.next_size([], 1000, compressed=True).size_bytes == 500
    assert size_forecast.next_size([], 1000, compressed=False).size_bytes == 1000
    assert size_forecast.next_size([], None, compressed=True).size_bytes == 0
    assert size_forecast.next_size([backup(None)], 1000, compressed=True).size_bytes == 500


def test_by_ratio_of_the_newest() -> None:
    past = [backup(100, 1000)] * 5 + [backup(1000, 1000)] * 100
    found = size_forecast.next_size(past, 2000, compressed=True)
    assert found.size_bytes == int(200 * size_forecast.MARGIN)
    assert found.reason == "as the last 5 backups compressed"


def test_without_a_size_of_the_source() -> None:
    found = size_forecast.next_size([backup(100), backup(300, 5)], None, compressed=True)
    assert found.size_bytes == int(300 * size_forecast.MARGIN)
    assert found.reason == "as big as the last 2 backups"


@given(st.lists(st.tuples(sizes, sizes), min_size=1, max_size=9), sizes)
def test_between_the_least_and_the_most(past: list[tuple[int, int]], source: int) -> None:
    found = size_forecast.next_size([backup(*each) for each in past], source, compressed=True)
    ratios = [size / of for size, of in past[: size_forecast.SAMPLES]]
    assert min(ratios) * source <= found.size_bytes + 1
    assert found.size_bytes <= max(ratios) * source * size_forecast.MARGIN * 1.000001
