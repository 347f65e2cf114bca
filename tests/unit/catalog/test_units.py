"""Durations and sizes as people write them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pgbackstop_catalog import units


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0s", 0), ("500ms", 0.5), ("30s", 30), ("1.5h", 5400), ("1h30m", 5400), ("25h", 90000),
        ("7d", 604800), ("2w", 1209600), ("1d2h3m4s5ms", 93784.005),
    ],
)  # fmt: skip
def test_durations(text: str, seconds: float) -> None:
    assert units.parse_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "5", "h", "1 h", "-1h", "1h ", "1y", "1h30", "soon", "1,5h"])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match="is no duration: write it like"):
        units.parse_duration(text)


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("0", 0), ("1048576", 2**20), ("12B", 12), ("500MB", 500 * 10**6), ("2GiB", 2**31), ("2 gib", 2**31),
        ("1.5kB", 1500), ("1T", 10**12), ("3K", 3000), ("1Ki", 1024), (" 7MB ", 7 * 10**6),
    ],
)  # fmt: skip
def test_sizes(text: str, size: int) -> None:
    assert units.parse_size(text) == size


@pytest.mark.parametrize("text", ["", "MB", "-1", "1PB", "much", "1 M B", "1iB", "i"])
def test_what_is_no_size(text: str) -> None:
    with pytest.raises(ValueError, match="is no size: write it like"):
        units.parse_size(text)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0.0s"), (0.44, "0.4s"), (9.99, "10.0s"), (12.4, "12s"), (59.6, "1m00s"), (185, "3m05s"),
        (3600, "1h00m"), (7800, "2h10m"), (86400, "1d0h"), (705600, "8d4h"),
    ],
)  # fmt: skip
def test_durations_for_people(seconds: float, text: str) -> None:
    assert units.format_duration(seconds) == text


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 B"), (812, "812 B"), (4_200_000, "4.2 MB"), (1_300_000_000, "1.3 GB"), (5 * 10**15, "5000.0 TB")],
)
def test_sizes_for_people(size: int, text: str) -> None:
    assert units.format_size(size) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(90000, "25h"), (604800, "1w"), (90, "90s"), (0.5, "0.5s"), (0, "0s")]
)
def test_exact_durations(seconds: float, text: str) -> None:
    assert units.format_exact_duration(seconds) == text


@given(st.integers(0, 10**9))
def test_exact_durations_are_read_back(seconds: int) -> None:
    assert units.parse_duration(units.format_exact_duration(float(seconds))) == seconds


@given(st.integers(0, 10**15) | st.integers(0, 9).map(lambda power: 3 * 10**power))
def test_exact_sizes_are_read_back(size: int) -> None:
    assert units.parse_size(units.format_exact_size(size)) == size


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "0 tables are missing"),
        (1, "1 table is missing"),
        (1.0, "1 table is missing"),
        (1204, "1,204 tables are missing"),
    ],
)
def test_one_is_no_plural(number: float, text: str) -> None:
    assert units.format_missing(number, "table") == text
