"""Words of others on our terminals and in our logs: they say something, and order nothing."""

import copy
import json

from hypothesis import given
from hypothesis import strategies as st

from pgbackstop_catalog import text


def test_what_a_terminal_would_obey_is_escaped() -> None:
    assert text.plain("\x1b[2J\x1b]0;owned\x07\x9b31m\u202e") == (
        r"\u001b[2J\u001b]0;owned\u0007\u009b31m\u202e"
    )


def test_lines_stay_where_they_are_wanted() -> None:
    assert text.plain("a\nb\r", keep="\n") == "a\nb\\r"


@given(st.text())
def test_what_is_escaped_reads_back(said: str) -> None:
    shown = text.plain(said)
    assert shown.isprintable()
    assert json.loads(f'"{shown}"') == said if not set('"\\') & set(said) else True


def test_names() -> None:
    assert all(map(text.is_name, ("a", "shop-daily", "a.b_c", "9")))
    assert not any(
        map(text.is_name, ("", ".snapshot", "lost+found", "@eaDir", "a b", "a\n", "../x", "é", "a" * 64))
    )


def test_a_sentence_knows_what_it_was_made_of() -> None:
    """So that it can be said in another language; for everybody else it is a text, copied and sent too."""
    age = text.said("{h}h{m:02d}m", h=26, m=5)
    made = text.said_of("{n} run {age} old", "{n} runs {age} old", 3, age=age)
    assert made == "3 runs 26h05m old"
    assert json.dumps([made]) == '["3 runs 26h05m old"]'
    for same in (made, copy.copy(made), copy.deepcopy(made)):
        assert (same.pattern, same.many) == ("{n} run {age} old", "{n} runs {age} old")
        assert same.values == {"n": 3, "age": age}
        assert same.values["age"].values == {"h": 26, "m": 5}


def test_joined_parts_keep_what_they_are() -> None:
    whole = text.joined("; ", [text.said("as of {day}", day=1), "a {brace"])
    assert whole == "as of 1; a {brace"
    assert whole.values["part0"].pattern == "as of {day}"
