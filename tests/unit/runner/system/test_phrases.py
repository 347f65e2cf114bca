"""What many messages have in common."""

import pytest

from pgbackstop_runner.system import phrases


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("", ""),
        ("a", "a"),
        ("abc", "a, b, c"),
        ("abcd", "a, b, c and 1 more"),
        ("abcdef", "a, b, c and 3 more"),
    ],
)
def test_the_first_are_named_and_the_rest_is_counted(words: str, sentence: str) -> None:
    assert phrases.some(list(words)) == sentence
    assert phrases.some(list(words), between="; ") == sentence.replace(",", ";")
