"""Errors as a person reads them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pgbackstop_catalog import errors

REFUSED = 'connection to server at "db" failed: FATAL: no such role'


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (OSError('connection to server at "db" failed:\n\tFATAL:  no such role\n'), REFUSED),
        ("initdb: error:\n  no space left\r\n", "initdb: error: no space left"),
        (errors.ConfigError("There is no plan.", remedy="Add one."), "There is no plan. Add one."),
        ("", ""),
    ],
)
def test_what_was_said_is_one_line(words: object, line: str) -> None:
    assert errors.one_line(words) == line


@given(st.text())
def test_one_line_keeps_every_word(text: str) -> None:
    line = errors.one_line(text)
    assert len(line.splitlines()) <= 1
    assert line.split() == text.split()
