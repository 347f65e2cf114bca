"""Reading ahead: the same bytes in the same order, and no thread that stays."""

import itertools
import threading
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pgbackstop_runner.system.read_ahead import Ahead


def threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name == "ahead"]


@given(st.lists(st.binary(min_size=1, max_size=40), max_size=30), st.integers(1, 50))
def test_all_bytes_in_order(chunks: list[bytes], size: int) -> None:
    found = b""
    with Ahead(iter(chunks)) as ahead:
        while piece := ahead.read(size):
            found += piece
        assert ahead.tell() == len(found)
    assert found == b"".join(chunks)


def test_passed_over_forwards_only() -> None:
    with Ahead(iter([b"abc", b"defgh"])) as ahead:
        ahead.seek(4)
        assert ahead.read(2) == b"ef"
        with pytest.raises(ValueError, match="gone"):
            ahead.seek(1)


def test_an_error_comes_where_it_is_read() -> None:
    def chunks() -> Iterator[bytes]:
        yield b"good"
        raise OSError(5, "no more")

    with Ahead(chunks()) as ahead:
        assert ahead.read(4) == b"good"
        with pytest.raises(OSError, match="no more"):
            ahead.finish()
    assert threads() == []


def test_one_that_gives_up_leaves_no_thread() -> None:
    with Ahead(itertools.repeat(b"x")) as ahead:
        assert ahead.read(1) == b"x"
        assert threads() == ["ahead"]
    assert threads() == []
