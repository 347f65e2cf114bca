"""A tool that was taken over by what it reads, and writes without an end, takes no memory of ours."""

import itertools

import pytest

from pgbackstop_catalog.records.attempt import Reason
from pgbackstop_runner.failures import AttemptFailed
from pgbackstop_runner.postgres import client_process, tool_output

WITHOUT_A_LINE = ["/bin/cat", "/dev/zero"]


def test_what_is_read_whole_has_a_limit() -> None:
    with (
        pytest.raises(AttemptFailed, match=r"writes more than 1\.0 kB") as refused,
        client_process.start("pg_restore", WITHOUT_A_LINE, pipe_output=True) as tool,
    ):
        tool_output.whole(tool, 1000)
    assert refused.value.reason is Reason.CORRUPT
    with client_process.start("pg_restore", ["/bin/echo", "all"], pipe_output=True) as tool:
        assert tool_output.whole(tool, 4) == b"all\n"


def test_a_line_without_an_end_comes_in_pieces() -> None:
    with client_process.start("pg_restore", WITHOUT_A_LINE, pipe_output=True) as tool:
        pieces = list(itertools.islice(tool_output.lines(tool), 3))
        tool.kill()
    assert {len(each) for each in pieces} == {2**16}
    with client_process.start("pg_restore", ["/bin/echo", "a\nb"], pipe_output=True) as tool:
        assert list(tool_output.lines(tool)) == [b"a\n", b"b\n"]
