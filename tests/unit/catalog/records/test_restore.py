"""Decisions over restores."""

import pytest

from pgbackstop_catalog.records import restore


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("shop__restore_5f3a9c", True),
        ("shop__before_5f3a9c", True),
        ("shop__undone_5f3a9c", True),
        ("shop__drill_5f3a9c", True),
        ("a b\n\"c'__restore_000000", True),
        ("shop", False),
        ("shop__restore_5f3a9", False),
        ("shop__restore_5f3a9cc", False),
        ("shop__restore_5F3A9C", False),
        ("shop__restore_5f3a9c\n", False),
        ("shop__restored_5f3a9c", False),
    ],
)
def test_databases_that_restores_make_are_known_by_their_names(name: str, expected: bool) -> None:
    assert restore.is_beside(name) is expected
