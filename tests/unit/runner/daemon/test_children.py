"""What a child writes is passed on, and its end is kept."""

import io
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from pgbackstop_runner.daemon.children import Tail


@pytest.fixture
def unreadable(tmp_path: Path) -> Iterator[int]:
    """A descriptor that cannot be read from, as on a disk in trouble."""
    descriptor = os.open(tmp_path, os.O_RDONLY | os.O_CLOEXEC)
    yield descriptor
    os.close(descriptor)


def test_what_is_written_is_passed_on_once_and_what_was_there_is_only_kept(tmp_path: Path) -> None:
    file, out = tmp_path / "log", io.BytesIO()
    file.write_text("before\n")
    tail = Tail.resume(os.open(file, os.O_RDONLY | os.O_CLOEXEC), out)
    for line in ("one\n", "two\n"):
        with file.open("a") as more:
            more.write(line)
        tail.pass_on()
        tail.pass_on()
    tail.close()
    assert out.getvalue() == b"one\ntwo\n"
    assert tail.words() == "before\none\ntwo"


def test_who_follows_a_child_goes_on_where_its_log_cannot_be_read(unreadable: int) -> None:
    with pytest.raises(IsADirectoryError):
        os.pread(unreadable, 1, 0)
    for tail in (Tail(log=unreadable, out=io.BytesIO()), Tail.resume(unreadable, io.BytesIO())):
        tail.pass_on()
        assert tail.words() == ""
