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


@given(st.lists(st.text(st.characters(categories=["L", "N", "P", "S"])), max_size=50))
def test_one_line_keeps_every_word(words: list[str]) -> None:
    assert errors.one_line("\n\t".join(words)) == " ".join(word for word in words if word)


def test_what_is_long_is_cut_and_counted() -> None:
    assert errors.one_line("no\nanswer " * 1_000, 20) == "no answer no answer … (10000 letters)"


@given(st.text(), st.integers(1, 50))
def test_whatever_was_said_is_one_bounded_line(said: str, most: int) -> None:
    line = errors.one_line(said, most)
    assert line.isprintable()
    assert len(line) <= 12 * most + 40


def test_no_handler_of_errors_takes_a_signal_for_one() -> None:
    """A sweep, a check or a copy that goes on after any error must end at a signal all the same."""

    def go_on_after_any_error() -> None:
        try:
            raise errors.Interrupted("Ended by SIGTERM.")  # noqa: TRY301 - as a handler of signals does
        except (errors.PgbackstopError, OSError, Exception):
            return

    with pytest.raises(errors.Interrupted, match="Ended by SIGTERM"):
        go_on_after_any_error()
