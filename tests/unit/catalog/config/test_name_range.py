"""Ranges of names, as Ansible writes them."""

import pytest

from pgbackstop_catalog.config import name_range


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("main", ["main"]),
        ("pay-[1:3]", ["pay-1", "pay-2", "pay-3"]),
        ("pay-[08:10].eu", ["pay-08.eu", "pay-09.eu", "pay-10.eu"]),
        ("r[1:2]n[0:1]", ["r1n0", "r1n1", "r2n0", "r2n1"]),
        ("pay-[a:c]", ["pay-[a:c]"]),  # which no name of a server may be
    ],
)
def test_a_pattern_stands_for_names(pattern: str, names: list[str]) -> None:
    assert name_range.names(pattern) == names


@pytest.mark.parametrize("pattern", ["x[5:1]", "x[1:999999]", "x[1:200]y[1:200]"])
def test_none_and_too_many_are_refused(pattern: str) -> None:
    with pytest.raises(ValueError, match="write a range of 1 to 10000"):
        name_range.names(pattern)
