"""A file that is fetched by ranges: what did not come is fetched again."""

import io
import threading
from collections import Counter

import pytest

from pgbackstop_runner.storage import range_reader, retries
from pgbackstop_runner.storage.protocol import Damaged, Lasting, StoreError
from pgbackstop_runner.storage.range_reader import RangeReader

CONTENT = bytes(range(256)) * 40


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ranges of a hundred bytes."""
    monkeypatch.setattr(range_reader, "RANGE_BYTES", 100)
    monkeypatch.setattr(retries, "PAUSES", (0.001, 0.001, 0.001))


def test_each_range_is_tried_again() -> None:
    asked: Counter[int] = Counter()

    def fetch(start: int, length: int) -> bytes:
        asked[start] += 1
        if asked[start] <= start % 300 // 100:
            raise StoreError("cut")
        return CONTENT[start : start + length]

    with io.BufferedReader(RangeReader(fetch, len(CONTENT))) as stream:
        assert stream.read() == CONTENT
    assert set(asked.values()) == {1, 2, 3}


@pytest.mark.parametrize(("kind", "times"), [(StoreError, 4), (Lasting, 1), (Damaged, 1)])
def test_what_fails_in_the_end_is_raised(kind: type[StoreError], times: int) -> None:
    asked: Counter[int] = Counter()

    def fetch(start: int, _length: int) -> bytes:
        asked[start] += 1
        raise kind("refused")

    with pytest.raises(kind, match="refused"), io.BufferedReader(RangeReader(fetch, 1000)) as stream:
        stream.read()
    assert asked[0] == times


def test_closed_it_waits_for_no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retries, "PAUSES", (10**6,))
    failed = threading.Event()

    def fetch(start: int, length: int) -> bytes:
        if start:
            failed.set()
            raise StoreError("cut")
        return CONTENT[:length]

    reader = RangeReader(fetch, 1000)
    assert reader.read(1) == CONTENT[:1]
    assert failed.wait(60)
    reader.close()
    assert reader.closed
