"""The first page of a segment says whose it is."""

import struct

import pytest

from pgbackstop_catalog.decisions.wal_segments import Segment
from pgbackstop_runner.wal import segment_header
from tests.unit.runner.wal import makers

SEGMENT = Segment(timeline=2, number=5)


def problem(page: bytes) -> str:
    return segment_header.problem(segment_header.parse(page), SEGMENT, str(makers.SYSTEM), makers.SIZE)


def test_a_segment_is_recognised() -> None:
    assert problem(makers.content(5, timeline=2)) == ""
    assert problem(makers.content(5, timeline=1)) == ""  # the timeline began in this segment


def test_a_server_of_the_other_byte_order_is_understood() -> None:
    page = struct.pack(">HHIQI4xQII", 0xD110, 2, 2, 5 * makers.SIZE, 0, makers.SYSTEM, makers.SIZE, 8192)
    assert problem(page) == ""


@pytest.mark.parametrize(
    ("page", "words"),
    [
        (b"", "does not begin with a WAL page"),
        (b"\0" * 8192, "does not begin with a WAL page"),
        (makers.content(5)[:30], "does not begin with a WAL page"),
        (makers.content(5, system=3), "belongs to system 3"),
        (makers.content(6), "belongs elsewhere"),
        (makers.content(5, timeline=3), "timeline 3"),
        (struct.pack("<HHIQI4xQII", 0xD116, 2, 2, 5, 0, makers.SYSTEM, 99, 8192), "99 bytes"),
    ],
)
def test_what_cannot_be_it_is_refused(page: bytes, words: str) -> None:
    assert words in problem(page)
