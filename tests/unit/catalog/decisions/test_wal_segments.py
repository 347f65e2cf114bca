"""Names, arithmetic, timelines and gaps of WAL."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pgbackstop_catalog.decisions import wal_segments
from pgbackstop_catalog.decisions.wal_segments import Segment, Switch
from pgbackstop_catalog.model import utc_now

SIZES = [2**20, 2**24, 2**26, 2**30]


def at(number: int, timeline: int = 1) -> Segment:
    return Segment(timeline=timeline, number=number)


@given(
    st.integers(1, 2**31),
    st.integers(0, 2**36),
    st.sampled_from(SIZES),
)
def test_names_are_read_back(timeline: int, number: int, size: int) -> None:
    number %= 2**64 // size
    segment = at(number, timeline)
    assert Segment.parse(segment.name(size), size) == segment


def test_a_log_has_as_many_segments_as_fit_into_4_gib() -> None:
    assert Segment.parse("000000010000000000000001").number == 1
    assert Segment.parse("000000010000000100000000").number == 256
    assert at(255).next().name() == "000000010000000100000000"
    assert Segment.parse("000000010000000100000000", 2**26).number == 64


@pytest.mark.parametrize("name", ["", "0" * 23, "0" * 25, "00000001000000000000000g", "00000002.history"])
def test_what_is_no_name_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="no name of a WAL segment"):
        Segment.parse(name)


@given(st.integers(0, 2**64 - 1))
def test_positions_are_read_back(position: int) -> None:
    assert wal_segments.parse_lsn(wal_segments.format_lsn(position)) == position


def test_the_segment_of_a_position() -> None:
    assert wal_segments.segment_of("0/3000028", 2).name() == "000000020000000000000003"


@given(st.sets(st.integers(0, 60)))
def test_runs_and_gaps_are_each_others_complement(numbers: set[int]) -> None:
    segments = [at(number) for number in numbers]
    present = [n for first, last in wal_segments.runs(segments) for n in range(first.number, last.number + 1)]
    absent = [n for first, last in wal_segments.gaps(segments) for n in range(first.number, last.number + 1)]
    assert sorted(present) == sorted(numbers)
    if numbers:
        assert sorted(present + absent) == list(range(min(numbers), max(numbers) + 1))


def test_a_new_timeline_alone_is_no_gap() -> None:
    assert wal_segments.gaps([at(1), at(2), at(3, 2), at(5, 2)]) == ((at(4, 2), at(4, 2)),)


HISTORY = "1\t0/3000000\tno recovery target specified\n\n# comment\n2\t0/5000100\tbefore 2026\n"


def test_a_history_tells_the_last_switch() -> None:
    assert wal_segments.parse_history(HISTORY) == Switch(parent=2, lsn=0x5000100)
    assert wal_segments.parse_history("# nothing\nnonsense\nx\t0/1\n²\t0/1\n1\tnowhere\n") is None


def test_what_is_deleted_is_missing_also_at_the_ends() -> None:
    found = wal_segments.missing([at(1), at(2), at(4)], [at(1), at(4)], {})
    assert found == ((at(1), at(1)), (at(3), at(4)))


@pytest.mark.parametrize(
    ("archived", "expected"),
    [
        ([at(1), at(2), at(3, 2)], ()),
        ([at(1), at(2), at(3), at(3, 2)], ()),
        ([at(1), at(2), at(5, 2)], ((at(3, 2), at(4, 2)),)),
        ([at(1), at(3, 2)], ((at(2), at(2)),)),
        ([at(5, 2)], ()),
        ([at(1), at(2)], ()),
    ],
)
def test_a_timeline_must_begin_where_it_left_its_parent(
    archived: list[Segment], expected: tuple[tuple[Segment, Segment], ...]
) -> None:
    switches = {2: Switch(parent=1, lsn=3 * wal_segments.DEFAULT_SEGMENT_BYTES + 100)}
    assert wal_segments.missing(archived, [], switches) == expected


def test_only_gaps_without_a_base_backup_count_as_missing() -> None:
    gap = wal_segments.WalGap(timeline=1, first="0" * 24, last="0" * 24, segments=3, found_at=utc_now())
    state = wal_segments.WalState(
        server="main",
        method="stream",
        status="streaming",
        started_at=utc_now(),
        updated_at=utc_now(),
        gaps=(gap, gap.evolve(acknowledged_by="20261122T020000Z-5f3a9c")),
    )
    assert state.missing_segments == 3
